"""What the stage `prepare` read, as flow/index.json and the notes of flow files keep it, and
whether it is still so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from etils import epath

from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import DataConfig
from videolstm_jax.errors import ConfigError, FileError, VideoError
from videolstm_jax.files import PathLike, file_size, read_json, side_by_side
from videolstm_jax.types import Video
from videolstm_jax.video import flow_file


class Motion(NamedTuple):
    """Of a video's flow: the greatest displacement in pixels, and the share of pixels at or beyond
    the bound.
    """

    largest: float
    saturated: float


def sources(videos: Sequence[Video]) -> dict[str, str]:
    """What tells the file of each video from another that has taken its place, by the video's name."""
    sizes = side_by_side(file_size, [epath.Path(video.path) for video in videos])
    return {
        video.name: "no file" if size is None else f"{size} bytes"
        for video, size in zip(videos, sizes, strict=True)
    }


def read_index(work: Workdir, cfg: DataConfig) -> dict[str, Any]:
    """Reads flow/index.json: the settings of the flow, `frames` (pairs) and `source` of each video.

    Raises:
      FileError: `prepare` has not run to its end, or not since sources are kept.
      ConfigError: `prepare` read other frames of the videos than these settings would.
    """
    path = work.flow / "index.json"
    index = read_json(path, made_by="prepare")
    for name in ("fps", "max_frames"):
        if index.get(name) != getattr(cfg, name):
            raise ConfigError(
                f"DataConfig.{name} is {getattr(cfg, name)}; {path} was made with {index.get(name)}; "
                "expected the same"
            )
    if "source" not in index:
        raise FileError(
            f"{path}: does not say which files were read, so that replaced ones would go unseen; run "
            "the stage prepare again, which keeps the flow that is there"
        )
    return index


def check_sources(index: Mapping[str, Any], videos: Sequence[Video]) -> None:
    """Raises VideoError where the file of a video is not the one that `prepare` read."""
    found, expected = sources(videos), index["source"]
    for video in videos:
        if found[video.name] != expected.get(video.name):
            raise VideoError(
                f"{video.path}: {found[video.name]}; expected {expected.get(video.name)}, as when the stage "
                "prepare read it: run that again"
            )


# ---- notes of flow files -------------------------------------------------------------------------


def note_of(source: str, motion: Motion) -> str:
    """What a flow file says of its video and of itself."""
    return f"{source}; largest {motion.largest:.3f}, saturated {motion.saturated:.4f}"


def finished_flow(path: PathLike, source: str) -> tuple[int, Motion | None]:
    """The pairs of a flow file, 0 where it is missing, damaged or made from another video, and what
    moves in it.

    Files from before that was kept do not tell.
    """
    try:
        pairs, note = flow_file.describe(path)
    except FileError:
        return 0, None
    told = re.fullmatch(r"(.*); largest (\S+), saturated (\S+)", note)
    if (told[1] if told else note) != source:
        return 0, None
    return pairs, told and Motion(float(told[2]), float(told[3]))
