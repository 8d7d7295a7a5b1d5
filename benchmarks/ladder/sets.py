"""The sets of stick actions that the ladder is measured on, and their features."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.real_data.projection import principal_components
from videolstm_jax.features import importers
from videolstm_jax.features.foreign import ForeignFeatures
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.presets import Settings
from videolstm_jax.stages import extract, fit_convnet, prepare
from videolstm_jax.types import Dataset, View, names_of
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir

CHANNELS = 16
"""Principal components of a map of 64 channels: a training takes less than half of the time."""

TRAINING: Mapping[str, Any] = {
    "model__hidden": 16,
    "model__attention": 16,
    "model__head": 64,
    "data__frames": 12,
    "data__batch": 8,
    "optim__learning_rate": 3e-3,
    "train__steps": 100,
    # Three segments of 12 frames read each clip of 32 to 40 frames about once.
    "eval__segments": 3,
    "eval__batch": 40,
}
"""On top of the settings of a set, for every training. Sizes are chosen for one busy core."""


class StickSet(NamedTuple):
    """A set of stick actions.

    Attributes:
      settings: on top of the preset `demo`; none is the set of `make demo` itself.
      streams: whose backbones are fitted to the set, starting from those of `make demo`.
      views: the features that exist, as filmed and mirrored.
      demo_flow: the flow features are those of `make demo`.
      channels: principal components of a map; 0 keeps its channels.
    """

    settings: Mapping[str, Any]
    streams: Sequence[str] = ()
    views: Sequence[View] = ("filmed",)
    demo_flow: bool = False
    channels: int = CHANNELS


SETS: Mapping[str, StickSet] = {
    # The backgrounds say nothing of the class.
    "independent": StickSet({}, demo_flow=True),
    "all_channels": StickSet({}, demo_flow=True, channels=0),
    # All clips of a class have one background. A clip differs from the one of the same name in the
    # other set by its background alone, so that set's flow is read here too.
    "tied": StickSet(
        {
            "data__context": 1.0,
            # Its own flow is never read, and the smallest is the cheapest.
            "flow__width": 16,
            "flow__height": 16,
            "convnet__steps": 100,
        },
        ("rgb",),
        demo_flow=True,
    ),
    "hard": StickSet(
        {
            "data__difficulty": "hard",
            "data__clips_per_class": 50,
            "data__test_clips_per_class": 25,
            "data__mirrored": True,
            "convnet__steps": 300,
        },
        ("flow",),
        ("filmed", "mirrored"),
    ),
}

# The backbones have learned from the demo's clips already; research runs take this rate too.
_FITTED = {"convnet__learning_rate": 1e-3, "data__workers": 1}


def settings_of(name: str, workdir: str) -> Settings:
    """The settings of every training on one of `SETS`; its folder has features of fewer channels.

    Args:
      name: of the set.
      workdir: the folder of all sets.
    """
    is_mirrored = "mirrored" in SETS[name].views
    place = f"{workdir}/models-{name}"
    return Settings("demo", {**TRAINING, "workdir": place, "data__mirrored": is_mirrored})


def make_features(name: str, workdir: str, demo: str) -> None:
    """Makes the folder of `settings_of`, where it is not complete.

    Args:
      name: of the set.
      workdir: the folder of all sets.
      demo: the work folder of a finished `make demo`.
    """
    stick_set = SETS[name]
    work = Workdir(settings_of(name, workdir).overrides["workdir"])
    source = Workdir(demo)
    if stick_set.streams:
        source = _run_pipeline(name, workdir, demo)
    dataset = load_dataset(source.dataset)
    if not work.dataset.exists():
        pathlib.Path(work.root).mkdir(parents=True, exist_ok=True)
        save_dataset(work.dataset, dataset)
    streams = dict.fromkeys(stick_set.streams or ("rgb", "flow"), source)
    if stick_set.demo_flow:
        streams["flow"] = Workdir(demo)
    for stream, stream_source in streams.items():
        _import_stream(stream_source, work, stream, dataset, stick_set)
        scores = work.convnet(stream) / "scores.npz"
        if not scores.exists():
            scores.parent.mkdir(parents=True, exist_ok=True)
            (stream_source.convnet(stream) / "scores.npz").copy(scores)


def _run_pipeline(name: str, workdir: str, demo: str) -> Workdir:
    """Draws the clips of a set, fits its backbones and extracts features, where missing."""
    place = {"workdir": f"{workdir}/{name}", "convnet__weights": f"{demo}/convnets/{{stream}}"}
    settings = Settings("demo", {**_FITTED, **SETS[name].settings, **place})
    work = Workdir(settings.overrides["workdir"])
    if not work.dataset.exists():
        prepare.run(settings.config())
    for stream in SETS[name].streams:
        cfg = settings.for_stream(stream).config()
        # `extract` writes the scores of the backbone last.
        if not (work.convnet(stream) / "scores.npz").exists():
            fit_convnet.run(cfg)
            extract.run(cfg)
    return work


# ---- fewer channels ------------------------------------------------------------------------------


def _import_stream(
    source: Workdir, work: Workdir, stream: str, dataset: Dataset, stick_set: StickSet
) -> None:
    """Writes fc7 as it is and pool5 with fewer channels, of each view."""
    train_list = dataset._replace(videos=tuple(dataset.part("train")))
    for layer in ("fc7", "pool5"):
        # The axes are those of the training list as filmed, in both views.
        project = partial(np.asarray, dtype=np.float32)
        filmed = source.features(stream, layer)
        for view in stick_set.views:
            target = work.features(stream, layer, view)
            if (target / "index.json").exists():
                continue
            if layer == "pool5" and stick_set.channels:
                train = _arrays(FeatureStore.open(filmed), names_of(train_list.videos))
                project = principal_components(train, stick_set.channels)
            listed = dataset if view == "filmed" else train_list
            store = FeatureStore.open(source.features(stream, layer, view))
            about = {"imported": "arrays", "from": stream, "view": view}
            importers.import_features(_projected(store, project), listed, target, about)


def _arrays(store: FeatureStore, names: Sequence[str]) -> list[np.ndarray]:
    return [store.read(name) for name in names]


def _projected(
    store: FeatureStore, project: Callable[[np.ndarray], np.ndarray]
) -> dict[str, ForeignFeatures]:
    """Every video of a store, with the channels that `project` makes of them."""
    shape = project(np.zeros((1, *store.shape), np.float32)).shape[1:]

    def read(name: str) -> np.ndarray:
        return project(store.read(name))

    features = {}
    for name, frames in store.frames.items():
        features[name] = ForeignFeatures(frames, shape, partial(read, name))
    return features
