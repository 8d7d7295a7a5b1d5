"""docs/equations.md and docs/add_a_cell.md name only what exists, and show the example as it is."""

import ast
import importlib
import pathlib
import re

import pytest
from example_cell import PAGE, listing

ROOT = pathlib.Path(__file__).parents[1]
EQUATIONS = (ROOT / "docs" / "equations.md").read_text()
PACKAGES = sorted(path.name for path in (ROOT / "videolstm_jax").iterdir() if path.is_dir())
FUNCTIONS = sorted(set(re.findall(rf"`((?:{'|'.join(PACKAGES)})\.\w+\.\w+)`", EQUATIONS)))
TESTS = sorted(set(re.findall(r"`(test_\w+\.py)(?:::(\w+))?`", EQUATIONS)))


def test_both_columns_are_found():
    assert len(FUNCTIONS) > 12 and len(TESTS) > 12


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_the_table_exists(name):
    module, _, function = name.rpartition(".")
    assert callable(getattr(importlib.import_module(f"videolstm_jax.{module}"), function))


@pytest.mark.parametrize("file, test", TESTS)
def test_a_test_of_the_table_exists(file, test):
    source = (ROOT / "tests" / file).read_text()
    assert not test or f"def {test}(" in source


@pytest.mark.parametrize("equation", range(1, 18))
def test_every_equation_has_a_row(equation):
    rows = re.findall(r"^\| ([\d-]+) \|", EQUATIONS, re.M)
    bounds = [[int(number) for number in row.split("-")] for row in rows if row != "-"]
    assert any(first <= equation <= last for first, *_, last in (2 * bound for bound in bounds))


def test_the_listing_is_the_example():
    """Statement by statement; the example has a training beside it."""
    example = ast.parse((ROOT / "examples" / "conv_gru.py").read_text())
    statements = [ast.dump(node) for node in example.body]
    shown = [node for node in ast.parse(listing()).body if not isinstance(node, ast.ImportFrom)]
    for node in shown:
        assert ast.dump(node) in statements, ast.unparse(node)


def test_the_checks_of_a_cell_are_listed():
    from videolstm_jax.testing import CHECKS

    table = PAGE[PAGE.index("| check | meaning |") :]
    rows = re.findall(r"^\| (.+?) \| .+ \|$", table, re.M)
    assert rows[1:] == list(CHECKS)
