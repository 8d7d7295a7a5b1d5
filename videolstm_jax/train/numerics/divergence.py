"""Trainings that diverge: steps that are not finite, and losses that grow out of bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from videolstm_jax.files import read_jsonl

if TYPE_CHECKING:
    from etils import epath

GROWTH = 3
"""A final loss so many times the first one is far above it. One batch differs less from another."""
TIMES_UNIFORM = 10
"""A final loss so many times that of a uniform guess is no loss of probabilities any more."""

MOST_SKIPPED_IN_A_ROW = 10
"""So many skipped steps in a row end a training: no update is to be expected any more.

One damaged video of a small list may be in several batches in a row, but seldom in ten.
"""


class Diverged(ValueError):
    """A step whose loss, gradient or update is not finite; the message names it and its videos.

    It is in none of the families of `errors`: the cause may be a setting or a damaged video.
    """


class SkippedSteps(NamedTuple):
    """How many steps were skipped: since the last line of metrics.jsonl, and just now in a row."""

    since_line: int = 0
    in_a_row: int = 0

    def after_step(self, *, skipped: bool) -> SkippedSteps:
        """The numbers after one more step."""
        # A step that is done ends the row; those before it still belong to the next line.
        if not skipped:
            return self._replace(in_a_row=0)
        return SkippedSteps(self.since_line + 1, self.in_a_row + 1)


def divergence_warning(rows: Sequence[Mapping[str, Any]], classes: int, frames: int = 1) -> str:
    """A sentence on a loss that grew out of bounds; empty where it did not.

    A uniform guess among C classes has the loss log C a frame. Below it, a loss may grow as it
    likes: a model that starts from another one begins near zero.

    Args:
      rows: of metrics.jsonl, in order.
      classes: C.
      frames: that the loss is summed over.
    """
    losses = []
    for row in rows:
        # Lines of a validation have no loss of the training.
        if "loss" in row:
            losses.append(row["loss"])
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


def _skipped_warning(rows: Sequence[Mapping[str, Any]]) -> str:
    """A sentence on the steps that were skipped; empty where there were none.

    Args:
      rows: of metrics.jsonl.
    """
    # Each line counts the steps that were skipped since the one before.
    skipped = 0
    for row in rows:
        skipped += row.get("skipped", 0)
    if not skipped:
        return ""
    steps = rows[-1]["step"]
    return f"{skipped} of {steps} steps were skipped: a loss, gradient or update was not finite"


def print_divergence(folder: epath.Path, classes: int, frames: int = 1) -> list[str]:
    """Prints the warnings about the training in a folder; returns them.

    Args:
      folder: with metrics.jsonl.
      classes: C.
      frames: that the loss is summed over.
    """
    rows = read_jsonl(folder / "metrics.jsonl")
    warnings = []
    for text in (_skipped_warning(rows), divergence_warning(rows, classes, frames)):
        if text:
            print(f"warning: {folder}: {text}", flush=True)
            warnings.append(text)
    return warnings
