"""A cell in a small model with random parameters: what the checks of a cell are computed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from videolstm_jax.config import ModelConfig
from videolstm_jax.core import engines
from videolstm_jax.core.cell import bind, scale_attention
from videolstm_jax.core.checks import POINT_LAYERS
from videolstm_jax.core.model import make_model
from videolstm_jax.core.unroll import swap_time_for_scan
from videolstm_jax.types import CellOut, Clip, Inputs, Output, Params

if TYPE_CHECKING:
    from videolstm_jax.core.cell import Cell
    from videolstm_jax.core.model import Model
    from videolstm_jax.types import Array, PyTree

# No size equals another, so that no two axes can be confused.
_SIZES = {
    "map_size": 4,
    "motion_size": 4,
    "depth": 5,
    "motion_depth": 6,
    "hidden": 3,
    "attention": 2,
    "head": 8,
    "classes": 7,
}
BATCH = 2
"""Clips of the batch."""
FRAMES = 5
"""Frames of each clip."""
SHORT = 3
"""Frames of a clip that is cut, or padded to all frames."""

# XLA optimises nothing: compiling takes half the time, and arrays this small are fast anyway.
jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


class CellCase:
    """A cell in a small model, with random parameters and a random clip."""

    def __init__(self, cell: Cell, settings: Mapping[str, Any]):
        """Takes a cell, and fields of `ModelConfig` that replace the small sizes."""
        self.cell = cell
        self._own_settings = settings

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Of the model; not made before the fields of the cell have been checked."""
        sizes = dict(_SIZES)
        if self.cell.layers.x in POINT_LAYERS:
            sizes["map_size"] = 1
        if self.cell.layers.motion in POINT_LAYERS:
            sizes["motion_size"] = 1
        return {**sizes, "dropout": 0.0, "engine": "im2col", **self._own_settings}

    @cached_property
    def cfg(self) -> ModelConfig:
        """The configuration of the model."""
        return ModelConfig(**self.settings)

    @cached_property
    def apply(self) -> Callable[..., Output]:
        """The compiled `apply` of the model."""
        return jit(self.model().apply)

    @cached_property
    def params(self) -> Params:
        """First parameters, moved a little: no bias is zero."""
        random = np.random.default_rng(0)

        # Biases begin at zero, where an error in their use would not show.
        def moved(leaf: Array) -> Array:
            return leaf + np.asarray(0.3 * random.standard_normal(leaf.shape), leaf.dtype)

        return jax.tree.map(moved, jit(self.model().init)(jax.random.key(0)))

    @cached_property
    def clip(self) -> Clip:
        """Random features; every frame exists."""
        random, cfg = np.random.default_rng(1), self.cfg

        def features(side: int, depth: int) -> np.ndarray:
            shape = (BATCH, FRAMES, side, side, depth)
            return random.standard_normal(shape).astype(np.float32)

        motion = None
        if self.cell.layers.motion is not None:
            motion = features(cfg.motion_size, cfg.motion_depth)
        inputs = Inputs(features(cfg.map_size, cfg.depth), motion)
        return Clip(inputs, np.ones((BATCH, FRAMES), bool))

    @cached_property
    def output(self) -> Output:
        """Of all frames at once."""
        return self.apply(self.params, self.clip)

    @cached_property
    def steps(self) -> tuple[PyTree, CellOut]:
        """The last carry and all frames, from single steps without a scan or a compiler."""
        cell = bind(
            scale_attention(self.cell, self.cfg.attention_scale), engines.im2col_convolution
        )
        drive = cell.drive(self.params.cell, jax.tree.map(swap_time_for_scan, self.clip.inputs))
        carry = self.cell.zeros(self.cfg, BATCH)
        outs = []
        for t in range(FRAMES):
            drive_t = jax.tree.map(lambda leaf, t=t: leaf[t], drive)
            carry, out = cell.step(self.params.cell, carry, drive_t)
            outs.append(out)
        return carry, jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *outs)

    @cached_property
    def short_output(self) -> Output:
        """Of the first frames only."""
        return self.apply(self.params, frames_of(self.clip, 0, SHORT))

    @cached_property
    def padded(self) -> Clip:
        """The clip with frames of padding, zeros, after the first ones."""
        # All clips are padded alike, so that the first frames can be compared with a shorter clip.
        exists = self.clip.mask & (np.arange(FRAMES) < SHORT)
        places = exists[:, :, None, None, None]
        return Clip(jax.tree.map(lambda x: x * places, self.clip.inputs), exists)

    @cached_property
    def gradient(self) -> tuple[Params, Inputs, PyTree]:
        """Of the logits of the padded clip, for parameters and inputs, with the last carry."""
        exists = self.padded.mask[..., None]

        def loss(params: Params, inputs: Inputs) -> tuple[Array, PyTree]:
            output = self.model().apply(params, self.padded._replace(inputs=inputs))
            # Logits of padding are left out, as every loss of ours does.
            squares = jnp.where(exists, jnp.square(output.logits), 0.0)
            return jnp.sum(squares), output.carry

        gradient = jit(jax.grad(loss, argnums=(0, 1), has_aux=True))
        (for_params, for_inputs), carry = gradient(self.params, self.padded.inputs)
        return for_params, for_inputs, carry

    @cache  # noqa: B019 - a case lives as long as one call of check_cell
    def model(self, **settings: Any) -> Model:
        """The model of the cell with some other settings."""
        return make_model(ModelConfig(**{**self.settings, **settings}), cell=self.cell)


def frames_of(clip: Clip, start: int, stop: int) -> Clip:
    """The frames start <= t < stop of every clip of a batch."""
    return jax.tree.map(lambda leaf: leaf[:, start:stop], clip)
