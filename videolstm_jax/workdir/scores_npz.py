"""Files of video scores, .npz without pickles: the scores, the right labels and the class names."""

from __future__ import annotations

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike, read_arrays, write_arrays
from videolstm_jax.types import PARTS, Scores


def save_scores(path: PathLike, scores: Scores) -> None:
    """Writes video scores as pickle-free .npz."""
    arrays = {}
    # Only where there is a mark: it is the exception, and the user has asked for it.
    if scores.trained is not None and scores.trained.any():
        arrays["trained"] = np.asarray(scores.trained, bool)
    # Nearly all files are of the test list, and one without a part is.
    if scores.part != "test":
        arrays["part"] = np.array(scores.part, str)
    write_arrays(
        path,
        durable=True,
        **arrays,
        videos=np.array(scores.videos, str),
        scores=np.asarray(scores.scores, np.float32),
        label=np.asarray(scores.label, np.int32),
        classes=np.array(scores.classes, str),
    )


def load_scores(path: PathLike) -> Scores:
    """Reads video scores.

    Raises:
      FileError: shapes that do not agree, NaN, or labels outside the classes.
    """
    names = ("videos", "scores", "label", "classes", "trained", "part")
    videos, scores, label, classes, trained, part = read_arrays(
        path, *names, made_by="evaluate or fuse", optional=("trained", "part")
    )
    problem = _kinds_problem(videos, scores, label, classes)
    if problem:
        raise FileError(f"{path}: {problem}")
    # See `save_scores`: only other lists are named.
    if part is None:
        part = "test"
    # The file may be of another program: everything that fusion and accuracy rely on is checked.
    stored = Scores(
        tuple(videos.tolist()), scores, label, tuple(classes.tolist()), trained, str(part)
    )
    problem = _scores_problem(stored)
    if problem:
        raise FileError(f"{path}: {problem}")
    return stored


def _kinds_problem(
    videos: np.ndarray, scores: np.ndarray, label: np.ndarray, classes: np.ndarray
) -> str:
    """Which array is no list of names, no numbers or no labels; empty where all are."""
    expected = {
        "videos": (videos, "U", 1, "a list of names"),
        "scores": (scores, "fiu", 2, "numbers [videos, classes]"),
        "label": (label, "iu", 1, "whole numbers [videos]"),
        "classes": (classes, "U", 1, "a list of names"),
    }
    for name, (array, kinds, rank, text) in expected.items():
        # A list without elements is an array of floats, whatever it was a list of.
        is_kind = array.dtype.kind in kinds or not array.size
        if not is_kind or array.ndim != rank:
            return f"{name} is {array.dtype} {list(array.shape)}; expected {text}"
    return ""


def _scores_problem(stored: Scores) -> str:
    """What is wrong with the arrays of a score file; empty where nothing is."""
    scores, label, trained = stored.scores, stored.label, stored.trained
    videos, classes = len(stored.videos), len(stored.classes)
    if scores.shape != (videos, classes) or label.shape != (videos,):
        return (
            f"scores {scores.shape} and label {label.shape}; expected [{videos}, {classes}] and "
            f"[{videos}] for its videos and classes"
        )
    # By video, so that the message can name the first one.
    finite = np.isfinite(scores).all(axis=1)
    if not finite.all():
        return f"scores of {stored.videos[finite.argmin()]} are not finite"
    if len(label) and (label.min() < 0 or label.max() >= classes):
        return f"labels {label.min()} to {label.max()}; expected 0 to {classes - 1}"
    if trained is not None and (trained.shape != label.shape or trained.dtype != bool):
        return f"trained is {trained.dtype} {trained.shape}; expected bool {label.shape}"
    if stored.part not in PARTS:
        return f"part is {stored.part!r}; expected one of {', '.join(PARTS)}"
    return ""
