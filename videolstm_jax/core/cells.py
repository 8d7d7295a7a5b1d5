"""What a recurrent cell is, and the six of the paper: each a `drive`, a `step` and parameters.

A vector is a 1 x 1 map, so there is no dense cell beside a convolutional one: LSTM and ConvLSTM
share their functions, and so do ALSTM and ConvALSTM, the two motion cells.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import jax

from videolstm_jax.core.ops import attention, expect, lstm, total, weigh
from videolstm_jax.core.params import attended_params, motion_params, plain_params
from videolstm_jax.core.start import MeanStart, mean_carry, mean_params, zero_carry
from videolstm_jax.errors import ConfigError
from videolstm_jax.types import Carry, CellOut, CellParams, Inputs, LSTMParams, LSTMState

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig
    from videolstm_jax.core.engines import Conv
    from videolstm_jax.types import Array

Read: TypeAlias = "Callable[[Array, Array], Array]"


class Layers(NamedTuple):
    """The backbone layers a cell reads: "pool5", "fc7" or "logits".

    `x` is a layer of the cell's own stream, `motion` one of the flow stream or None.
    """

    x: str
    motion: str | None = None


class Drive(NamedTuple):
    """What does not depend on the carry, for all frames at once; a cell leaves what it lacks None.

    `gates` W_x * X_t [.., N, N, 4K]; `x` X_t [.., N, N, D], for attention to weigh; `query` W_xa *
    X_t [.., N, N, A]; `motion` W_m * M_t [.., M, M, 4K].
    """

    gates: Array | None = None
    x: Array | None = None
    query: Array | None = None
    motion: Array | None = None


class Cell(NamedTuple):
    """One recurrent cell, and all that the rest of the project needs of it.

    Attributes:
      drive: `drive(conv, params, inputs) -> Drive`, or any record of arrays, reads all frames at
        once, leading axes [T, B].
      step: `step(conv, params, carry, drive_t) -> (carry, CellOut)` reads one frame, leading axis
        [B]. The carry may be any tree of arrays [B, ..]; no stage looks inside it.
      init: `init(key, cfg)` draws the parameters, any tree of arrays.
      layers: the features it reads.
      vector: its hidden map is 1 x 1, and so are its kernels.
      attends: its `CellOut` has an attention map.
      zeros: `zeros(cfg, batch) -> carry` before the first frame. Left out, it is that of one LSTM.
      mean_start: makes the carry before the first frame from the mean input, for `start="mean"`;
        None where the cell can only start from zeros.
      states: the maps [B, n, n, k] of the carry that can be kept for pictures, by name.
    """

    drive: Callable[[Conv, Any, Inputs], Any]
    step: Callable[[Conv, Any, Any, Any], tuple[Any, CellOut]]
    init: Callable[[Array, ModelConfig], Any]
    layers: Layers
    vector: bool = False
    attends: bool = False
    zeros: Callable[[ModelConfig, int], Any] = zero_carry
    mean_start: MeanStart | None = None
    states: Mapping[str, Callable[[Any], Array]] = MappingProxyType({})

    def __hash__(self) -> int:
        """Functions are cached by their cell; a mapping has no hash, but its names have."""
        return hash((*self[:-1], *self.states))


class BoundCell(NamedTuple):
    """A cell with its convolutions: `drive(params, inputs)`, `step(params, carry, drive_t)`."""

    drive: Callable[[CellParams, Inputs], Any]
    step: Callable[[CellParams, Carry, Any], tuple[Carry, CellOut]]


def bind(cell: Cell, conv: Conv, *, drive_conv: Conv | None = None) -> BoundCell:
    """The cell with `conv` in its step and `drive_conv`, or the same one, in its drive."""
    return BoundCell(partial(cell.drive, drive_conv or conv), partial(cell.step, conv))


def scale_attention(cell: Cell, scale: float) -> Cell:
    """The cell with a constant factor on A * X, Eq. (9).

    The factor is taken into the `x` of its `Drive`; a cell whose drive has none is left as it is.
    """

    def drive(conv: Conv, p: CellParams, xs: Inputs) -> Drive:
        d = cell.drive(conv, p, xs)
        if getattr(d, "x", None) is None:
            return d
        # Features of 16 bits have too few of them for the product.
        return d._replace(x=d.x.astype(jax.tree.leaves(p)[0].dtype) * scale)

    return cell._replace(drive=drive)


def plain_drive(conv: Conv, p: CellParams, xs: Inputs) -> Drive:
    """W_x * X_t of all four gates, Eqs. (1)-(4)."""
    return Drive(gates=conv(p.top.x, xs.x))


def attended_drive(conv: Conv, p: CellParams, xs: Inputs) -> Drive:
    """X_t as it is and W_xa * X_t, Eq. (7)."""
    return Drive(x=xs.x, query=conv(p.attend.x, xs.x))


def motion_drive(conv: Conv, p: CellParams, xs: Inputs) -> Drive:
    """The same, and W_m * M_t of all four gates, Eqs. (10)-(13)."""
    return attended_drive(conv, p, xs)._replace(motion=conv(p.motion.x, xs.motion))


def plain_step(conv: Conv, p: CellParams, carry: Carry, d: Drive) -> tuple[Carry, CellOut]:
    """LSTM and ConvLSTM, Eqs. (1)-(6).

    Args:
      conv: the engine's convolution.
      p: the top group.
      carry: C_{t-1} and H_{t-1}.
      d: one frame of what `plain_drive` made.

    Returns:
      The next carry, and H_t [B, N, N, K].
    """
    top = lstm(carry.top, total(p.top.bias, d.gates, conv(p.top.hidden, carry.top.hidden)))
    return Carry(top), CellOut(top.hidden)


def attended_step(
    read: Read, conv: Conv, p: CellParams, carry: Carry, d: Drive
) -> tuple[Carry, CellOut]:
    """ALSTM and ConvALSTM: attends by H_{t-1}, Eqs. (7)-(8), then the LSTM, Eqs. (1)-(6).

    Args:
      read: `weigh` keeps the map, Eq. (9); `expect` averages it to 1 x 1 as ALSTM does.
      conv: the engine's convolution.
      p: the top group and the attention's.
      carry: C_{t-1} and H_{t-1}.
      d: one frame of what `attended_drive` made.

    Returns:
      The next carry, and H_t [B, N', N', K] with A_t [B, N, N], which sums to one.
    """
    a = attention(p.attend, d.query, carry.top.hidden)
    top = _top(conv, p.top, carry.top, read(a, d.x))
    return Carry(top), CellOut(top.hidden, a[..., 0])


def motion_step(
    read: Read, conv: Conv, p: CellParams, carry: Carry, d: Drive
) -> tuple[Carry, CellOut]:
    """Attends where things move, then updates the top LSTM (Sec. 3.2).

    The motion layer reads M_t and the top layer's H_{t-1}, Eqs. (10)-(15). Its new H^m_t takes the
    place of H_{t-1} in the attention, Eqs. (7)-(8). It reaches the classifier in no other way.

    Args:
      read: `weigh` keeps the map, Eq. (9); `expect` averages it to 1 x 1 as ALSTM does.
      conv: the engine's convolution.
      p: all three groups.
      carry: C_{t-1} and H_{t-1} of both LSTMs.
      d: one frame of what `motion_drive` made of X_t and M_t.

    Returns:
      The next carry, and H_t [B, N', N', K] with A_t [B, N, N], which sums to one.
    """
    # W_e * H_{t-1}: the motion layer reads the hidden map of the top layer too.
    above = conv(p.motion.above, carry.top.hidden)
    z = total(p.motion.bias, d.motion, conv(p.motion.hidden, carry.motion.hidden), above)
    motion = lstm(carry.motion, z)
    a = attention(p.attend, d.query, motion.hidden)
    top = _top(conv, p.top, carry.top, read(a, d.x))
    return Carry(top, motion), CellOut(top.hidden, a[..., 0])


def _top(conv: Conv, p: LSTMParams, state: LSTMState, x: Array) -> LSTMState:
    return lstm(state, total(p.bias, conv(p.x, x), conv(p.hidden, state.hidden)))


# A motion cell has two LSTMs, and the others one. The states of a vector cell have no places, so
# there is nothing to keep for pictures.
_LSTM_STATES = MappingProxyType(
    {"hidden": attrgetter("top.hidden"), "cell": attrgetter("top.cell")}
)
_ONE_START = MeanStart(mean_params, mean_carry)
_TWO_STARTS = MeanStart(partial(mean_params, motion=True), mean_carry)

CELLS: Mapping[str, Cell] = {
    "lstm": Cell(
        plain_drive,
        plain_step,
        plain_params,
        Layers("fc7"),
        vector=True,
        zeros=partial(zero_carry, vector=True),
        mean_start=_ONE_START,
    ),
    "convlstm": Cell(
        plain_drive,
        plain_step,
        plain_params,
        Layers("pool5"),
        mean_start=_ONE_START,
        states=_LSTM_STATES,
    ),
    "alstm": Cell(
        attended_drive,
        partial(attended_step, expect),
        attended_params,
        Layers("pool5"),
        vector=True,
        attends=True,
        zeros=partial(zero_carry, vector=True),
        mean_start=_ONE_START,
    ),
    "convalstm": Cell(
        attended_drive,
        partial(attended_step, weigh),
        attended_params,
        Layers("pool5"),
        attends=True,
        mean_start=_ONE_START,
        states=_LSTM_STATES,
    ),
    "motion_alstm": Cell(
        motion_drive,
        partial(motion_step, expect),
        motion_params,
        Layers("pool5", "fc7"),
        vector=True,
        attends=True,
        zeros=partial(zero_carry, vector=True, motion=True),
        mean_start=_TWO_STARTS,
    ),
    "videolstm": Cell(
        motion_drive,
        partial(motion_step, weigh),
        motion_params,
        Layers("pool5", "pool5"),
        attends=True,
        zeros=partial(zero_carry, motion=True),
        mean_start=_TWO_STARTS,
        states=_LSTM_STATES,
    ),
}


def find_cell(name: str) -> Cell:
    """The cell that a setting names.

    Args:
      name: one of `CELLS`, or "package.module:ATTRIBUTE" for a `Cell` of the caller's own. Python
        must be able to import the module; the command line looks in the current folder too.

    Raises:
      ConfigError: no cell has this name, the module cannot be imported, or its attribute is missing
        or not a `Cell`.
    """
    if name in CELLS:
        return CELLS[name]
    # What has no colon cannot be a module, so it is a misspelt name.
    module_name, colon, attribute = name.partition(":")
    if not colon:
        hint = ""
        nearest = difflib.get_close_matches(name, CELLS, n=1)
        if nearest:
            hint = f"; did you mean {nearest[0]}?"
        raise ConfigError(
            f"there is no cell {name!r}; expected one of {', '.join(CELLS)}, or "
            f"package.module:ATTRIBUTE{hint}"
        )
    try:
        module = importlib.import_module(module_name)
    # The module is the user's own: whatever it raises, one line must name the module and the cause.
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise ConfigError(f"cannot import the module of the cell {name!r}: {cause}") from error
    cell = getattr(module, attribute, None)
    if not isinstance(cell, Cell):
        content = "missing"
        if hasattr(module, attribute):
            content = type(cell).__name__
        raise ConfigError(f"the attribute of the cell {name!r} is {content}; expected a Cell")
    return cell
