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
    pairs = confused_pairs_of_page(counts, classes)
    paragraphs = [
        "Rows are true classes, columns predicted classes; mistakes lie off the diagonal."
    ]
    if not pairs:
        paragraphs.append("All test videos are predicted correctly.")
    if missing is None:
        missing = np.zeros(0, int)
    # The matrix has a row and a column for each class, and none for "no answer".
    unread = np.bincount(missing, minlength=len(classes))
    if unread.any():
        paragraphs.append(
            f"{unread.sum()} test videos could not be read. They count as wrong and are in no row."
        )
    matrix = charts.confusion_chart(f"Confusion matrix of {name}", counts, classes)
    complete = empty._replace(
        paragraphs=tuple(paragraphs), wide=(matrix, class_bar_chart(counts, classes, unread))
    )
    if pairs is None:
        return complete
    return complete._replace(tables=(pairs,))


def class_bar_chart(
    counts: np.ndarray, classes: Sequence[str], unread: np.ndarray | int = 0
) -> Plot:
    """Draws the accuracy of each class, or of the worst of many, with its frequent mistakes.

    Args:
      counts: [C, C] videos, true classes down and predicted classes across.
      classes: C names.
      unread: [C] videos of each class without scores.
    """
    # Unread videos count as wrong: they are in the total and not on the diagonal.
    total = counts.sum(axis=1) + unread
    accuracy = np.diag(counts) / np.maximum(total, 1)
    class_numbers = np.flatnonzero(total)
    title = "Accuracy of each class"
    # A hundred bars would be pages long, and most of them full.
    if len(classes) > MANY:
        class_numbers = class_numbers[np.argsort(accuracy[class_numbers], kind="stable")][:MANY]
        title = f"The {len(class_numbers)} classes with the lowest accuracy"
    mistakes_of_class = wrong_predictions_of_page(counts, classes)
    names, notes, mistakes = [], [], []
    for index in class_numbers:
        names.append(classes[index])
        notes.append(f"{int(counts[index, index])} of {int(total[index])}")
        mistakes.append(mistakes_of_class[index])
    return charts.bar_chart(
        title, names, accuracy[class_numbers].tolist(), notes, mistakes=mistakes
    )


def confused_pairs_of_page(
    counts: np.ndarray, names: Sequence[str], most: int = 8
) -> tables.Table | None:
    """Lists the pairs of classes that are most often confused, in either direction.

    Args:
      counts: [C, C] videos, true classes down and predicted classes across.
      names: C names.
      most: the number of pairs.

    Returns:
      The table; None if no video is wrong.
    """
    # Above the diagonal lies each pair once, with its mistakes of both directions.
    both_ways = np.triu(counts + counts.T, 1)
    pairs = list(zip(*np.nonzero(both_ways), strict=True))
    pairs.sort(key=lambda pair: (-both_ways[pair], pair))
    rows = []
    for i, j in pairs[:most]:
        confused, total = int(both_ways[i, j]), int(counts[i].sum() + counts[j].sum())
        share = tables.TableCell(f"{confused} of {total}", confused)
        rows.append((f"{names[i]} / {names[j]}", int(counts[i, j]), int(counts[j, i]), share))
    if not rows:
        return None
    head = ("Pair", "First predicted as second", "Second predicted as first", "Of both classes")
    return tables.plain_page_table("Classes most often confused", head, rows)


def wrong_predictions_of_page(counts: np.ndarray, names: Sequence[str]) -> list[str]:
    """Names, for each class, the three classes its wrong videos were predicted as most often.

    Args:
      counts: [C, C] videos, true classes down and predicted classes across.
      names: C names.
    """
    texts = []
    for label, row in enumerate(counts):
        mistakes = []
        for predicted in np.flatnonzero(row):
            if predicted != label:
                mistakes.append((int(row[predicted]), names[predicted]))
        # The most frequent come first, and ties go by name.
        mistakes.sort(key=lambda mistake: (-mistake[0], mistake[1]))
        most_frequent = []
        for count, name in mistakes[:3]:
            most_frequent.append(f"{name} ({count})")
        sentence = ""
        if most_frequent:
            sentence = f"predicted as {', '.join(most_frequent)}"
        texts.append(sentence)
    return texts
