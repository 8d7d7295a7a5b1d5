"""Scores of the models that are fused with VideoLSTM: linear SVMs on one vector a video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from etils import epath

from videolstm_jax.artifacts import Workdir, load_missing, save_scores
from videolstm_jax.measure.accuracy import accuracy_text
from videolstm_jax.shallow.linear_svm import Labelled, svm_scores
from videolstm_jax.types import Dataset, Scores, Video, names_of

if TYPE_CHECKING:
    from videolstm_jax.config import RunConfig
    from videolstm_jax.types import NDArray


def scored_videos(dataset: Dataset) -> list[Video]:
    """The videos of the training, validation and test lists.

    Raises:
      FileError: there are no training or no test videos.
    """
    return [*dataset.part("train"), *dataset.listed("valid"), *dataset.part("test")]


def save_svm_scores(
    cfg: RunConfig, name: str, dataset: Dataset, vectors: Mapping[str, NDArray], cost: float
) -> tuple[epath.Path, float]:
    """Trains on the training list, writes scores of the others, and prints the accuracy.

    Args:
      cfg: the work folder, the seed and `eval.allow_missing`.
      name: of the run.
      dataset: the listed videos.
      vectors: the features of each video by its name.
      cost: C of the SVM.

    Returns:
      The path of the scores of the test list, and the temperature of their softmax.
    """
    work = Workdir(cfg.workdir)
    train = dataset.part("train")
    label = np.array([video.label for video in train])
    labelled = Labelled(_stacked(vectors, train), label, [video.group for video in train])
    scored = [*dataset.listed("valid"), *dataset.part("test")]
    probabilities, temperature = svm_scores(
        labelled,
        _stacked(vectors, scored),
        len(dataset.classes),
        cost=cost,
        seed=cfg.seed,
    )
    rows = dict(zip(names_of(scored), probabilities, strict=True))
    paths = {"valid": work.validation_scores(name), "test": work.run(name) / "scores.npz"}
    for part, path in paths.items():
        videos = dataset.listed(part)
        if not videos:
            continue
        label = np.array([video.label for video in videos])
        scores = Scores(names_of(videos), _stacked(rows, videos), label, dataset.classes, part=part)
        save_scores(path, scores)
    missing = () if cfg.eval.allow_missing else load_missing(work, dataset.classes)
    print(f"{name}: {accuracy_text(scores.scores, scores.label, missing)}", flush=True)
    return paths["test"], temperature


def _stacked(vectors: Mapping[str, NDArray], videos: list[Video] | tuple[Video, ...]) -> NDArray:
    return np.stack([vectors[video.name] for video in videos])
