"""Cells by name: the six, and those of other people's modules."""

import textwrap

import pytest

from videolstm_jax.config import RunConfig, change
from videolstm_jax.core import CELLS, find_cell
from videolstm_jax.errors import ConfigError


@pytest.mark.parametrize("name", CELLS)
def test_one_of_the_six(name):
    assert find_cell(name) is CELLS[name]


def test_cells_can_be_keys():
    cell = CELLS["convlstm"]._replace(states={"hidden": str})
    assert len({*CELLS.values(), cell, cell._replace()}) == 7


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_attends_where_it_has_attention_parameters(name):
    assert CELLS[name].attends == (name not in ("lstm", "convlstm"))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `strange_cells` with the modules `good` and `damaged`."""
    folder = tmp_path / "strange_cells"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "damaged.py").write_text("raise RuntimeError('no such table')")
    (folder / "good.py").write_text(
        textwrap.dedent(
            """
            from videolstm_jax import CELLS

            CELL = CELLS["alstm"]._replace(attends=True)
            NUMBER = 3
            """
        )
    )
    monkeypatch.syspath_prepend(tmp_path)


def test_a_cell_of_another_package(package):
    assert find_cell("strange_cells.good:CELL") == CELLS["alstm"]


@pytest.mark.parametrize(
    "name, message",
    [
        ("videolst", "there is no cell 'videolst'; .*package.module:ATTRIBUTE; did you mean video"),
        ("gru", "there is no cell 'gru'; expected one of lstm, convlstm, .*ATTRIBUTE$"),
        ("strange_cells.absent:CELL", "cannot import .*'strange_cells.absent:CELL': ModuleNotF"),
        ("strange_cells.damaged:CELL", "cannot import .*RuntimeError: no such table$"),
        ("strange_cells.good:GRU", "attribute of the cell 'strange_cells.good:GRU' is missing"),
        ("strange_cells.good:NUMBER", "attribute .*:NUMBER' is int; expected a Cell$"),
    ],
)
def test_a_cell_that_cannot_be_found(package, name, message):
    with pytest.raises(ConfigError, match=message) as error:
        find_cell(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "cell, name",
    [
        ("my_package.gru:CELL", "gru-flow"),
        ("my_package.gru:CONV_GRU", "conv_gru-flow"),
        ("convlstm", "convlstm-flow"),
    ],
)
def test_the_run_of_a_cell_has_a_short_name(cell, name):
    cfg = change(RunConfig(), model__cell=cell, data__stream="flow")
    assert cfg.run_name == name


def test_two_cells_of_one_name_cannot_be_trained_together():
    with pytest.raises(ConfigError, match="cells with different names"):
        change(RunConfig(), pipeline__cells=("a.gru:CELL", "b.gru:CELL"))
