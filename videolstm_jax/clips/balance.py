"""How often each class comes up in training: counts, loss weights, and draws that even them out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray, Video

UNEVEN = 3
"""The commonest class has so many times the videos of the rarest where a warning is due."""


class ClassOrder(NamedTuple):
    """The videos of a list by class, for draws that take the class first.

    `video` [V] are indices in the list, those of one class side by side. Class c of the P classes
    that have videos begins at `first[c]` and has `count[c]`.
    """

    video: NDArray
    first: NDArray
    count: NDArray


def labels_of_clip_videos(videos: Iterable[Video]) -> NDArray:
    """The labels [V] of videos, int64 also where there are none."""
    return np.array([video.label for video in videos], np.int64)


def class_order_of_clips(label: NDArray) -> ClassOrder:
    """Sorts the videos of a list with labels [V] by class; classes without videos are left out."""
    # Stable: videos of a class stay in the order of the list, which draws of a seed rely on.
    video = np.argsort(label, kind="stable")
    _, first, count = np.unique(np.asarray(label)[video], return_index=True, return_counts=True)
    return ClassOrder(video, first, count)


def class_weights(label: NDArray, classes: int) -> NDArray:
    """The weight of each class in the loss, [C] float32: V / (P n_c) for n_c of V videos.

    P classes have videos. Every class then has the same share of the loss, and the mean weight of
    the V videos is 1, so that the learning rate keeps its meaning. A class without videos has 0.
    """
    count = np.bincount(label, minlength=classes)
    # A class without videos has no loss to weight, and would be a division by zero.
    present = count > 0
    weights = np.zeros(classes, np.float32)
    weights[present] = len(label) / (present.sum() * count[present])
    return weights


def uneven_text(videos: Sequence[Video], classes: Sequence[str]) -> str:
    """A warning that names the commonest and the rarest class; empty where they are even enough.

    Args:
      videos: the training list.
      classes: C names.
    """
    count = np.bincount(labels_of_clip_videos(videos), minlength=len(classes))
    present = np.flatnonzero(count)
    if not len(present):
        return ""
    # Classes without videos would make every list uneven.
    commonest = present[count[present].argmax()]
    rarest = present[count[present].argmin()]
    if count[commonest] < UNEVEN * count[rarest]:
        return ""
    return (
        f"warning: classes are uneven: {classes[commonest]} has {count[commonest]} training "
        f"videos, {classes[rarest]} has {count[rarest]}. --train.balance=draws shows every class "
        "as often, --train.balance=loss weights the loss"
    )


def class_weights_for_loss(balance: str, videos: Sequence[Video], classes: int) -> NDArray | None:
    """`class_weights` of a training list for `train.balance=loss`, else None."""
    if balance != "loss":
        return None
    return class_weights(labels_of_clip_videos(videos), classes)


def print_uneven(balance: str, videos: Sequence[Video], classes: Sequence[str]) -> None:
    """Prints `uneven_text`, unless the user has chosen how to even the classes out."""
    text = uneven_text(videos, classes)
    if text and balance == "none":
        print(text, flush=True)
