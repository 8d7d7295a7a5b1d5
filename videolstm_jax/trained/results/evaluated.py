"""What `evaluate` and `localize` left of a run, read back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import LocalizeConfig
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.localize.saliency import check_attention
from videolstm_jax.types import Video

if TYPE_CHECKING:
    from etils import epath


class EvaluatedVideo(NamedTuple):
    """One whole video as a run scored it.

    `scores` [L', C] are those of its frames. Of cells that attend, `attention` [L', N, N] and the
    size of the `features` that it weighs, [L', N, N]; else both are None. Runs evaluated before
    the features were kept have no `features`.
    """

    scores: np.ndarray
    attention: np.ndarray | None
    features: np.ndarray | None


def load_video(work: Workdir, name: str, video: Video, classes: int) -> EvaluatedVideo:
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
    scores, attention, features = files.read_arrays(
        path,
        "scores",
        "attention",
        "features",
        optional=("attention", "features"),
        made_by="evaluate (for the test list)",
    )
    if not _shapes_fit(scores, attention, features, video, classes):
        shapes = f"scores {scores.shape} and attention {_shape(attention)}"
        if features is not None:
            shapes += f" and features {features.shape}"
        raise FileError(
            f"{path}: {shapes}; expected [L', {classes}] and [L', N, N] with L' "
            f"{video.frames - 1} or {video.frames} for {video.frames} frames"
        )
    if not np.isfinite(scores).all():
        raise FileError(f"{path}: scores are not finite; expected class probabilities")
    if attention is None:
        return EvaluatedVideo(scores, None, features)
    # The attention may be of another program, so its values are checked too.
    try:
        return EvaluatedVideo(scores, check_attention(attention), features)
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error


def _shapes_fit(
    scores: np.ndarray,
    attention: np.ndarray | None,
    features: np.ndarray | None,
    video: Video,
    classes: int,
) -> bool:
    # Where a video has flow, its last frame has none and so no features either: L' is L - 1.
    length = 0
    if scores.ndim:
        length = len(scores)
    if scores.shape != (length, classes) or length not in (video.frames - 1, video.frames):
        return False
    if attention is None:
        return features is None
    if attention.ndim != 3 or len(attention) != length:
        return False
    return features is None or features.shape == attention.shape


def _shape(array: np.ndarray | None) -> tuple[int, ...] | None:
    if array is None:
        return None
    return array.shape


def localize_settings(work: Workdir, name: str) -> LocalizeConfig:
    """The settings that the boxes of a run are made with.

    Those of the last `localize` (map.json); else those that the run was trained with (config.json).

    Raises:
      FileError: neither file is there, or it does not hold such settings.
    """
    folder = work.run(name)
    path = folder / "map.json"
    if path.exists():
        return _localize_config(path, files.read_json(path))
    record = artifacts.load_config(folder, made_by="train")
    return _localize_config(folder / "config.json", record)


def _localize_config(path: epath.Path, record: Mapping[str, Any]) -> LocalizeConfig:
    """Makes the settings of boxes that a map.json or a config.json holds.

    Raises:
      FileError: it does not hold such settings.
    """
    field_names = {field.name for field in dataclasses.fields(LocalizeConfig)}
    known = {}
    try:
        if path.name == "map.json":
            settings = record["settings"]
        else:
            settings = record["config"].get("localize", {})
        for name, value in settings.items():
            # A setting of a later version is passed over: it changes nothing that is known here.
            if name in field_names:
                known[name] = value
        return LocalizeConfig(**known)
    except (AttributeError, KeyError, TypeError, ConfigError) as error:
        raise FileError(f"{path}: not the settings of localize: {error!r}") from error
