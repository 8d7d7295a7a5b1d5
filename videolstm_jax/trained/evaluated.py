"""An evaluated run, read back: what it said of each test video, and how its boxes are made."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import LocalizeConfig
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.localize.saliency import check_attention
from videolstm_jax.types import Video


class Pass(NamedTuple):
    """One whole video as a run saw it: `scores` [L', C] of its frames, and for cells that attend
    `attention` and the size of the `features` it weighs, [L', N, N], else None; runs evaluated
    before those were kept have none.
    """

    scores: np.ndarray
    attention: np.ndarray | None
    features: np.ndarray | None


def load_pass(work: Workdir, name: str, video: Video, classes: int) -> Pass:
    """Reads what `evaluate` kept of one test video.

    Args:
      work: where the run lies.
      name: of the run.
      video: of L frames, of which L' = L - 1 or L have scores.
      classes: C.

    Raises:
      FileError: the file is missing or damaged, or not of this video and as many classes.
    """
    path = work.passes(name, video.name)
    scores, *maps = files.read_arrays(
        path,
        "scores",
        "attention",
        "features",
        optional=("attention", "features"),
        made_by="evaluate (for the test list)",
    )
    attention, features = maps
    lengths = (video.frames - 1, video.frames)
    length = len(scores) if scores.ndim else 0
    if (
        scores.shape != (length, classes)
        or length not in lengths
        or (attention is not None and (attention.ndim != 3 or len(attention) != length))
        or (features is not None and (attention is None or features.shape != attention.shape))
    ):
        held = f"scores {scores.shape}" + "".join(
            f" and {name} {None if one is None else one.shape}"
            for name, one in (("attention", attention), ("features", features))[
                : 1 if features is None else 2
            ]
        )
        raise FileError(
            f"{path}: {held}; expected [L', {classes}] and [L', N, N] with L' {lengths[0]} or "
            f"{lengths[1]} for {video.frames} frames"
        )
    if not np.isfinite(scores).all():
        raise FileError(f"{path}: scores are not finite; expected class probabilities")
    try:
        return Pass(scores, None if attention is None else check_attention(attention), features)
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error


def localize_settings(work: Workdir, name: str) -> LocalizeConfig:
    """How the boxes of a run are made: as `localize` last made them (map.json), else as the run was
    set (config.json).

    Raises:
      FileError: neither file is there, or it does not hold such settings.
    """
    folder, known = work.run(name), {field.name for field in dataclasses.fields(LocalizeConfig)}
    last = folder / "map.json"
    path = last if last.exists() else folder / "config.json"
    value = (
        files.read_json(path) if path == last else artifacts.load_config(folder, made_by="train")
    )
    try:
        said = value["settings"] if path == last else value["config"].get("localize", {})
        return LocalizeConfig(**{key: value for key, value in said.items() if key in known})
    except (AttributeError, KeyError, TypeError, ConfigError) as error:
        raise FileError(f"{path}: not the settings of localize: {error!r}") from error
