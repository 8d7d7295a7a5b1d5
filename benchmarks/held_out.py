"""Folds of whole groups of videos, such as all videos of one performer."""

from __future__ import annotations

from videolstm_jax.types import Dataset


def fold_of_groups(dataset: Dataset, number: int, folds: int) -> Dataset:
    """The same videos, with every n-th group as the test list and all others to train.

    Args:
      dataset: all videos; the parts that they have are not read.
      number: of the fold, from 1 on: k holds out the k-th group, the k+n-th and so on.
      folds: n.
    """
    groups = sorted({video.group for video in dataset.videos})
    videos = []
    for video in dataset.videos:
        is_test = groups.index(video.group) % folds == number - 1
        videos.append(video._replace(part="test" if is_test else "train"))
    return Dataset(dataset.classes, tuple(videos))
