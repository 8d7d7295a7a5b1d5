"""The section on classes: which are predicted rightly, and which are confused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videolstm_jax.report import charts, tables
from videolstm_jax.report.page import Section
from videolstm_jax.report.plots import Plot

MANY = 30
"""With more classes, only the 30 worst are drawn as bars."""


def section(
    name: str, counts: np.ndarray, classes: Sequence[str], *, missing: np.ndarray | None = None
) -> Section:
    """Shows the confusion matrix, the accuracy of each class and the most confused pairs.

    Args:
      name: the model or fusion; empty if there are no scores yet.
      counts: [C, C] videos, true classes down and predicted classes across.
      classes: C names.
      missing: [n] true classes of test videos that could not be read. They count as wrong and are
        in no row of the matrix.
    """
    empty = Section("classes", "Class by class")
    if not name:
        notice = "No class scores yet. The stages evaluate and fuse write them."
        return empty._replace(notices=(notice,))
    pairs = tables.confused_pairs(counts, classes)
    paragraphs = [
        "Rows are true classes, columns predicted classes; mistakes lie off the diagonal."
    ]
    if not pairs:
        paragraphs.append("All test videos are predicted correctly.")
    if missing is None:
        missing = np.zeros(0, int)
    unread = np.bincount(missing, minlength=len(classes))
    if unread.any():
        paragraphs.append(
            f"{unread.sum()} test videos could not be read. They count as wrong and are in no row."
        )
    matrix = charts.confusion(f"Confusion matrix of {name}", counts, classes)
    return empty._replace(
        paragraphs=tuple(paragraphs),
        tables=(pairs,) if pairs else (),
        wide=(matrix, class_bars(counts, classes, unread)),
    )


def class_bars(counts: np.ndarray, classes: Sequence[str], unread: np.ndarray | int = 0) -> Plot:
    """Draws the accuracy of each class, or of the worst of many, with its frequent mistakes.

    Args:
      counts: [C, C] videos, true classes down and predicted classes across.
      classes: C names.
      unread: [C] videos of each class without scores.
    """
    # Unread videos count as wrong: they are in the total and not on the diagonal.
    total = counts.sum(axis=1) + unread
    accuracy = np.diag(counts) / np.maximum(total, 1)
    shown = np.flatnonzero(total)
    title = "Accuracy of each class"
    if len(classes) > MANY:
        shown = shown[np.argsort(accuracy[shown], kind="stable")][:MANY]
        title = f"The {len(shown)} classes with the lowest accuracy"
    mistakes_of_class = tables.wrong_predictions(counts, classes)
    names, notes, mistakes = [], [], []
    for index in shown:
        names.append(classes[index])
        notes.append(f"{int(counts[index, index])} of {int(total[index])}")
        mistakes.append(mistakes_of_class[index])
    return charts.bars(title, names, accuracy[shown].tolist(), notes, mistakes=mistakes)
