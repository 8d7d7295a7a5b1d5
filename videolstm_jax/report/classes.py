"""Which classes are named rightly, and which are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videolstm_jax.report import plots, tables
from videolstm_jax.report.page import Section
from videolstm_jax.report.plots import Plot

MANY = 30
"""Beyond so many classes only the worst are drawn as bars."""


def section(name: str, counts: np.ndarray, classes: Sequence[str]) -> Section:
    """The confusion matrix of one model or fusion, the accuracy of each class and the pairs most confused.

    Args:
      name: whose answers they are; empty where there are none yet.
      counts: [C, C] videos, true classes down and answers across.
      classes: C names.
    """
    empty = Section("classes", "Class by class")
    if not name:
        return empty._replace(missing=("There are no class scores to compare yet; the stages evaluate and fuse write "
                                       "them.",))
    pairs = tables.confused_pairs(counts, classes)
    words = ("Rows are true classes, columns what was answered; off the diagonal lie the mistakes.",
             *(() if pairs else ("No test video was named wrongly.",)))
    matrix = plots.confusion(f"Confusion matrix of {name}", counts, classes)
    return empty._replace(words=words, tables=(pairs,) if pairs else (), wide=(matrix, class_bars(counts, classes)))


def class_bars(counts: np.ndarray, classes: Sequence[str]) -> Plot:
    """The accuracy of each class, or of the worst where there are many, and what its mistakes were."""
    total = counts.sum(axis=1)
    share = np.diag(counts) / np.maximum(total, 1)
    rows = np.flatnonzero(total)
    title = "Accuracy of each class"
    if len(classes) > MANY:
        rows = rows[np.argsort(share[rows], kind="stable")][:MANY]
        title = f"The {len(rows)} classes that are right least often"
    wrong = tables.worst_answers(counts, classes)
    return plots.bars(title, [classes[c] for c in rows], [float(share[c]) for c in rows],
                      [f"{int(counts[c, c])} of {int(total[c])}" for c in rows], wrong=[wrong[c] for c in rows])
