"""What every test runs under: strict promotion, four fake devices, and the folder of real data
where there is one.
"""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault(
    "JAX_DISABLE_MOST_OPTIMIZATIONS", "1"
)  # most of a test's time is compiling tiny programs
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import pathlib

import hypothesis
import jax
import pytest

hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile(
    "ci", deadline=None, derandomize=True
)  # a change is judged on the same examples
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture(scope="session")
def real_data() -> pathlib.Path:
    """The folder of real videos that lies beside a checkout; tests that need it are skipped where
    it is absent.
    """
    folder = pathlib.Path(
        os.environ.get("VIDEOLSTM_REAL_DATA", pathlib.Path(__file__).parents[2] / "shared" / "data")
    )
    if not folder.is_dir():
        pytest.skip(f"no folder of real data at {folder}; set VIDEOLSTM_REAL_DATA to one")
    return folder
