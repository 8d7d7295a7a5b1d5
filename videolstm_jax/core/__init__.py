"""The recurrent core: six cells from one LSTM and one attention, as pure functions of arrays."""

from videolstm_jax.core.cell import BoundCell, Cell, Drive, Layers, bind
from videolstm_jax.core.cells import CELLS, find_cell
from videolstm_jax.core.model import Model, make_model
from videolstm_jax.core.ops import attention, expect, lstm, total, weigh
from videolstm_jax.core.unroll import unroll

__all__ = [
    "CELLS",
    "BoundCell",
    "Cell",
    "Drive",
    "Layers",
    "Model",
    "attention",
    "bind",
    "expect",
    "find_cell",
    "lstm",
    "make_model",
    "total",
    "unroll",
    "weigh",
]
