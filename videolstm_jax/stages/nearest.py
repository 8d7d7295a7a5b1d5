"""Scores the test list by nearest neighbour on motion energy, beside the networks' scores."""

from __future__ import annotations

import numpy as np
from etils import epath

from videolstm_jax.artifacts import Workdir, load_dataset, load_missing, save_scores
from videolstm_jax.config import RunConfig
from videolstm_jax.measure.accuracy import accuracy_text
from videolstm_jax.measure.nearest import motion_energy, nearest_scores
from videolstm_jax.types import Scores, Video
from videolstm_jax.video.flow_file import read_flow

NAME = "nearest-motion"
_PAIRS = 64


def run(cfg: RunConfig) -> epath.Path:
    """Compares the motion energy of each test video with every training video's.

    Reads the stored flow (the first 64 pairs of a video) and writes
    `runs/nearest-motion/scores.npz`.

    Raises:
      FileError: `prepare` has not run.
    """
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    parts = {part: dataset.part(part) for part in ("train", "test")}
    train, test = (
        np.stack([_energy(work, video) for video in parts[part]]) for part in ("train", "test")
    )
    label = {part: np.array([video.label for video in videos]) for part, videos in parts.items()}
    scores = nearest_scores(train, label["train"], test, len(dataset.classes))
    path = work.run(NAME) / "scores.npz"
    save_scores(
        path,
        Scores(
            tuple(video.name for video in parts["test"]), scores, label["test"], dataset.classes
        ),
    )
    missing = () if cfg.eval.allow_missing else load_missing(work, dataset.classes)
    print(
        f"nearest neighbour on motion energy: {accuracy_text(scores, label['test'], missing)}",
        flush=True,
    )
    return path


def _energy(work: Workdir, video: Video) -> np.ndarray:
    flow = read_flow(work.flow / f"{video.name}.zip", 0, min(_PAIRS, video.frames - 1))
    return motion_energy(flow.astype(np.float32) - 127.5).ravel()
