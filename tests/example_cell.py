"""The seventh cell, an example: its module examples/conv_gru.py, its page docs/add_a_cell.md."""

import importlib.util
import pathlib
import re
from functools import cache

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "add_a_cell.md").read_text()


@cache
def load_example():
    """The module examples/conv_gru.py."""
    path = ROOT / "examples" / "conv_gru.py"
    spec = importlib.util.spec_from_file_location("conv_gru", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listing() -> str:
    """The complete file that docs/add_a_cell.md shows."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    return next(block for block in blocks if "CELL = Cell(" in block)
