"""Trains recurrent models on the maps of either layer, and reads the attention of the test clips.

RGB cells read the maps of Lite0. The motion layer of VideoLSTM reads flow patches: displacements
of each cell of the map, averaged over parts of it. They need no network, so that maps of both
sides have a motion input of their own side.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.real_data.stages import Run, train_and_score
from benchmarks.real_localisation.frame_maps import LAYERS, array_path
from benchmarks.real_localisation.tasks import Fold
from videolstm_jax.config import RunConfig
from videolstm_jax.features import importers
from videolstm_jax.features.foreign import ForeignFeatures
from videolstm_jax.flow_images.flow_file import read_flow
from videolstm_jax.localize.inputs import ZERO_FLOW
from videolstm_jax.presets import Settings
from videolstm_jax.results.evaluated import EvaluatedVideo, load_evaluated_video
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir

TRAINING = {
    # Maps are scaled when they are imported: a deviation of its own would be a constant of the
    # compiled program, and every fold would compile its own.
    "data__feature_scale": "raw",
    "data__frames": 12,
    "data__batch": 8,
    "model__hidden": 32,
    "model__attention": 32,
    "model__head": 64,
    "optim__learning_rate": 3e-3,
    "train__steps": 100,
    "train__save_every": 100,
    "train__log_every": 50,
    "eval__segments": 4,
    "eval__states": "none",
}
"""The sizes of the recurrent models, those of the table of UT-Interaction."""

CELLS = ("alstm", "videolstm")
PATCHES = {"stage7": 4, "stage5": 2}
"""Parts of a cell along each side, of which flow is averaged: 28 x 28 parts of the frame."""
ABOUT = {"imported": "arrays", "from": "lite0", "preprocessing": "unknown"}
"""What the index of an imported store keeps of its origin."""


class Sources(NamedTuple):
    """Where the arrays and the flow of a task lie."""

    arrays: pathlib.Path
    work: Workdir


def flow_patches(images: np.ndarray, cells: int, parts: int) -> np.ndarray:
    """Returns the mean displacements of the parts of each cell.

    Args:
      images: [T, H, W, 2] uint8 flow images.
      cells: N.
      parts: P, along each side of a cell.

    Returns:
      [T, N, N, 2 P P] float32.
    """
    flow = images.astype(np.float32) - ZERO_FLOW
    side = cells * parts
    rows = np.linspace(0, flow.shape[1], side + 1).round().astype(int)
    columns = np.linspace(0, flow.shape[2], side + 1).round().astype(int)
    sums = np.add.reduceat(np.add.reduceat(flow, rows[:-1], axis=1), columns[:-1], axis=2)
    areas = np.outer(np.diff(rows), np.diff(columns))
    means = sums / areas[:, :, None]
    # Rows of cells, parts of a row, columns of cells, parts of a column, x and y.
    split = means.reshape(len(flow), cells, parts, cells, parts, 2)
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(len(flow), cells, cells, -1)


def fold_settings(
    settings: Settings, sources: Sources, fold: Fold, layer: str, workdir: str
) -> Settings:
    """Makes the work folder of one fold and layer: its lists, and its stores of RGB and flow."""
    folder = f"{workdir}/{layer}-{fold.name}"
    settings = settings.override(**TRAINING, workdir=folder, data__hold_out="")
    work = Workdir(folder)
    listed = []
    for part, videos in (("train", fold.recurrent), ("test", fold.test)):
        listed += [video._replace(part=part) for video in videos]
    dataset = Dataset(load_dataset(sources.work.dataset).classes, tuple(listed))
    if not work.dataset.exists():
        work.path.mkdir(parents=True, exist_ok=True)
        save_dataset(work.dataset, dataset)
    readers = {
        "rgb": partial(_read_array, sources.arrays, layer),
        "flow": partial(_read_patches, sources.work, layer),
    }
    for stream, read in readers.items():
        target = work.features(stream, "pool5")
        if not (target / "index.json").exists():
            _import(read, dataset, target, {**ABOUT, "from": f"{stream} {layer}"})
    return settings


def _read_array(arrays: pathlib.Path, layer: str, video: Video) -> np.ndarray:
    return np.load(array_path(arrays, layer, video)).astype(np.float32)


def _read_patches(work: Workdir, layer: str, video: Video) -> np.ndarray:
    images = read_flow(work.flow / f"{video.name}.zip")
    return flow_patches(images, LAYERS[layer], PATCHES[layer])


def _import(
    read: Callable[[Video], np.ndarray], dataset: Dataset, target: Any, about: dict[str, Any]
) -> None:
    """Imports arrays that are divided by the deviation of the training list."""
    train = [read(video) for video in dataset.part("train")]
    values = np.concatenate([array.reshape(-1) for array in train])
    deviation = values.std()
    shape = train[0].shape[1:]

    def scaled(video: Video) -> np.ndarray:
        return read(video) / deviation

    features = {}
    for video in dataset.videos:
        features[video.name] = ForeignFeatures(video.frames - 1, shape, partial(scaled, video))
    importers.import_features(features, dataset, target, about)


def run_config(settings: Settings, cell: str, seed: int) -> RunConfig:
    """The configuration of one training in the work folder of a fold."""
    return Run(cell, cell).config(settings, settings.overrides["workdir"], seed)


def attention_of(
    settings: Settings, cell: str, seed: int, videos: Sequence[Video], stop: float
) -> dict[str, EvaluatedVideo] | None:
    """The scores, attention and features of the test clips; None where they are not there yet."""
    cfg = run_config(settings, cell, seed)
    if not train_and_score(cfg, stop):
        return None
    work = Workdir(cfg.workdir)
    classes = len(load_dataset(work.dataset).classes)
    return {
        video.name: load_evaluated_video(work, cfg.run_name, video, classes) for video in videos
    }
