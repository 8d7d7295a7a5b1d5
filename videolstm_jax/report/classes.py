"""Which classes are named rightly, and which are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videolstm_jax.report import plots, tables
from videolstm_jax.report.page import Section
from videolstm_jax.report.plots import Plot

MANY = 30
"""Beyond so many classes only the worst are drawn as bars."""


def section(
    name: str, counts: np.ndarray, classes: Sequence[str], *, missing: np.ndarray | None = None
) -> Section:
    """The confusion matrix of one model or fusion, the accuracy of each class and the pairs most
    confused.

    Args:
      name: whose answers they are; empty where there are none yet.
      counts: [C, C] videos, true classes down and answers across.
      classes: C names.
      missing: [n] true classes of test videos that could not be read; they count as wrong, and
        stand in no row.
    """
    empty = Section("classes", "Class by class")
    if not name:
        return empty._replace(
            missing=(
                "There are no class scores to compare yet; the stages evaluate and fuse write "
                "them.",
            )
        )
    pairs = tables.confused_pairs(counts, classes)
    words = (
        "Rows are true classes, columns what was answered; off the diagonal lie the mistakes.",
        *(() if pairs else ("No test video was named wrongly.",)),
    )
    lost = np.bincount(np.zeros(0, int) if missing is None else missing, minlength=len(classes))
    if lost.any():
        words += (
            f"{lost.sum()} test videos could not be read: they count as wrong and stand in no row.",
        )
    matrix = plots.confusion(f"Confusion matrix of {name}", counts, classes)
    bars = class_bars(counts, classes, lost)
    return empty._replace(words=words, tables=(pairs,) if pairs else (), wide=(matrix, bars))


def class_bars(counts: np.ndarray, classes: Sequence[str], lost: np.ndarray | int = 0) -> Plot:
    """The accuracy of each class, or of the worst where there are many, and what its mistakes were.

    Args:
      counts: [C, C] videos, true classes down and answers across.
      classes: C names.
      lost: [C] videos of each class without an answer.
    """
    total = counts.sum(axis=1) + lost
    share = np.diag(counts) / np.maximum(total, 1)
    rows = np.flatnonzero(total)
    title = "Accuracy of each class"
    if len(classes) > MANY:
        rows = rows[np.argsort(share[rows], kind="stable")][:MANY]
        title = f"The {len(rows)} classes that are right least often"
    wrong = tables.worst_answers(counts, classes)
    return plots.bars(
        title,
        [classes[c] for c in rows],
        [float(share[c]) for c in rows],
        [f"{int(counts[c, c])} of {int(total[c])}" for c in rows],
        wrong=[wrong[c] for c in rows],
    )
