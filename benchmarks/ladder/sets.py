"""The sets of stick actions that the ladder is measured on, and their features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videolstm_jax.artifacts import Workdir
from videolstm_jax.presets import Settings
from videolstm_jax.stages import extract, fit_convnet, prepare

STREAMS = ("rgb", "flow")

COMMON: Mapping[str, Any] = {
    "data__source": "stick_actions",
    "data__difficulty": "hard",
    "data__clips_per_class": 50,
    # 200 test clips: with 64 of them no interval would be shorter than 20 points.
    "data__test_clips_per_class": 25,
    "data__workers": 1,
    "convnet__steps": 600,
    # The mirrored features are made too. Whether a run is trained on them is its own setting.
    "data__mirrored": True,
}
"""On top of the preset `small`: 56 x 56 pixels and the small VGG of both streams."""

SETS: Mapping[str, Mapping[str, Any]] = {
    "independent": {"data__context": 0.0},
    "tied": {"data__context": 1.0},
}
"""The background says nothing of the class, or it is the same in all clips of a class."""


def settings_of(name: str, workdir: str) -> Settings:
    """The settings of everything that is computed on one of `SETS`."""
    place = {"workdir": f"{workdir}/{name}", "convnet__backbone": "vgg"}
    return Settings("demo", {**COMMON, **SETS[name], **place})


def make_features(settings: Settings) -> None:
    """Draws the clips, fits a backbone of each stream, and extracts features, where missing."""
    work = Workdir(settings.overrides["workdir"])
    if not work.dataset.exists():
        prepare.run(settings.config())
    for stream in STREAMS:
        cfg = settings.for_stream(stream).config()
        # `extract` writes the scores of the backbone last.
        if not (work.convnet(stream) / "scores.npz").exists():
            fit_convnet.run(cfg)
            extract.run(cfg)
