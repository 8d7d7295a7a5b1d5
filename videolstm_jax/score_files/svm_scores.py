"""Scores of the models that are fused with VideoLSTM: linear SVMs on one vector a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from etils import epath

from videolstm_jax.measure.accuracy import accuracy_text
from videolstm_jax.shallow.linear_svm import Labelled, svm_scores
from videolstm_jax.types import Dataset, Scores, Video, names_of
from videolstm_jax.workdir.dataset_json import load_labels_of_bad_videos
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores

if TYPE_CHECKING:
    from videolstm_jax.config import RunConfig
    from videolstm_jax.types import NDArray


def videos_of_score_file(dataset: Dataset) -> list[Video]:
    """The videos of the training, validation and test lists, in this order.

    Raises:
      FileError: there are no training or no test videos.
    """
    return [*dataset.part("train"), *dataset.listed("valid"), *dataset.part("test")]


def save_svm_scores(
    cfg: RunConfig, name: str, dataset: Dataset, features: NDArray, cost: float
) -> tuple[epath.Path, float]:
    """Trains on the training list, writes scores of the others, and prints the accuracy.

    Args:
      cfg: the work folder, the seed and `eval.allow_missing`.
      name: of the run.
      dataset: the listed videos.
      features: [V, F] in the order of `videos_of_score_file`.
      cost: C of the SVM.

    Returns:
      The path of the scores of the test list, and the temperature of their softmax.
    """
    work = Workdir(cfg.workdir)
    train = dataset.part("train")
    label = _labels(train)
    group = [video.group for video in train]
    # Slices, which take no memory: Fisher vectors of a large set are gigabytes.
    labelled = Labelled(features[: len(train)], label, group)
    probabilities, temperature = svm_scores(
        labelled,
        features[len(train) :],
        len(dataset.classes),
        cost=cost,
        seed=cfg.seed,
    )
    valid, test = dataset.listed("valid"), dataset.part("test")
    if valid:
        rows = probabilities[: len(valid)]
        scores = Scores(names_of(valid), rows, _labels(valid), dataset.classes, part="valid")
        save_scores(work.validation_scores(name), scores)
    rows = probabilities[len(valid) :]
    scores = Scores(names_of(test), rows, _labels(test), dataset.classes)
    path = work.run(name) / "scores.npz"
    save_scores(path, scores)
    missing: Sequence[int] | NDArray = ()
    if not cfg.eval.allow_missing:
        missing = load_labels_of_bad_videos(work, dataset.classes)
    print(f"{name}: {accuracy_text(scores.scores, scores.label, missing)}", flush=True)
    return path, temperature


def _labels(videos: Sequence[Video]) -> NDArray:
    return np.array([video.label for video in videos])
