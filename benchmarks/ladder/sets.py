"""The sets of stick actions that the ladder is measured on, and their features."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from videolstm_jax.artifacts import Workdir
from videolstm_jax.presets import Settings
from videolstm_jax.stages import extract, fit_convnet, prepare

COMMON: Mapping[str, Any] = {
    "data__source": "stick_actions",
    "data__difficulty": "hard",
    "data__clips_per_class": 50,
    # 200 test clips: with 64 of them no interval would be shorter than 20 points.
    "data__test_clips_per_class": 25,
    "data__workers": 1,
    # The backbones start from those of `make demo`, as in the published runs on this difficulty.
    "convnet__learning_rate": 1e-3,
    "convnet__steps": 300,
    # The mirrored features are made too. Whether a run is trained on them is its own setting.
    "data__mirrored": True,
}
"""On top of the preset `demo`: 56 x 56 pixels and the small VGG of both streams."""

SETS: Mapping[str, Mapping[str, Any]] = {
    "independent": {"data__context": 0.0},
    # Its own flow is never read, and the smallest is the cheapest; see `make_features`.
    "tied": {"data__context": 1.0, "flow__width": 16, "flow__height": 16},
}
"""The background says nothing of the class, or it is the same in all clips of a class."""


def settings_of(name: str, workdir: str, demo: str = "") -> Settings:
    """The settings of everything that is computed on one of `SETS`.

    Args:
      name: of the set.
      workdir: the folder of all sets.
      demo: the work folder of a finished `make demo`; only `make_features` needs it.
    """
    place = {"workdir": f"{workdir}/{name}"}
    if demo:
        place["convnet__weights"] = f"{demo}/convnets/{{stream}}"
    return Settings("demo", {**COMMON, **SETS[name], **place})


def make_features(name: str, workdir: str, demo: str) -> None:
    """Draws the clips of a set, fits its backbones and extracts features, where missing.

    A clip of the set `tied` differs from the one of the same name in the other set by its
    background alone. Its motion input is the flow of that clip, so that the sets differ in RGB
    only, and so that flow is computed once.
    """
    settings = settings_of(name, workdir, demo)
    work = Workdir(settings.overrides["workdir"])
    if not work.dataset.exists():
        prepare.run(settings.config())
    streams = ["rgb"]
    if name == "independent":
        streams.append("flow")
    for stream in streams:
        cfg = settings.for_stream(stream).config()
        # `extract` writes the scores of the backbone last.
        if not (work.convnet(stream) / "scores.npz").exists():
            fit_convnet.run(cfg)
            extract.run(cfg)
    if name == "tied":
        link = pathlib.Path(work.root) / "features" / "flow"
        if not link.exists():
            link.symlink_to(f"{pathlib.Path(workdir).resolve()}/independent/features/flow")
