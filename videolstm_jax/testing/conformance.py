"""The promises of a recurrent cell that the pipeline relies on, one check each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from videolstm_jax.core.cell_fields import check_cell_fields
from videolstm_jax.core.head import classify
from videolstm_jax.testing.cell_case import FRAMES, SHORT, CellCase, frames_of, jit
from videolstm_jax.types import Output

if TYPE_CHECKING:
    from videolstm_jax.core.cell import Cell
    from videolstm_jax.types import Array, PyTree


def check_cell(cell: Cell, **settings: Any) -> None:
    """Asserts that a cell keeps every promise that the stages of the pipeline rely on.

    The checks are in `CHECKS`, in this order. They take some seconds on a CPU.

    Args:
      cell: the cell.
      **settings: fields of `ModelConfig` that replace the small sizes that are used otherwise.

    Raises:
      AssertionError: "check_cell: NAME OF THE CHECK: what differs", for the first that fails.
    """
    case = CellCase(cell, settings)
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


def _shapes(case: CellCase) -> None:
    check_cell_fields(case.cell)
    # `make_model` traces the cell, and refuses shapes that do not fit.
    case.model()
    if case.cell.mean_start is not None:
        case.model(start="mean")


def _finite(case: CellCase) -> None:
    """First of all that is computed: a NaN would fail every later check, under a wrong name."""
    _assert_finite("the parameters of init are", case.params.cell)
    carry, out = case.steps
    _assert_finite("CellOut of the step is", out)
    _assert_finite("the carry of the step is", carry)
    if case.cell.mean_start is not None:
        model = case.model(start="mean")
        params = model.init(jax.random.key(0))
        _assert_finite("the carry of mean_start is", model.start(params, case.clip))


def _attention(case: CellCase) -> None:
    if not case.cell.attends:
        return
    attention = np.asarray(case.output.attention)
    assert attention.min() >= 0, f"a place has the attention {attention.min()}; expected 0 or more"
    # A model scales A * X by a constant, so a map of another sum would change its features.
    sums = attention.sum((2, 3))
    _assert_close("the sum of a map", sums, np.ones_like(sums))


def _loop(case: CellCase) -> None:
    """Single steps without a scan or a compiler: a step that remembers its calls differs here."""
    carry, shown = case.steps
    # The head of the model on hidden maps of single steps, so that outputs are compared and no
    # states alone.
    logits = classify(case.params.head, shown.hidden)
    _assert_close("single steps", Output(logits, shown.attention, carry), case.output)


def _streaming(case: CellCase) -> None:
    # As `evaluate` reads a video in chunks, and a stream frame by frame.
    first = case.short_output
    rest = case.apply(case.params, frames_of(case.clip, SHORT, FRAMES), first.carry)
    logits = jnp.concatenate([first.logits, rest.logits], axis=1)
    attention = None
    if case.cell.attends:
        attention = jnp.concatenate([first.attention, rest.attention], axis=1)
    _assert_close("a clip in two chunks", Output(logits, attention, rest.carry), case.output)


def _masked(case: CellCase) -> None:
    """Frames of padding change neither the carry nor any gradient."""
    for_params, for_inputs, carry = case.gradient
    _assert_close("the carry after masked frames", carry, case.short_output.carry)
    for leaf in jax.tree.leaves(for_inputs):
        largest = np.abs(np.asarray(leaf)[:, SHORT:]).max()
        assert largest == 0, f"a masked frame has the gradient {largest}; expected 0"
    _assert_finite("the gradient of a clip with masked frames is", for_params)


def _precision(case: CellCase) -> None:
    low = jit(case.model(dtype="bfloat16").apply)(case.params, case.clip)
    for leaf in _floats(low):
        assert leaf.dtype == jnp.float32, f"a state or output is {leaf.dtype}; expected float32"
    # bfloat16 has 8 bits: a few hundredths a product, some more after five frames.
    _assert_close("bfloat16 products", low, case.output, rtol=0.1, atol=0.2)


def _gradients(case: CellCase) -> None:
    gradient, _, _ = case.gradient
    # Such a parameter is never trained, and nothing else would show it.
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        name = "params" + jax.tree_util.keystr(path)
        assert np.any(np.asarray(leaf)), f"{name} has no gradient: the logits do not depend on it"


def _rows(case: CellCase) -> None:
    """Each clip alone, under vmap: a clip must not depend on the others of its batch."""
    # [B, 1, ..]: batches of one clip, over which vmap goes.
    alone = jax.tree.map(lambda leaf: leaf[:, None], case.clip)
    output = jit(jax.vmap(case.model().apply, in_axes=(None, 0)))(case.params, alone)
    together = jax.tree.map(lambda leaf: leaf[:, 0], output)
    _assert_close("clips one by one", together, case.output)


def _engines(case: CellCase) -> None:
    # Training on a GPU and streaming on a CPU use different engines.
    native = jit(case.model(engine="native").apply)(case.params, case.clip)
    _assert_close("the engine native beside im2col", native, case.output)


CHECKS: Mapping[str, Callable[[CellCase], None]] = MappingProxyType(
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
