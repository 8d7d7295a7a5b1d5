"""Whether a training that came to its end has learned anything, judged by its loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from videolstm_jax.files import read_jsonl

if TYPE_CHECKING:
    from etils import epath

GROWTH = 3
"""A final loss so many times the first one is far above it. One batch differs less from another."""
TIMES_UNIFORM = 10
"""A final loss so many times that of a uniform guess is no loss of probabilities any more."""


def divergence_warning(rows: Sequence[Mapping[str, Any]], classes: int, frames: int = 1) -> str:
    """A sentence on a loss that grew out of bounds; empty where it did not.

    A uniform guess among C classes has the loss log C a frame. Below it, a loss may grow as it
    likes: a model that starts from another one begins near zero.

    Args:
      rows: of metrics.jsonl, in order.
      classes: C.
      frames: that the loss is summed over.
    """
    losses = [row["loss"] for row in rows if "loss" in row]
    if not losses:
        return ""
    first, final = losses[0], losses[-1]
    # At least two classes: the loss of a single one is always 0.
    uniform = frames * math.log(max(classes, 2))
    # Both: a loss near zero may treble by chance, and a loss above a uniform guess may still fall.
    has_grown = final > GROWTH * first and final > uniform
    if not has_grown and final <= TIMES_UNIFORM * uniform:
        return ""
    return (
        f"the training has diverged: the last loss is {final:.4g}, the first was {first:.4g}, and "
        f"a uniform guess has {uniform:.4g}; a lower learning rate or gradient clipping may help"
    )


def print_divergence(folder: epath.Path, classes: int, frames: int = 1) -> list[str]:
    """Prints the `divergence_warning` of the training in a folder; returns it, or nothing.

    Args:
      folder: with metrics.jsonl.
      classes: C.
      frames: that the loss is summed over.
    """
    text = divergence_warning(read_jsonl(folder / "metrics.jsonl"), classes, frames)
    if not text:
        return []
    print(f"warning: {folder}: {text}", flush=True)
    return [text]
