"""The fc6 vectors of UCF101, and work folders that have them imported."""

from __future__ import annotations

import pathlib
from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.features import foreign, importers
from videolstm_jax.types import Dataset
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir

FILE = "features_u8.npz"
"""Described by `ucf101_fc6`."""


class Features(NamedTuple):
    """The file: values [V, 11, 4096] float32, and names, labels and lists of the videos."""

    values: np.ndarray
    names: list[str]
    label: np.ndarray
    is_train: np.ndarray
    groups: np.ndarray


def read_features(folder: str) -> Features:
    """Reads the file of a folder."""
    with np.load(pathlib.Path(folder) / FILE, allow_pickle=False) as file:
        quantised, scale = file["q"].astype(np.float32), float(file["scale"])
        names = [str(name).removesuffix(".avi") for name in file["names"]]
        label, is_train = file["labels"].astype(int), file["train"].astype(bool)
    groups = np.array([name.rsplit("_", 2)[-2] for name in names])
    return Features((quantised / 255) ** 2 * scale, names, label, is_train, groups)


def imported_workdir(
    features: Features, root: str, values: str, *, hold_out: tuple[str, ...]
) -> str:
    """Makes a work folder of the features by the importer of arrays; returns its path.

    With `hold_out` the test list is unused, and these groups of the training list are validated on.
    `values` is a name of `IMPORTS`.
    """
    workdir = f"{root}/{'validation' if hold_out else 'test'}"
    if values != "raw":
        workdir += f"-{values}"
    work = Workdir(workdir)
    if not (work.features("rgb", "fc7") / "index.json").exists():
        folder = pathlib.Path(workdir) / "arrays"
        is_trained_on = features.is_train & ~np.isin(features.groups, hold_out)
        vectors = IMPORTS[values](features.values, is_trained_on)
        for name, video in zip(features.names, vectors, strict=True):
            path = folder / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, video.astype(np.float16))
        _write_lists(features, folder)
        arrays = foreign.array_features(folder)
        save_dataset(work.dataset, _with_parts(features, arrays, folder, hold_out))
        about = {"imported": "arrays", "from": FILE, "preprocessing": "unknown"}
        importers.import_features(
            arrays, load_dataset(work.dataset), work.features("rgb", "fc7"), about
        )
    return workdir


def _raw(values: np.ndarray, is_trained_on: np.ndarray) -> np.ndarray:
    return values


def _root(values: np.ndarray, is_trained_on: np.ndarray) -> np.ndarray:
    return np.sqrt(values)


def _unit(values: np.ndarray, is_trained_on: np.ndarray) -> np.ndarray:
    """Every vector gets the length 1; `data.feature_scale` then sets their common deviation."""
    return values / np.maximum(np.linalg.norm(values, axis=-1, keepdims=True), 1e-6)


def _standardised(values: np.ndarray, is_trained_on: np.ndarray) -> np.ndarray:
    """Each of the 4096 values gets the mean 0 and the deviation 1 of the training list."""
    train = values[is_trained_on]
    deviation = train.std((0, 1))
    # A value that never changes must not divide by zero. Rare ones must not become huge.
    deviation = np.maximum(deviation, 0.1 * deviation.mean())
    return (values - train.mean((0, 1))) / deviation


IMPORTS = {"raw": _raw, "root": _root, "unit": _unit, "standardised": _standardised}
"""How the vectors [V, 11, 4096] are imported, given which videos [V] are trained on."""


def _write_lists(features: Features, folder: pathlib.Path) -> None:
    for part, chosen in (("train", features.is_train), ("test", ~features.is_train)):
        names = np.array(features.names)[chosen]
        label = features.label[chosen]
        (folder / f"{part}_filenames.txt").write_text("".join(f"{name}.avi\n" for name in names))
        (folder / f"{part}_labels.txt").write_text("".join(f"{number}\n" for number in label))


def _with_parts(features: Features, arrays: Any, folder: Any, hold_out: tuple) -> Dataset:
    dataset = importers.dataset_of_foreign_features(folder, arrays)
    if not hold_out:
        return dataset
    group_of = dict(zip(features.names, features.groups, strict=True))
    videos = []
    for video in dataset.videos:
        if video.part == "test":
            video = video._replace(part="unused")
        elif group_of[video.name] in hold_out:
            video = video._replace(part="valid")
        videos.append(video)
    return Dataset(dataset.classes, tuple(videos))
