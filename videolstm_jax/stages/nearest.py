"""Scores the test list by nearest neighbour on motion energy, a baseline for the networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from etils import epath

from videolstm_jax.artifacts import Workdir, load_dataset, load_missing, save_scores
from videolstm_jax.clips.balance import label_array
from videolstm_jax.config import RunConfig
from videolstm_jax.dataset import prepared
from videolstm_jax.flow_images.flow_file import read_flow
from videolstm_jax.measure.accuracy import accuracy_text
from videolstm_jax.measure.nearest import motion_energy, nearest_scores
from videolstm_jax.types import Scores, Video, names_of

NAME = "nearest-motion"
"""The name of the run."""
FRAME_PAIRS = 64
"""Flow images of a video that are read at most, so that a long one needs little memory."""
NO_MOTION = 127.5
"""The middle of the range of a flow image. It is half a level from the grey of no motion, 128; the
published numbers were made with it."""


def run(cfg: RunConfig) -> epath.Path:
    """Compares the motion energy of each test video with that of every training video.

    Reads the first 64 flow images of each video and writes `runs/nearest-motion/scores.npz`.

    Raises:
      FileError: `prepare` has not run, or a list is empty.
    """
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    train, test = dataset.part("train"), dataset.part("test")
    prepared.check_flow(work, [*train, *test], cfg.data.verify)
    label = label_array(test)
    scores = nearest_scores(
        _energies(work, train), label_array(train), _energies(work, test), len(dataset.classes)
    )
    path = work.run(NAME) / "scores.npz"
    save_scores(path, Scores(names_of(test), scores, label, dataset.classes))
    missing = ()
    if not cfg.eval.allow_missing:
        missing = load_missing(work, dataset.classes)
    print(
        f"nearest neighbour on motion energy: {accuracy_text(scores, label, missing)}", flush=True
    )
    return path


def _energies(work: Workdir, videos: Sequence[Video]) -> np.ndarray:
    """The motion energy of each video as a row."""
    rows = []
    for video in videos:
        pairs = min(FRAME_PAIRS, video.frames - 1)
        flow = read_flow(work.flow / f"{video.name}.zip", 0, pairs)
        rows.append(motion_energy(flow.astype(np.float32) - NO_MOTION).ravel())
    return np.stack(rows)
