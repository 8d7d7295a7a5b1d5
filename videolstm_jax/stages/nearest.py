"""Scores the test list by nearest neighbours: on motion energy, and on size and length.

Both are baselines for the networks. The first needs stored flow. The second looks at no picture: it
shows where the shape or the length of the videos tells the class.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
from etils import epath

from videolstm_jax.clips.balance import labels_of_clip_videos
from videolstm_jax.config import RunConfig
from videolstm_jax.flow_images.flow_file import read_flow
from videolstm_jax.flow_images.flow_index import check_flow
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.measure.accuracy import (
    accuracy_text,
    chance_accuracy,
    majority_accuracy,
    top_k,
)
from videolstm_jax.measure.nearest import (
    SIZE_BASELINE,
    nearest_motion_energy,
    nearest_scores,
    nearest_size_and_length,
    nearest_size_warning,
)
from videolstm_jax.types import Dataset, Scores, Video, names_of
from videolstm_jax.workdir.dataset_json import load_dataset, load_labels_of_bad_videos
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores

NAME = "nearest-motion"
"""The name of the run on motion energy; the other one is `measure.nearest.SIZE_BASELINE`."""
FRAME_PAIRS = 64
"""Flow images of a video that are read at most, so that a long one needs little memory."""
NO_MOTION = 127.5
"""The middle of the range of a flow image. It is half a level from the grey of no motion, 128; the
published numbers were made with it."""


def run(cfg: RunConfig) -> epath.Path:
    """Compares each test video with every training video, and writes two files of scores.

    `runs/nearest-size/scores.npz` is of width, height and number of frames, which dataset.json has.
    `runs/nearest-motion/scores.npz` is of the motion energy of the first 64 flow images of each
    video; with `flow.online` no flow is stored, and it is left out.

    Returns:
      The folder of both.

    Raises:
      FileError: `prepare` has not run, a list is empty, or another process writes the scores.
    """
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    with contextlib.ExitStack() as stack:
        # Both locks before either file is written: the two results belong to one run of the stage.
        for name in (SIZE_BASELINE, NAME):
            stack.enter_context(team_writer(work.run(name), "nearest", break_lock=cfg.break_lock))
        _write_scores(cfg, work, dataset)
    return work.run(NAME).parent


def _write_scores(cfg: RunConfig, work: Workdir, dataset: Dataset) -> None:
    """Writes both files of scores."""
    train, test = dataset.part("train"), dataset.part("test")
    missing = ()
    if not cfg.eval.allow_missing:
        missing = load_labels_of_bad_videos(work, dataset.classes)
    _score_sizes(work, dataset, missing)
    if not cfg.flow.online:
        check_flow(work, [*train, *test], cfg.data.verify)
        energies = _energies(work, train), _energies(work, test)
        scores = _save_scores(work, NAME, dataset, *energies)
        text = accuracy_text(scores, labels_of_clip_videos(test), missing)
        print(f"nearest neighbour on motion energy: {text}", flush=True)


def _score_sizes(work: Workdir, dataset: Dataset, missing: Sequence[int] | np.ndarray) -> None:
    """Writes the baseline on size and length, and warns where it is better than chance."""
    train, test = dataset.part("train"), dataset.part("test")
    # Of imported features nobody knows the size of the videos.
    for video in (*train, *test):
        if not video.width or not video.height:
            return
    scores = _save_scores(work, SIZE_BASELINE, dataset, _sizes(train), _sizes(test))
    label = labels_of_clip_videos(test)
    print(
        f"nearest neighbour on size and length: {accuracy_text(scores, label, missing)}", flush=True
    )
    constant = majority_accuracy(labels_of_clip_videos(train), label, missing)
    chance = chance_accuracy(constant, len(dataset.classes))
    warning = nearest_size_warning(top_k(scores, label), constant.total, chance)
    if warning:
        print(f"nearest: warning: {warning}", flush=True)


def _save_scores(
    work: Workdir, name: str, dataset: Dataset, train_rows: np.ndarray, test_rows: np.ndarray
) -> np.ndarray:
    """Scores the test list by its rows [V, F] and those of the training list [n, F]."""
    train, test = dataset.part("train"), dataset.part("test")
    scores = nearest_scores(
        train_rows, labels_of_clip_videos(train), test_rows, len(dataset.classes)
    )
    table = Scores(names_of(test), scores, labels_of_clip_videos(test), dataset.classes)
    save_scores(work.run(name) / "scores.npz", table)
    return scores


def _sizes(videos: Sequence[Video]) -> np.ndarray:
    """The size and length of each video as a row."""
    rows = []
    for video in videos:
        rows.append((video.width, video.height, video.frames))
    return nearest_size_and_length(*np.array(rows).T)


def _energies(work: Workdir, videos: Sequence[Video]) -> np.ndarray:
    """The motion energy of each video as a row."""
    rows = []
    for video in videos:
        pairs = min(FRAME_PAIRS, video.frames - 1)
        flow = read_flow(work.flow / f"{video.name}.zip", 0, pairs)
        # A grid of the same number of cells for every video, whatever its size, as distances
        # between rows need.
        rows.append(nearest_motion_energy(flow.astype(np.float32) - NO_MOTION).ravel())
    return np.stack(rows)
