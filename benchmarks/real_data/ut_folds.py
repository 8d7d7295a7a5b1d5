"""The work folders of UT-Interaction's folds: lists, flow, and imported features."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.real_data import lite0_arrays
from benchmarks.real_data.projection import principal_components
from videolstm_jax.artifacts import Workdir, load_dataset, save_dataset
from videolstm_jax.features import foreign, importers
from videolstm_jax.features.foreign import ForeignFeatures
from videolstm_jax.presets import Settings
from videolstm_jax.stages import prepare
from videolstm_jax.types import Dataset, Video, View

FOLDS = 5

EVERY = 2
"""Cells read every second record: half the cost, and a clip covers twice the time."""

CHANNELS = 64
"""Principal components of a map. Ridge regression on the mean map is as good with them."""

ABOUT = {"imported": "arrays", "from": "lite0", "preprocessing": "unknown"}
"""What the index of an imported store keeps of its origin."""

VALIDATION_SEQUENCES = (2, 7, 12)
"""Of the training list of fold 1; the settings are chosen on them."""


def prepared_fold(data: str, workdir: str, number: int, common: Mapping[str, Any]) -> Settings:
    """Prepares the work folder of a fold; flow is computed once."""
    lists = pathlib.Path(workdir) / "lists"
    if not (lists / f"testlist0{FOLDS}.txt").exists():
        write_lists(pathlib.Path(data) / "videos", lists)
    place = {
        "workdir": f"{workdir}/fold-{number}",
        "data__videos": f"{data}/videos",
        "data__lists": str(lists),
        "data__split": number,
    }
    settings = Settings("small", {**common, **place})
    work = work_of(settings)
    if not (work.path / "dataset.json").exists():
        shared = pathlib.Path(workdir) / "fold-1" / "flow"
        if number > 1:
            pathlib.Path(work.root).mkdir(parents=True, exist_ok=True)
            pathlib.Path(work.flow).symlink_to(shared.resolve())
        prepare.run(settings.config())
    return settings


def work_of(settings: Settings) -> Workdir:
    """The work folder of a fold."""
    return Workdir(settings.overrides["workdir"])


def write_lists(videos: pathlib.Path, folder: pathlib.Path) -> None:
    """Writes official lists, in which split k holds out every fifth sequence from k on."""
    names = sorted(str(path.relative_to(videos)) for path in videos.glob("*/*.avi"))
    classes = sorted({name.split("/")[0] for name in names})
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{number} {name}\n" for number, name in enumerate(classes, 1)]
    (folder / "classInd.txt").write_text("".join(lines))
    for fold in range(1, FOLDS + 1):
        train, test = [], []
        for name in names:
            if sequence_of(name) % FOLDS == fold % FOLDS:
                test.append(f"{name}\n")
            else:
                train.append(f"{name} {classes.index(name.split('/')[0]) + 1}\n")
        (folder / f"trainlist0{fold}.txt").write_text("".join(train))
        (folder / f"testlist0{fold}.txt").write_text("".join(test))


def sequence_of(name: str) -> int:
    """The sequence in a file's name: all clips of one were filmed with one pair of actors."""
    return int(re.search(r"_g(\d+)_", name)[1])


def arrays_folder(workdir: str, stream: str, view: View = "filmed") -> pathlib.Path:
    """Where the arrays of a stream lie, as filmed or mirrored; all folds share them."""
    return pathlib.Path(workdir) / "arrays" / f"{stream}-lite0-{view}"


def views(settings: Mapping[str, Any]) -> tuple[View, ...]:
    """The views of the videos that these settings train on."""
    if settings.get("data__mirrored", True):
        return lite0_arrays.VIEWS
    return ("filmed",)


def import_features(settings: Settings, workdir: str) -> None:
    """Imports the arrays of both streams into a fold, as `videolstm features arrays` does."""
    work = work_of(settings)
    dataset = load_dataset(work.dataset)
    # Only clips of the training list are drawn mirrored.
    train_list = dataset._replace(videos=tuple(dataset.part("train")))
    for stream in ("rgb", "flow"):
        for layer in lite0_arrays.LAYERS:
            for view in views(settings.overrides):
                listed = dataset if view == "filmed" else train_list
                target = work.features(stream, layer, view)
                if (target / "index.json").exists():
                    continue
                arrays = _layer_arrays(workdir, stream, layer, view)
                # Axes and deviation are those as filmed in both views.
                filmed = _layer_arrays(workdir, stream, layer, "filmed")
                train = [filmed[video.name].read() for video in train_list.videos]
                arrays = _reduced(arrays, _scaled_projection(train, layer))
                importers.import_features(arrays, listed, target, {**ABOUT, "view": view})


def _layer_arrays(workdir: str, stream: str, layer: str, view: View) -> dict[str, ForeignFeatures]:
    return foreign.array_features(arrays_folder(workdir, stream, view) / layer)


def _scaled_projection(
    train: Sequence[np.ndarray], layer: str
) -> Callable[[np.ndarray], np.ndarray]:
    """What makes records of a layer: fewer channels of maps, and a deviation of 1.

    With `data.feature_scale` std the deviation would be a constant of the compiled program, so that
    every fold would compile its own.
    """
    project: Callable[[np.ndarray], np.ndarray] = partial(np.asarray, dtype=np.float32)
    if layer == "pool5":
        project = principal_components(train, CHANNELS)
    deviation = np.concatenate([project(records).ravel() for records in train]).std()
    return lambda records: project(records) / deviation


def _reduced(
    arrays: Mapping[str, ForeignFeatures], project: Callable[[np.ndarray], np.ndarray]
) -> dict[str, ForeignFeatures]:
    """Every second record of each video, projected."""

    def read(video: ForeignFeatures) -> np.ndarray:
        return project(video.read()[::EVERY])

    reduced = {}
    for name, video in arrays.items():
        frames = len(range(0, video.frames, EVERY))
        shape = project(np.zeros((1, *video.shape), np.float32)).shape[1:]
        reduced[name] = ForeignFeatures(frames, shape, partial(read, video))
    return reduced


def training_fold(fold: Settings, workdir: str) -> Settings:
    """The work folder in which the models of a fold are trained; its list has fewer frames."""
    name = pathlib.Path(fold.overrides["workdir"]).name
    settings = fold.override(workdir=f"{workdir}/models-{name}")
    dataset = load_dataset(work_of(fold).dataset)
    _write_list(settings, [_thinned(video) for video in dataset.videos], dataset.classes)
    return settings


def validation_fold(fold: Settings, workdir: str) -> Settings:
    """Fold 1 without its test list, some sequences of its training list held out."""
    settings = fold.override(workdir=f"{workdir}/models-validation", eval__part="valid")
    dataset = load_dataset(work_of(fold).dataset)
    videos = []
    for video in dataset.videos:
        part = video.part
        if part == "test":
            part = "unused"
        elif sequence_of(video.name) in VALIDATION_SEQUENCES:
            part = "valid"
        videos.append(_thinned(video)._replace(part=part))
    _write_list(settings, videos, dataset.classes)
    return settings


def _thinned(video: Video) -> Video:
    """The video with as many frames as its thinned records need, which are one fewer."""
    return video._replace(frames=1 + len(range(0, video.frames - 1, EVERY)))


def _write_list(settings: Settings, videos: Sequence[Video], classes: tuple[str, ...]) -> None:
    path = work_of(settings).dataset
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_dataset(path, Dataset(classes, tuple(videos)))
