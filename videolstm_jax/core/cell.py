"""What a recurrent cell is: functions that compute it, and what the project must know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from videolstm_jax.core.start import MeanStart, zero_carry
from videolstm_jax.types import Carry, CellOut, CellParams, Inputs

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig
    from videolstm_jax.core.engines import Conv
    from videolstm_jax.types import Array


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

    # JAX and `functools.cache` look functions up by their cell. A mapping has no hash, so its names
    # stand for it: two cells that differ in `states` alone may collide, and are still unequal.
    def __hash__(self) -> int:
        """Hashes all fields, and of `states` the names."""
        return hash((*self[:-1], *self.states))


class BoundCell(NamedTuple):
    """A cell with its convolutions: `drive(params, inputs)`, `step(params, carry, drive_t)`."""

    drive: Callable[[CellParams, Inputs], Any]
    step: Callable[[CellParams, Carry, Any], tuple[Carry, CellOut]]


def bind(cell: Cell, conv: Conv, *, drive_conv: Conv | None = None) -> BoundCell:
    """The cell with `conv` in its step and `drive_conv`, or the same one, in its drive."""
    # Two convolutions, because the fastest one on all frames at once and the fastest one inside a
    # scan differ on CPUs (see `core.engines`).
    return BoundCell(partial(cell.drive, drive_conv or conv), partial(cell.step, conv))


def scale_attention(cell: Cell, scale: float) -> Cell:
    """The cell with a constant factor on A * X, Eq. (9).

    The factor is taken into the `x` of its `Drive`; a cell whose drive has none is left as it is.
    """

    def drive(conv: Conv, p: CellParams, xs: Inputs) -> Drive:
        d = cell.drive(conv, p, xs)
        if getattr(d, "x", None) is None:
            return d
        # Features of 16 bits have too few of them for the product. The parameters of a cell share
        # a dtype, so the first leaf tells it.
        dtype = jax.tree.leaves(p)[0].dtype
        # s * (A * X) = A * (s * X): scaled here, once for all frames, and not in every step.
        return d._replace(x=d.x.astype(dtype) * scale)

    return cell._replace(drive=drive)
