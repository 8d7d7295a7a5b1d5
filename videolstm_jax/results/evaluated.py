"""What `evaluate` and `localize` left of a run: it is read back, or removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.localize.saliency import check_attention_for_boxes
from videolstm_jax.types import Video
from videolstm_jax.workdir.layout import Workdir

SCORES = "scores.npz"
VALIDATION_SCORES = "scores_valid.npz"
BY_VIDEO = ("videos", "states")
"""Folders of a run that hold one file for each test video."""
MAPS = ("attention", "features", "foreground")
"""The arrays that only cells that attend have."""


class EvaluatedVideo(NamedTuple):
    """One whole video as a run scored it.

    `scores` [L', C] are those of its frames. Of cells that attend, `attention` [L', N, N] and the
    size of the `features` that it weighs, [L', N, N]; else both are None. `foreground` [L', N, N]
    is that of the features, where the model has its axis. Runs evaluated before the features or the
    foreground were kept have None.
    """

    scores: np.ndarray
    attention: np.ndarray | None
    features: np.ndarray | None
    foreground: np.ndarray | None = None


def load_evaluated_video(work: Workdir, name: str, video: Video, classes: int) -> EvaluatedVideo:
    """Reads what `evaluate` kept of one test video.

    Args:
      work: the work folder.
      name: of the run.
      video: of L frames, of which L' = L - 1 or L have scores.
      classes: C.

    Raises:
      FileError: the file is missing or damaged, or not of this video and as many classes.
    """
    path = work.evaluated_video(name, video.name)
    scores, attention, features, foreground = files.read_arrays(
        path,
        "scores",
        *MAPS,
        optional=MAPS,
        made_by="evaluate (for the test list)",
    )
    maps = {"features": features, "foreground": foreground}
    problem = _arrays_problem(scores, attention, maps, video, classes)
    if problem:
        raise FileError(f"{path}: {problem}")
    if attention is None:
        return EvaluatedVideo(scores, None, None)
    # The attention may be of another program, so its values are checked too.
    with files.reading(path, "", ValueError):
        return EvaluatedVideo(scores, check_attention_for_boxes(attention), features, foreground)


def _arrays_problem(
    scores: np.ndarray,
    attention: np.ndarray | None,
    maps: Mapping[str, np.ndarray | None],
    video: Video,
    classes: int,
) -> str:
    """Why arrays are not the scores and maps of a video; empty where they are."""
    # Where a video has flow, its last frame has none and so no features either: L' is L - 1.
    fits = scores.ndim == 2 and len(scores) in (video.frames - 1, video.frames)
    fits = fits and scores.shape[1] == classes
    if attention is not None:
        fits = fits and attention.ndim == 3 and len(attention) == len(scores)
    # Without attention there is nothing to weigh, and such maps are a mistake.
    maps = {name: array for name, array in maps.items() if array is not None}
    for array in maps.values():
        fits = fits and array.shape == _shape(attention)
    if not fits:
        shapes = f"scores {scores.shape} and attention {_shape(attention)}"
        for name, array in maps.items():
            shapes += f" and {name} {array.shape}"
        return (
            f"{shapes}; expected [L', {classes}] and [L', N, N] with L' {video.frames - 1} or "
            f"{video.frames} for {video.frames} frames"
        )
    # The shapes first: NaN of a run that diverged is another mistake, with another remedy.
    if not np.isfinite(scores).all():
        return "scores are not finite; expected class probabilities"
    for name, array in maps.items():
        # Not a number would make the map of a frame uniform, and so hide itself.
        if array.dtype.kind != "f" or not (np.isfinite(array) & (array >= 0)).all():
            return f"{name} is {array.dtype}; expected finite floats that are not negative"
    return ""


def _shape(array: np.ndarray | None) -> tuple[int, ...] | None:
    if array is None:
        return None
    return array.shape


def is_evaluated(folder: epath.Path, target: epath.Path) -> bool:
    """Whether `evaluate` writes a file in the folder of a run, for the test list."""
    return target.relative_to(folder).parts[0] in (SCORES, *BY_VIDEO)


def is_result(folder: epath.Path, target: epath.Path) -> bool:
    """Whether `evaluate` or `localize` writes a file in the folder of a run."""
    if is_evaluated(folder, target) or target == folder / VALIDATION_SCORES:
        return True
    return target.match("tubes*.jsonl") or target.match("map*.json")


def remove_results(folder: epath.Path, *, validation: bool = True) -> None:
    """Removes what evaluate and localize wrote of a run: its parameters may be others now.

    Args:
      folder: of the run.
      validation: also the scores of the validation list, which are written by a command of their
        own.
    """
    names = [SCORES, "tubes.jsonl", "map.json"]
    # `evaluate` keeps them: only a training changes the parameters that they were made with.
    if validation:
        names.append(VALIDATION_SCORES)
    # Those of other settings, see `localize.name`, are of the same parameters.
    for pattern in ("tubes-*.jsonl", "map-*.json"):
        names += [path.name for path in folder.glob(pattern)]
    for name in names:
        (folder / name).unlink(missing_ok=True)
    for name in BY_VIDEO:
        if (folder / name).exists():
            (folder / name).rmtree()
