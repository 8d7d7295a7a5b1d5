"""The public names are documented and take arguments in one way; the README's example runs."""

import inspect
import pathlib
import re
import subprocess
import sys

import pytest

import videolstm_jax

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.parametrize("name", videolstm_jax.__all__)
def test_a_public_name(name):
    value = getattr(videolstm_jax, name)
    assert name in dir(videolstm_jax)
    if inspect.isfunction(value):
        assert value.__doc__, f"{name} has no docstring"
        parameters = list(inspect.signature(value).parameters.values())
        for parameter in parameters:
            optional = parameter.default is not inspect.Parameter.empty
            assert (
                not optional
                or parameter.kind is inspect.Parameter.KEYWORD_ONLY
                or name in _POSITIONAL
            ), f"{name}: {parameter.name} has a default; expected it to be keyword-only"
            assert parameter.name not in ("rng", "train", "training"), name
            assert parameter.name != "key" or optional or parameter is parameters[0], (
                f"{name}: key does not come first"
            )


_POSITIONAL = {"configured", "product_fusion"}  # whose second argument design gives by position


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'gru'"):
        _ = videolstm_jax.gru


def test_the_example_of_the_readme_runs():
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    assert len(example.strip().splitlines()) <= 12
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "(2, 30, 101)" in done.stdout and "(2, 30, 7, 7)" in done.stdout
