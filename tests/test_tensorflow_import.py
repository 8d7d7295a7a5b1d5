"""TensorFlow is imported without Keras, and a module of the user can still use it."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os
import sys

from videolstm_jax.clips import draws

tf = draws._import_tensorflow()
print("keras" in sys.modules, "TF_USE_LEGACY_KERAS" in os.environ, tf.keras.layers.Dense.__name__)
"""


@pytest.mark.slow
def test_keras_is_imported_where_it_is_used():
    environment = {name: value for name, value in os.environ.items() if "KERAS" not in name}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "False False Dense\n", done.stderr
