"""The conformance test of a recurrent cell, for the six cells and for anyone's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from videolstm_jax.config import ModelConfig
from videolstm_jax.core import engines
from videolstm_jax.core.cell_fields import check_cell_fields
from videolstm_jax.core.cells import bind, scale_attention
from videolstm_jax.core.checks import POINT_LAYERS
from videolstm_jax.core.head import classify
from videolstm_jax.core.model import make_model
from videolstm_jax.core.unroll import swap_time
from videolstm_jax.types import CellOut, Clip, Inputs, Output, Params

if TYPE_CHECKING:
    from videolstm_jax.core.cells import Cell
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
_BATCH, _FRAMES, _SHORT = 2, 5, 3

# XLA optimises nothing: compiling takes half the time, and arrays this small are fast anyway.
_jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def check_cell(cell: Cell, **settings: Any) -> None:
    """Asserts that a cell keeps every promise that the stages of the pipeline rely on.

    The checks are in `CHECKS`, in this order. They take some seconds on a CPU.

    Args:
      cell: the cell.
      **settings: fields of `ModelConfig` that replace the small sizes that are used otherwise.

    Raises:
      AssertionError: "check_cell: NAME OF THE CHECK: what differs", for the first that fails.
    """
    case = _Case(cell, settings)
    with jax.default_matmul_precision("highest"):
        for name, check in CHECKS.items():
            try:
                check(case)
            # The cell is the caller's own: whatever it raises, the message must name the check.
            except Exception as error:
                first_line = str(error).strip().partition("\n")[0]
                kind = ""
                if not isinstance(error, AssertionError):
                    kind = f"{type(error).__name__}: "
                raise AssertionError(f"check_cell: {name}: {kind}{first_line}") from error


class _Case:
    """A cell in a small model, with random parameters and a random clip."""

    def __init__(self, cell: Cell, settings: Mapping[str, Any]):
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
        return ModelConfig(**self.settings)

    @cached_property
    def apply(self) -> Callable[..., Output]:
        return _jit(self.model().apply)

    @cached_property
    def params(self) -> Params:
        """First parameters, moved a little: no bias is zero."""
        random = np.random.default_rng(0)

        def moved(leaf: Array) -> Array:
            return leaf + np.asarray(0.3 * random.standard_normal(leaf.shape), leaf.dtype)

        return jax.tree.map(moved, _jit(self.model().init)(jax.random.key(0)))

    @cached_property
    def clip(self) -> Clip:
        random, cfg = np.random.default_rng(1), self.cfg

        def features(side: int, depth: int) -> np.ndarray:
            shape = (_BATCH, _FRAMES, side, side, depth)
            return random.standard_normal(shape).astype(np.float32)

        motion = None
        if self.cell.layers.motion is not None:
            motion = features(cfg.motion_size, cfg.motion_depth)
        inputs = Inputs(features(cfg.map_size, cfg.depth), motion)
        return Clip(inputs, np.ones((_BATCH, _FRAMES), bool))

    @cached_property
    def output(self) -> Output:
        """Of all frames at once."""
        return self.apply(self.params, self.clip)

    @cached_property
    def steps(self) -> tuple[PyTree, CellOut]:
        """The last carry and all frames, from single steps without a scan or a compiler."""
        cell = bind(scale_attention(self.cell, self.cfg.attention_scale), engines.im2col)
        drive = cell.drive(self.params.cell, jax.tree.map(swap_time, self.clip.inputs))
        carry = self.cell.zeros(self.cfg, _BATCH)
        outs = []
        for t in range(_FRAMES):
            drive_t = jax.tree.map(lambda leaf, t=t: leaf[t], drive)
            carry, out = cell.step(self.params.cell, carry, drive_t)
            outs.append(out)
        return carry, jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *outs)

    @cached_property
    def short_output(self) -> Output:
        """Of the first frames only."""
        return self.apply(self.params, _frames(self.clip, 0, _SHORT))

    @cached_property
    def padded(self) -> Clip:
        """The clip with frames of padding, zeros, after the first ones."""
        exists = self.clip.mask & (np.arange(_FRAMES) < _SHORT)
        places = exists[:, :, None, None, None]
        return Clip(jax.tree.map(lambda x: x * places, self.clip.inputs), exists)

    @cached_property
    def gradient(self) -> tuple[Params, Inputs, PyTree]:
        """Of the logits of the padded clip, for parameters and inputs, with the last carry."""
        exists = self.padded.mask[..., None]

        def loss(params: Params, inputs: Inputs) -> tuple[Array, PyTree]:
            output = self.model().apply(params, self.padded._replace(inputs=inputs))
            squares = jnp.where(exists, jnp.square(output.logits), 0.0)
            return jnp.sum(squares), output.carry

        gradient = _jit(jax.grad(loss, argnums=(0, 1), has_aux=True))
        (for_params, for_inputs), carry = gradient(self.params, self.padded.inputs)
        return for_params, for_inputs, carry

    @cache  # noqa: B019 - a case lives as long as one call of check_cell
    def model(self, **settings: Any) -> Model:
        """The model of the cell with some other settings."""
        return make_model(ModelConfig(**{**self.settings, **settings}), cell=self.cell)


def _shapes(case: _Case) -> None:
    check_cell_fields(case.cell)
    case.model()
    if case.cell.mean_start is not None:
        case.model(start="mean")


def _finite(case: _Case) -> None:
    """First of all that is computed: a NaN would fail every later check, under a wrong name."""
    _assert_finite("the parameters of init are", case.params.cell)
    carry, out = case.steps
    _assert_finite("CellOut of the step is", out)
    _assert_finite("the carry of the step is", carry)
    if case.cell.mean_start is not None:
        model = case.model(start="mean")
        params = model.init(jax.random.key(0))
        _assert_finite("the carry of mean_start is", model.start(params, case.clip))


def _attention(case: _Case) -> None:
    if not case.cell.attends:
        return
    attention = np.asarray(case.output.attention)
    assert attention.min() >= 0, f"a place has the attention {attention.min()}; expected 0 or more"
    sums = attention.sum((2, 3))
    _assert_close("the sum of a map", sums, np.ones_like(sums))


def _loop(case: _Case) -> None:
    """Single steps without a scan or a compiler: a step that remembers its calls differs here."""
    carry, shown = case.steps
    logits = classify(case.params.head, shown.hidden)
    _assert_close("single steps", Output(logits, shown.attention, carry), case.output)


def _streaming(case: _Case) -> None:
    first = case.short_output
    rest = case.apply(case.params, _frames(case.clip, _SHORT, _FRAMES), first.carry)
    logits = jnp.concatenate([first.logits, rest.logits], axis=1)
    attention = None
    if case.cell.attends:
        attention = jnp.concatenate([first.attention, rest.attention], axis=1)
    _assert_close("a clip in two chunks", Output(logits, attention, rest.carry), case.output)


def _masked(case: _Case) -> None:
    """Frames of padding change neither the carry nor any gradient."""
    for_params, for_inputs, carry = case.gradient
    _assert_close("the carry after masked frames", carry, case.short_output.carry)
    for leaf in jax.tree.leaves(for_inputs):
        largest = np.abs(np.asarray(leaf)[:, _SHORT:]).max()
        assert largest == 0, f"a masked frame has the gradient {largest}; expected 0"
    _assert_finite("the gradient of a clip with masked frames is", for_params)


def _precision(case: _Case) -> None:
    low = _jit(case.model(dtype="bfloat16").apply)(case.params, case.clip)
    for leaf in _floats(low):
        assert leaf.dtype == jnp.float32, f"a state or output is {leaf.dtype}; expected float32"
    # bfloat16 has 8 bits: a few hundredths a product, some more after five frames.
    _assert_close("bfloat16 products", low, case.output, rtol=0.1, atol=0.2)


def _gradients(case: _Case) -> None:
    gradient, _, _ = case.gradient
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        name = "params" + jax.tree_util.keystr(path)
        assert np.any(np.asarray(leaf)), f"{name} has no gradient: the logits do not depend on it"


def _rows(case: _Case) -> None:
    """Each clip alone, under vmap: a clip must not depend on the others of its batch."""
    alone = jax.tree.map(lambda leaf: leaf[:, None], case.clip)
    output = _jit(jax.vmap(case.model().apply, in_axes=(None, 0)))(case.params, alone)
    together = jax.tree.map(lambda leaf: leaf[:, 0], output)
    _assert_close("clips one by one", together, case.output)


def _engines(case: _Case) -> None:
    native = _jit(case.model(engine="native").apply)(case.params, case.clip)
    _assert_close("the engine native beside im2col", native, case.output)


CHECKS: Mapping[str, Callable[[_Case], None]] = MappingProxyType(
    {
        "shapes": _shapes,
        "finite": _finite,
        "attention sums to one": _attention,
        "scan is a loop of steps": _loop,
        "streaming": _streaming,
        "masked frames": _masked,
        "float32 state, bfloat16 products": _precision,
        "gradients": _gradients,
        "clips of a batch are independent": _rows,
        "engines agree": _engines,
    }
)
"""Every check by its name, in the order in which `check_cell` makes them."""


def _frames(clip: Clip, start: int, stop: int) -> Clip:
    return jax.tree.map(lambda leaf: leaf[:, start:stop], clip)


def _floats(tree: PyTree) -> list[Array]:
    return [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)]


def _assert_finite(subject: str, tree: PyTree) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = jax.tree_util.keystr(path).lstrip(".") or "its only array"
        assert np.isfinite(np.asarray(leaf)).all(), f"{subject} not finite: {name}"


def _assert_close(
    subject: str, tree: PyTree, expected: PyTree, *, rtol: float = 1e-4, atol: float = 1e-5
) -> None:
    expected_leaves = jax.tree.leaves(expected)
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    for (path, leaf), like in zip(leaves, expected_leaves, strict=True):
        leaf, like = np.asarray(leaf, np.float64), np.asarray(like, np.float64)
        difference = np.abs(leaf - like)
        if not np.all(difference <= atol + rtol * np.abs(like)):
            name = jax.tree_util.keystr(path).lstrip(".") or "value"
            raise AssertionError(f"{subject}: {name} differs by up to {difference.max():.3g}")
