"""The six recurrent cells of the paper: each a `drive`, a `step` and parameters.

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
from typing import TYPE_CHECKING, TypeAlias

from videolstm_jax.core.cell import Cell, Drive, Layers
from videolstm_jax.core.ops import attention, expect, lstm, total, weigh
from videolstm_jax.core.params import attended_params, motion_params, plain_params
from videolstm_jax.core.start import MeanStart, mean_carry, mean_carry_params, zero_carry
from videolstm_jax.errors import ConfigError
from videolstm_jax.types import Carry, CellOut, CellParams, Inputs, LSTMParams, LSTMState

if TYPE_CHECKING:
    from videolstm_jax.core.engines import Conv
    from videolstm_jax.types import Array

# `(A_t, X_t) -> x`, `ops.weigh` or `ops.expect`: what the top LSTM reads of a map.
Read: TypeAlias = "Callable[[Array, Array], Array]"


def plain_drive(conv: Conv, p: CellParams, xs: Inputs) -> Drive:
    """W_x * X_t of all four gates, Eqs. (1)-(4)."""
    return Drive(gates=conv(p.top.x, xs.x))


def attended_drive(conv: Conv, p: CellParams, xs: Inputs) -> Drive:
    """X_t as it is and W_xa * X_t, Eq. (7)."""
    # No gates: W_x convolves A_t * X_t, Eq. (9), and A_t is known inside the scan only.
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
    # Eqs. (1)-(4): W_x * X_t from the drive, W_h * H_{t-1} and b, of all four gates at once.
    z = total(p.top.bias, d.gates, conv(p.top.hidden, carry.top.hidden))
    # Eqs. (5)-(6).
    top = lstm(carry.top, z)
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
    # Eqs. (7)-(8): A_t from X_t and H_{t-1}.
    a = attention(p.attend, d.query, carry.top.hidden)
    # Eq. (9), then Eqs. (1)-(6) with A_t * X_t in the place of X_t.
    top = _top(conv, p.top, carry.top, read(a, d.x))
    # The last axis of A_t has one channel, which let it broadcast over the D channels of X_t.
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
    # Eqs. (10)-(13): W_m * M_t from the drive, W_h * H^m_{t-1}, W_e * H_{t-1} and b.
    z = total(p.motion.bias, d.motion, conv(p.motion.hidden, carry.motion.hidden), above)
    # Eqs. (14)-(15): C^m_t and H^m_t.
    motion = lstm(carry.motion, z)
    # Eqs. (7)-(8). H^m_t is of this frame, so that attention moves with what moves now.
    a = attention(p.attend, d.query, motion.hidden)
    # Eq. (9), then Eqs. (1)-(6) with A_t * X_t in the place of X_t.
    top = _top(conv, p.top, carry.top, read(a, d.x))
    return Carry(top, motion), CellOut(top.hidden, a[..., 0])


def _top(conv: Conv, p: LSTMParams, state: LSTMState, x: Array) -> LSTMState:
    """The top LSTM on the attended input A_t * X_t, Eqs. (1)-(6)."""
    # Unlike `plain_step` it convolves its input here: A_t is known only now.
    return lstm(state, total(p.bias, conv(p.x, x), conv(p.hidden, state.hidden)))


# The states of a vector cell have no places, so there is nothing to keep for pictures. Of a motion
# cell the top LSTM's are kept: its hidden map is what the classifier reads.
_LSTM_STATES = MappingProxyType(
    {"hidden": attrgetter("top.hidden"), "cell": attrgetter("top.cell")}
)
# A motion cell has two LSTMs, and the others one.
_ONE_START = MeanStart(mean_carry_params, mean_carry)
_TWO_STARTS = MeanStart(partial(mean_carry_params, motion=True), mean_carry)

# From the simplest to the paper's: each adds one idea to one of those before it. Vector cells read
# fc7 or average their map; the motion of `motion_alstm` is fc7 since its motion LSTM is a vector.
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
