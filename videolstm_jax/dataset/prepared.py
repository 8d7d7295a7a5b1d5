"""The settings that `prepare` listed the videos with, and videos that changed since then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from videolstm_jax.config import DataConfig, RunConfig
from videolstm_jax.errors import ConfigError, VideoError
from videolstm_jax.files import call_in_threads, read_json
from videolstm_jax.folders import file_size
from videolstm_jax.types import Video
from videolstm_jax.workdir.layout import Workdir

# What decides which videos are used. `data.videos` is not among them: a set may be moved.
_LISTING = (
    "source",
    "split",
    "classes",
    "test_fraction",
    "validation",
    "hold_out",
    "group_pattern",
)


def dataset_listing_settings(cfg: DataConfig) -> dict[str, Any]:
    """The settings that decide which videos are used and in which parts, as JSON has them."""
    settings = {}
    for name in _LISTING:
        setting = getattr(cfg, name)
        # As JSON gives them back, so that both can be compared.
        if isinstance(setting, tuple):
            setting = list(setting)
        settings[name] = setting
    return settings


def check_dataset_listing(cfg: RunConfig) -> None:
    """Refuses a setting that the user gives, but that `prepare` did not have.

    Stages after `prepare` read dataset.json, in which such a setting would change nothing.

    Raises:
      ConfigError: the value differs from the one that dataset.json was made with.
    """
    path = Workdir(cfg.workdir).dataset
    if not path.exists():
        return
    # A damaged file is refused by the stage that reads its videos.
    record = read_json(path)
    stored_settings = {}
    if isinstance(record, dict):
        stored_settings = record.get("settings", {})
    for name, setting in dataset_listing_settings(cfg.data).items():
        # A default or a preset is no wish of the user, and may have changed since then.
        is_override = f"data__{name}" in cfg.overrides
        if is_override and name in stored_settings and stored_settings[name] != setting:
            raise ConfigError(
                f"data.{name} is {setting!r}, but {path} was made with {stored_settings[name]!r}: "
                "run prepare with the new value first, in another workdir if models of the old one "
                "are kept"
            )


def video_fingerprints(videos: Sequence[Video]) -> dict[str, str]:
    """The size of each video's file by the video's name: it shows that a file was replaced.

    A digest would be safer, but would read every byte of the set on each start of a stage.
    """
    sizes = call_in_threads(file_size, [epath.Path(video.path) for video in videos])
    fingerprints = {}
    for video, size in zip(videos, sizes, strict=True):
        fingerprints[video.name] = f"{size} bytes"
        # Features that others made have no video files.
        if size is None:
            fingerprints[video.name] = "no file"
    return fingerprints


def check_fingerprints(index: Mapping[str, Any], videos: Sequence[Video]) -> None:
    """Raises VideoError where the file of a video is not the one that `prepare` read."""
    fingerprints = video_fingerprints(videos)
    for video in videos:
        expected = index["source"].get(video.name)
        if fingerprints[video.name] != expected:
            raise VideoError(
                f"{video.path}: {fingerprints[video.name]}; expected {expected}, as when the "
                "stage prepare read it: run that again"
            )
