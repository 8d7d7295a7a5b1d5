"""The test videos that the benchmark `read_outs` measures: as they are, and joined in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from videolstm_jax import files
from videolstm_jax.trained.run_record import RunRecord
from videolstm_jax.types import Detection, Tube
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import load_detections


class ScoredVideo(NamedTuple):
    """One test video with a run's `scores` [L', C] and `attention` [L', N, N], and its true tubes.

    `size` is H, W in pixels, `frames` is L, and `fit` is the `data.fit` of the run.
    """

    name: str
    size: tuple[int, int]
    frames: int
    scores: np.ndarray
    attention: np.ndarray
    truth: tuple[Detection, ...]
    fit: str


def read(folders: Sequence[str], run: str) -> list[ScoredVideo]:
    """Reads the test videos with truth of all folders, by class and then by name."""
    tests = []
    for folder in folders:
        work = Workdir(folder)
        fit = RunRecord.read(work, run).fit
        truth: dict[str, list[Detection]] = {}
        for detection in load_detections(work.truth):
            truth.setdefault(detection.video, []).append(detection)
        for video in load_dataset(work.dataset).part("test"):
            if video.name not in truth:
                continue
            path = work.evaluated_video(run, video.name)
            # Kept by `evaluate`: no model is loaded, and the options differ in boxes alone.
            scores, attention = files.read_arrays(path, "scores", "attention", made_by="evaluate")
            size = video.height, video.width
            true = tuple(truth[video.name])
            tests.append(ScoredVideo(video.name, size, video.frames, scores, attention, true, fit))
    return sorted(tests, key=lambda video: (video.truth[0].label, video.name))


def joined(videos: Sequence[ScoredVideo]) -> list[ScoredVideo]:
    """Makes an untrimmed test: every video followed by one of another class.

    Each class is true on its own part only. The k-th video in the order of classes is followed by
    the one half the list further on, so each is first once and second once. Scores and attention
    are those of the single videos: the carry is that of a stream cut at the join.
    """
    pairs = []
    for place, first in enumerate(videos):
        # In the order of classes, half a list further on there is nearly always another class.
        second = videos[(place + len(videos) // 2) % len(videos)]
        if second.truth[0].label != first.truth[0].label and second.size == first.size:
            pairs.append(_join(first, second))
    return pairs


def _join(first: ScoredVideo, second: ScoredVideo) -> ScoredVideo:
    """Puts one video behind another of the same size."""
    name = f"{first.name}+{second.name}"
    truth = []
    for start, video in ((0, first), (first.frames, second)):
        for true in video.truth:
            tube = Tube(start + true.tube.start, true.tube.boxes)
            truth.append(true._replace(video=name, tube=tube))
    # L' may be one less than L: the last frame of the first video has the scores before it.
    missing = first.frames - len(first.attention)

    def joined_arrays(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.concatenate([a, np.repeat(a[-1:], missing, axis=0), b])

    return ScoredVideo(
        name,
        first.size,
        first.frames + second.frames,
        joined_arrays(first.scores, second.scores),
        joined_arrays(first.attention, second.attention),
        tuple(truth),
        first.fit,
    )
