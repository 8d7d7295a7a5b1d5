"""Checks of the fields of a recurrent cell: each failure is one line that names the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from videolstm_jax.core.cell import Cell, Layers
from videolstm_jax.core.checks import cell_type_text
from videolstm_jax.core.start import MeanStart
from videolstm_jax.errors import ConfigError
from videolstm_jax.types import Layer

STATES = ("hidden", "cell")
"""The states that the setting `eval.states` can ask for."""


def check_cell_fields(cell: Cell) -> None:
    """Raises ConfigError where a field of a cell has another type than `Cell` says."""
    if not isinstance(cell, Cell):
        raise ConfigError(f"the cell is {cell_type_text(cell)}; expected a Cell")
    # Functions last: their names in messages come from the states, which must be a mapping by then.
    problem = _layers_problem(cell.layers) or _states_problem(cell.states)
    problem = problem or _values_problem(cell)
    if problem:
        raise ConfigError(problem)


def _states_problem(states: Any) -> str:
    if not isinstance(states, Mapping):
        return f"the states of the cell are {cell_type_text(states)}; expected a dict"
    for name in states:
        # A map of another name could never be read, and no message would say so.
        if name not in STATES:
            names = " and ".join(STATES)
            return f"the cell has the state {name!r}; expected no others than {names}"
    return ""


def _values_problem(cell: Cell) -> str:
    """What is wrong with the flags and functions of a cell; empty where nothing is."""
    # Fields of a Cell may be given by position. A function in the place of a flag would count as
    # true, and the cell would fail far from here.
    for name in ("vector", "attends"):
        flag = getattr(cell, name)
        if not isinstance(flag, bool):
            return f"the field {name} of the cell is {flag!r}; expected True or False"
    start = cell.mean_start
    if start is not None and not isinstance(start, MeanStart):
        return (
            f"the mean_start of the cell is {cell_type_text(start)}; expected a MeanStart, or None"
        )
    for name, function in _functions(cell).items():
        if not callable(function):
            return f"the {name} of the cell is {cell_type_text(function)}; expected a function"
    return ""


def _layers_problem(layers: Layers) -> str:
    if not isinstance(layers, Layers):
        # A plain string is the likely mistake: it has letters, and no fields x and motion.
        return (
            f"the layers of the cell are {layers!r}; expected a Layers, such as "
            'Layers("pool5") or Layers("pool5", "pool5")'
        )
    names = [layers.x]
    if layers.motion is not None:
        names.append(layers.motion)
    for name in names:
        if name not in get_args(Layer):
            layer_names = ", ".join(get_args(Layer))
            return f"the cell reads the layer {name!r}; expected one of {layer_names}"
    return ""


def _functions(cell: Cell) -> dict[str, Callable[..., Any]]:
    """All functions of a cell by their names in messages."""
    functions = {name: getattr(cell, name) for name in ("drive", "step", "init", "zeros")}
    if cell.mean_start is not None:
        functions["mean_start.init"] = cell.mean_start.init
        functions["mean_start.carry"] = cell.mean_start.carry
    for name, state_of in cell.states.items():
        functions[f"states[{name!r}]"] = state_of
    return functions
