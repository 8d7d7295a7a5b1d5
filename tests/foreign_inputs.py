"""Features, flow and trajectories that others computed."""

import gzip
import json
import pathlib
import struct
import tempfile
import zipfile

import numpy as np
from file_encodings import (
    h5_bytes,
    json_bytes,
    npy_bytes,
    npz_bytes,
    zip_bytes,
)
from foreign_annotations import NAME
from foreign_file import ForeignFile

from videolstm_jax.features import foreign
from videolstm_jax.features.importers import dataset_of_foreign_features
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.flow_images import flow_file
from videolstm_jax.sealed_json import SEAL
from videolstm_jax.trajectories.reader import read_trajectories

_MAPS = np.ones((3, 4, 2, 2), np.float32)
_FEATURE_LISTS = {
    "train_filenames.txt": b"Archery/v_Archery_g01_c01.avi\nBiking/v_Biking_g01_c01.avi\n",
    "train_framenum.txt": b"3\n2\n",
    "train_labels.txt": b"0\n1\n",
}


def _import(open_features):
    """Reads lists and features and writes the store, as `features import` does."""

    def read(folder):
        features = open_features(folder)
        for video in features.values():
            video.read()

    return read


def _sharma(folder):
    features = foreign.sharma_features(folder, side=2)
    dataset = dataset_of_foreign_features(folder, features)
    for video in features.values():
        video.read()
    return dataset


def _stored_features():
    with tempfile.TemporaryDirectory() as folder:
        writer = FeatureWriter(folder, (2,), {"sha256": "a"})
        writer.write(NAME, np.ones((3, 2), np.float16))
        writer.finish([NAME], train=[NAME])
        index = json.loads((pathlib.Path(folder) / "index.json").read_text())
        records = (pathlib.Path(folder) / f"{NAME}.f16").read_bytes()
    index.pop(SEAL, None)
    return index, records


def _read_store(folder):
    store = FeatureStore.open(folder)
    names = list(store.frames)
    store.check_sizes(names)
    store.verify(names)
    if names:
        store.statistics(names)
        store.read(names[0])


def _flow_zip():
    with tempfile.TemporaryDirectory() as folder:
        contents = []
        for kind in ("png", "jpeg"):
            path = pathlib.Path(folder) / "a.zip"
            flow_file.write_flow(path, np.full((2, 6, 5, 2), 128, np.uint8), kind)
            with zipfile.ZipFile(path) as archive:
                contents.append({name: archive.read(name) for name in archive.namelist()})
    return tuple(contents)


def _read_flow(folder):
    flow_file.describe_flow(folder / "a.zip")
    flow_file.flow_content_sha256(folder / "a.zip")
    return flow_file.read_flow(folder / "a.zip")


def _trajectory_rows(length):
    r = np.random.default_rng(0)
    rows = []
    for frame in (15, 16):
        information = [frame, 30.5, 20.25, 3.0, 2.0, 40.0, 1.41421, 0.4, 0.999, 0.125]
        rows.append(information + r.random(2 * length + 96 + 108 + 96 + 96).tolist())
    return rows


def _trajectory_text(length=2):
    lines = []
    for row in _trajectory_rows(length):
        lines.append(f"{int(row[0])}\t" + "".join(f"{value:.6f}\t" for value in row[1:]) + "\n")
    return "".join(lines).encode()


def _trajectory_binary(length=2):
    return b"".join(struct.pack(f"<{len(row)}f", *row) for row in _trajectory_rows(length))


_INDEX, _RECORDS = _stored_features()
_H5 = ({"features": _MAPS}, {"features": _MAPS[:, :, 0, 0]})
_SHARMA_H5 = {"train_features.h5": h5_bytes({"features": np.ones((5, 8), np.float32)})}


def _feature_list(name):
    beside = {other: text for other, text in _FEATURE_LISTS.items() if other != name}
    return ForeignFile(
        f"feature list {name}",
        name,
        (_FEATURE_LISTS[name],),
        _sharma,
        is_text=True,
        beside=beside | _SHARMA_H5,
        named="train_",
    )


FEATURES = (
    ForeignFile(
        "features .h5 of the authors", "v.h5", _H5, _import(foreign.authors_features), h5_bytes
    ),
    ForeignFile(
        "features .h5 of a list",
        "train_features.h5",
        ({"features": np.ones((5, 8), np.float32)},),
        _sharma,
        h5_bytes,
        beside=_FEATURE_LISTS,
    ),
    *map(_feature_list, _FEATURE_LISTS),
    ForeignFile(
        "features .npy",
        "v.npy",
        (np.ones((3, 2, 2, 4), np.float32), np.ones((3, 4), np.float16)),
        _import(foreign.array_features),
        npy_bytes,
    ),
    ForeignFile(
        "features .npz",
        "v.npz",
        ({"features": np.moveaxis(_MAPS, 1, 3), "other": np.arange(3)}, {"a": _MAPS[:, :, 0, 0]}),
        _import(foreign.array_features),
        npz_bytes,
    ),
    ForeignFile(
        "index.json of a store",
        "index.json",
        (_INDEX,),
        _read_store,
        json_bytes,
        True,
        {f"{NAME}.f16": _RECORDS},
    ),
    ForeignFile("flow zip", "a.zip", _flow_zip(), _read_flow, zip_bytes),
    ForeignFile(
        "trajectories, text",
        "a.txt",
        (_trajectory_text(),),
        lambda folder: read_trajectories(folder / "a.txt", 2),
        is_text=True,
    ),
    ForeignFile(
        "trajectories, binary",
        "a.bin",
        (_trajectory_binary(),),
        lambda folder: read_trajectories(folder / "a.bin", 2),
    ),
    ForeignFile(
        "trajectories, gzip",
        "a.gz",
        (_trajectory_text(), _trajectory_binary()),
        lambda folder: read_trajectories(folder / "a.gz", 2),
        gzip.compress,
    ),
)
