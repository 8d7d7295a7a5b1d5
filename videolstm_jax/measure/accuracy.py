"""Accuracy in exact counts, by class, and what a constant answer gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class MajorityBaseline(NamedTuple):
    """What answering one class for every video is worth: its label, and how many are right."""

    label: int
    right: int
    total: int


def class_ranks(scores: NDArray, label: NDArray) -> NDArray:
    """Counts the classes that stand before the right one.

    These are the classes with a higher score, and on ties those that are listed earlier.

    Args:
      scores: [V, C].
      label: [V] the right classes.

    Returns:
      [V] integers, 0 where the right class comes first.

    Raises:
      ValueError: shapes that do not agree, labels outside the classes, or scores that are NaN.
    """
    scores, label = np.asarray(scores), np.asarray(label)
    problem = _scores_problem(scores, label)
    if problem:
        raise ValueError(problem)
    # The rule for ties is that of argmax, so that a rank of 0 means "this class came first".
    true_class_score = np.take_along_axis(scores, label[:, None], axis=1)
    listed_earlier = np.arange(scores.shape[1]) < label[:, None]
    before = (scores > true_class_score) | ((scores == true_class_score) & listed_earlier)
    return before.sum(axis=1)


def _scores_problem(scores: NDArray, label: NDArray) -> str:
    """Why scores [V, C] cannot be compared with labels [V]; empty where they can."""
    # In this order: each test needs what the one before has made sure of.
    if scores.ndim != 2 or label.shape != scores.shape[:1]:
        return f"scores {scores.shape} and label {label.shape}; expected [V, C] and [V]"
    classes = scores.shape[1]
    if len(label) and (label.min() < 0 or label.max() >= classes):
        return f"labels {label.min()} to {label.max()}; expected 0 to {classes - 1}"
    # Every comparison with NaN is false, so the right class would come first.
    without_numbers = np.isnan(scores).any(axis=1)
    if without_numbers.any():
        return f"scores of {int(without_numbers.sum())} videos are NaN; expected numbers"
    return ""


def top_k(scores: NDArray, label: NDArray, k: int = 1) -> int:
    """Counts the videos that have the right class among their k best.

    Args:
      scores: [V, C].
      label: [V].
      k: the number of best classes that count.

    Returns:
      An exact count; divide by V for the accuracy.
    """
    # By ranks and not by sorting, so that ties are decided as `argmax` decides them for k = 1.
    return int((class_ranks(scores, label) < k).sum())


def accuracy(scores: NDArray, label: NDArray, k: int = 1) -> float:
    """Returns the share of videos with the right class among their k best.

    Raises:
      ValueError: there are no videos.
    """
    if not len(label):
        raise ValueError("there are no videos to count; expected at least one")
    return top_k(scores, label, k) / len(label)


def confusion_counts(scores: NDArray, label: NDArray) -> NDArray:
    """Counts videos [C, C]: the row is the right class, the column the class that came first."""
    class_ranks(scores, label)  # refuses shapes and labels that do not fit
    classes = np.shape(scores)[1]
    first = np.argmax(scores, axis=1)
    # One number for each cell of the table: counting numbers is faster than a loop over videos.
    counts = np.bincount(np.asarray(label) * classes + first, minlength=classes * classes)
    return counts.reshape(classes, classes)


def per_class_accuracy(
    scores: NDArray, label: NDArray, *, missing: NDArray | None = None
) -> NDArray:
    """Returns the share of each class's videos that are right: [C], NaN for a class without videos.

    Args:
      scores: [V, C].
      label: [V].
      missing: [n] the right classes of videos without scores, which count as wrong; none by
        default.
    """
    counts = confusion_counts(scores, label)
    videos = counts.sum(axis=1)
    if missing is not None:
        # They have a right class and no answer: they count below the line only.
        videos = videos + np.bincount(missing, minlength=len(videos))
    # A class without videos is not 0 % right; means leave NaN out.
    unknown = np.full(len(counts), np.nan)
    return np.divide(np.diag(counts), videos, out=unknown, where=videos > 0)


def mean_class_accuracy(
    scores: NDArray, label: NDArray, *, missing: NDArray | None = None
) -> float:
    """Averages `per_class_accuracy` over the classes that have videos."""
    return float(np.nanmean(per_class_accuracy(scores, label, missing=missing)))


def majority_accuracy(
    train_label: NDArray, label: NDArray, missing: Sequence[int] | NDArray = ()
) -> MajorityBaseline:
    """Always answers the commonest class of the training list, of equals the one listed first.

    Where classes are uneven it is right more often than one in C, and looks at no video.

    Args:
      train_label: classes of the training list. Without any the test list decides, which is the
        most that a constant answer can reach.
      label: [V] right classes of the test list.
      missing: right classes of videos that could not be read; they count as wrong, as for a model.
    """
    counted_label = train_label
    if not len(train_label):
        counted_label = label
    # argmax takes the first of equals, which is the class listed first.
    commonest = int(np.bincount(np.asarray(counted_label, int), minlength=1).argmax())
    right = int((np.asarray(label) == commonest).sum())
    return MajorityBaseline(commonest, right, len(label) + len(missing))


def chance_accuracy(baseline: MajorityBaseline, classes: int) -> float:
    """The share of videos that is right by chance: one in C, or the commonest class if it is more.

    Args:
      baseline: of `majority_accuracy`.
      classes: C.
    """
    # The second counts only where classes are uneven, which a model can use without seeing
    # anything.
    return max(1 / classes, baseline.right / max(baseline.total, 1))


def accuracy_text(
    scores: NDArray,
    label: NDArray,
    missing: Sequence[int] | NDArray = (),
    *,
    trained: NDArray | None = None,
) -> str:
    """Writes the accuracy as text, such as "52 of 64 test videos right, 81.2 %".

    Args:
      scores: [V, C].
      label: [V].
      missing: the right classes of videos without scores, which count as wrong.
      trained: [V] marks videos that the model was trained on; None is none.
    """
    right = top_k(scores, label)
    total = len(label) + len(missing)
    share = 100 * right / max(total, 1)
    note = ""
    if len(missing):
        note = f" ({len(missing)} could not be read and count as wrong)"
    return (
        f"{right} of {total} test videos right{note}, {share:.1f} %{trained_accuracy_note(trained)}"
    )


def trained_accuracy_note(trained: NDArray | None) -> str:
    """The end of a line about the accuracy on videos, some of which the model was trained on.

    Empty where it was trained on none.
    """
    if trained is None or not np.any(trained):
        return ""
    return f" (trained on {int(np.sum(trained))} of these videos)"
