"""Scores of a backbone alone, from its stored logits: the ConvNet column of Table 1."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.features.store import FeatureStore
from videolstm_jax.files import write_json
from videolstm_jax.measure.accuracy import accuracy_text, top_k, trained_accuracy_note
from videolstm_jax.measure.scores import softmax
from videolstm_jax.types import Dataset, Scores, Video, names_of
from videolstm_jax.workdir.scores_npz import save_scores

CONVNET_SCORES = ("scores.npz", "accuracy.json")
"""The files that `save_extracted_convnet_scores` writes."""
SCORED_FRAMES = 25
"""Equally spaced frames whose class probabilities are averaged for the score of a video."""


class _TestedVideos(NamedTuple):
    """Scores [V, C] of the test videos, their frames, and how many of those are right."""

    scores: np.ndarray
    frames: int
    frames_right: int


def save_extracted_convnet_scores(
    logits: FeatureStore,
    dataset: Dataset,
    folder: epath.Path,
    stream: str,
    unread: Sequence[int] | np.ndarray = (),
    *,
    trained_on: Collection[str] = (),
) -> None:
    """Writes `scores.npz` and `accuracy.json` of the test list, and prints the accuracy.

    The score of a video is its probabilities averaged over equally spaced frames. The accuracy of
    frames counts all of them.

    Args:
      logits: of every frame.
      dataset: whose test list is scored.
      folder: of the backbone, where both files go.
      stream: for the line that is printed.
      unread: labels of test videos that could not be read; they count as wrong.
      trained_on: names of the videos that the backbone was trained on.

    Raises:
      FileError: the dataset lists no test videos.
    """
    videos = dataset.part("test")
    tested = _score_videos(logits, videos)
    label = np.array([video.label for video in videos])
    # Allowed by the user, or `extract` would have refused the backbone before its first frame.
    trained = np.isin(np.array(names_of(videos), str), np.array(sorted(trained_on), str))
    scores = Scores(names_of(videos), tested.scores, label, dataset.classes, trained)
    save_scores(folder / "scores.npz", scores)
    accuracy = {
        "videos": len(videos) + len(unread),
        "videos_right": top_k(scores.scores, label),
        "missing": len(unread),
        "frames": tested.frames,
        "frames_right": tested.frames_right,
    }
    # Only where there are some, so that the exception is seen.
    if trained.any():
        accuracy["trained_on"] = int(trained.sum())
    write_json(folder / "accuracy.json", accuracy)
    right_videos = accuracy_text(scores.scores, label, unread)
    right_frames = f"{100 * tested.frames_right / tested.frames:.1f} % of their frames"
    note = trained_accuracy_note(trained)
    print(f"the {stream} backbone alone: {right_videos}, {right_frames}{note}", flush=True)


def _score_videos(logits: FeatureStore, videos: Sequence[Video]) -> _TestedVideos:
    """Scores each video, and counts the frames whose highest logit is its class."""
    scores, frames, frames_right = [], 0, 0
    # One video at a time: the logits of all frames may not fit in memory.
    for video in videos:
        frame_logits = logits.read(video.name)
        scores.append(_video_score(frame_logits))
        frames += len(frame_logits)
        frames_right += top_k(frame_logits, np.full(len(frame_logits), video.label))
    return _TestedVideos(np.stack(scores), frames, frames_right)


def _video_score(logits: np.ndarray) -> np.ndarray:
    """Returns the mean probabilities [C] of some frames, from the logits [L', C] of all of them."""
    # A short video has frames that count more than once.
    spaced = np.round(np.linspace(0, len(logits) - 1, SCORED_FRAMES)).astype(int)
    return softmax(logits[spaced]).mean(0)
