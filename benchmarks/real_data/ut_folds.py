"""The work folders of UT-Interaction's folds: lists, flow, and imported features."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.real_data import backbone_arrays
from benchmarks.real_data.projection import principal_components
from videolstm_jax.features import foreign, importers
from videolstm_jax.features.foreign import ForeignFeatures
from videolstm_jax.presets import Settings
from videolstm_jax.stages import prepare
from videolstm_jax.types import Dataset, Video, View
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir

FOLDS = 5


class FeatureForm(NamedTuple):
    """How the arrays of the backbones become the features that cells read.

    Attributes:
      every: 2 keeps every second record: half the cost, and a clip covers twice the time.
      channels: principal components of a map 7x7x320; 0 keeps all channels as they are.
      scale: `one` divides all values by one deviation, `channel` standardises each channel, and
        `place` each value of the map, all by the training list.
      rgb: the backbone of the RGB maps, lite0 or vgg16.
    """

    every: int = 2
    channels: int = 64
    scale: str = "one"
    rgb: str = "lite0"

    @property
    def suffix(self) -> str:
        """Of the names of folders, empty for the first form that was used."""
        if self == FIRST_FORM:
            return ""
        return f"-every{self.every}-{self.channels}-{self.scale}-{self.rgb}"


FIRST_FORM = FeatureForm()

ABOUT = {"imported": "arrays", "from": "lite0", "preprocessing": "unknown"}
"""What the index of an imported store keeps of its origin."""

HELD_OUT = (2, 3, 4)
"""Number k holds out the sequences k, k + 5, k + 10 of fold 1's training list; see `ut_tries`."""


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


def extracted_folds(data: str, workdir: str, common: Mapping[str, Any]) -> list[Settings]:
    """Prepares all folds, and computes the arrays of both streams and views that they share."""
    folds = [prepared_fold(data, workdir, number, common) for number in range(1, FOLDS + 1)]
    for stream in ("rgb", "flow"):
        cfg = folds[0].for_stream(stream).config()
        for view in backbone_arrays.VIEWS:
            folder, every = arrays_folder(workdir, stream, view), arrays_every("lite0", view)
            backbone_arrays.extract(cfg, folder, view, every=every)
    return folds


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


def arrays_folder(
    workdir: str, stream: str, view: View = "filmed", backbone: str = "lite0"
) -> pathlib.Path:
    """Where the arrays of a stream lie, as filmed or mirrored; all folds share them."""
    return pathlib.Path(workdir) / "arrays" / f"{stream}-{backbone}-{view}"


def arrays_every(backbone: str, view: View) -> int:
    """2 where the arrays hold every second frame only, to save half the extraction."""
    # The VGG-16 is slow. No form that reads every frame trains on mirrored clips.
    return 2 if backbone == "vgg16" or view == "mirrored" else 1


def views(settings: Mapping[str, Any]) -> tuple[View, ...]:
    """The views of the videos that these settings train on."""
    if settings.get("data__mirrored", True):
        return backbone_arrays.VIEWS
    return ("filmed",)


def import_features(
    settings: Settings,
    workdir: str,
    form: FeatureForm = FIRST_FORM,
    streams: Sequence[str] = ("rgb", "flow"),
    layers: Sequence[str] = backbone_arrays.LAYERS,
) -> None:
    """Imports the arrays of streams into a fold, as `videolstm features arrays` does."""
    for stream in streams:
        backbone = form.rgb if stream == "rgb" else "lite0"
        for layer in layers:
            for view in views(settings.overrides):
                _import_layer(settings, workdir, form, _Layer(stream, backbone, layer, view))


class _Layer(NamedTuple):
    """One store of features: its stream, backbone, layer and view."""

    stream: str
    backbone: str
    name: str
    view: View


def _import_layer(settings: Settings, workdir: str, form: FeatureForm, layer: _Layer) -> None:
    work = work_of(settings)
    dataset = load_dataset(work.dataset)
    target = work.features(layer.stream, layer.name, layer.view)
    if (target / "index.json").exists():
        return
    # Only clips of the training list are drawn mirrored.
    train_list = dataset._replace(videos=tuple(dataset.part("train")))
    listed = dataset if layer.view == "filmed" else train_list
    # Axes and deviation are those as filmed in both views.
    filmed = _layer_arrays(workdir, layer._replace(view="filmed"))
    train = [filmed[video.name].read() for video in train_list.videos]
    every = form.every // arrays_every(layer.backbone, layer.view)
    arrays = _reduced(_layer_arrays(workdir, layer), _scaled(train, layer.name, form), every)
    about = {**ABOUT, "from": layer.backbone, "view": layer.view}
    importers.import_features(arrays, listed, target, about)


def _layer_arrays(workdir: str, layer: _Layer) -> dict[str, ForeignFeatures]:
    folder = arrays_folder(workdir, layer.stream, layer.view, layer.backbone)
    return foreign.array_features(folder / layer.name)


def _scaled(
    train: Sequence[np.ndarray], layer: str, form: FeatureForm
) -> Callable[[np.ndarray], np.ndarray]:
    """What makes records of a layer: fewer channels of maps, and a deviation of 1.

    With `data.feature_scale` std the deviation would be a constant of the compiled program, so that
    every fold would compile its own.
    """
    project: Callable[[np.ndarray], np.ndarray] = partial(np.asarray, dtype=np.float32)
    if layer == "pool5" and form.channels:
        project = principal_components(train, form.channels)
    records = np.concatenate([project(video) for video in train])
    if form.scale == "one":
        deviation = records.std()
        return lambda video: project(video) / deviation
    # Over frames only, or over all places of a map too.
    axes = 0 if form.scale == "place" else tuple(range(records.ndim - 1))
    mean, deviation = records.mean(axes), records.std(axes)
    # A value that hardly changes must not become huge.
    deviation = np.maximum(deviation, 0.1 * deviation.mean())
    return lambda video: (project(video) - mean) / deviation


def _reduced(
    arrays: Mapping[str, ForeignFeatures],
    project: Callable[[np.ndarray], np.ndarray],
    every: int,
) -> dict[str, ForeignFeatures]:
    """So many records of each video, projected."""

    def read(video: ForeignFeatures) -> np.ndarray:
        return project(video.read()[::every])

    reduced = {}
    for name, video in arrays.items():
        frames = len(range(0, video.frames, every))
        shape = project(np.zeros((1, *video.shape), np.float32)).shape[1:]
        reduced[name] = ForeignFeatures(frames, shape, partial(read, video))
    return reduced


def training_fold(
    fold: Settings,
    workdir: str,
    form: FeatureForm = FIRST_FORM,
) -> Settings:
    """The work folder in which the models of a fold are trained; its list has fewer frames."""
    name = pathlib.Path(fold.overrides["workdir"]).name
    settings = fold.override(workdir=f"{workdir}/models-{name}{form.suffix}")
    dataset = load_dataset(work_of(fold).dataset)
    videos = [_thinned(video, form.every) for video in dataset.videos]
    _write_list(settings, videos, dataset.classes)
    return settings


def validation_fold(
    fold: Settings,
    workdir: str,
    form: FeatureForm = FIRST_FORM,
    held_out: int = HELD_OUT[0],
) -> Settings:
    """Fold 1 without its test list, some sequences of its training list held out."""
    name = "models-validation"
    if held_out != HELD_OUT[0]:
        name += f"-{held_out}"
    settings = fold.override(workdir=f"{workdir}/{name}{form.suffix}", eval__part="valid")
    dataset = load_dataset(work_of(fold).dataset)
    videos = []
    for video in dataset.videos:
        part = video.part
        if part == "test":
            part = "unused"
        elif sequence_of(video.name) % FOLDS == held_out % FOLDS:
            part = "valid"
        videos.append(_thinned(video, form.every)._replace(part=part))
    _write_list(settings, videos, dataset.classes)
    return settings


def _thinned(video: Video, every: int) -> Video:
    """The video with as many frames as its thinned records need, which are one fewer."""
    return video._replace(frames=1 + len(range(0, video.frames - 1, every)))


def _write_list(settings: Settings, videos: Sequence[Video], classes: tuple[str, ...]) -> None:
    path = work_of(settings).dataset
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_dataset(path, Dataset(classes, tuple(videos)))
