"""Score files of four videos and three classes, as other programs write them in each format."""

import csv
import io
import json
import pickle

import numpy as np
import scipy.io

from videolstm_jax.score_files.import_settings import ImportSettings
from videolstm_jax.score_files.importing import import_scores, scored_video_name
from videolstm_jax.types import Dataset, Video

CLASSES = ("Jump", "Run", "Wave")
VIDEOS = ("Jump/a.avi", "Run/b.avi", "Wave/c.avi", "Run/d.avi")
LABEL = (0, 1, 2, 1)
LOGITS = np.random.default_rng(0).normal(0, 3, (4, 3))
SUFFIXES = ("npz", "csv", "json", "mat", "pkl")


def fields(**changes):
    """The fields of a file of logits, some of them changed; None takes a field away."""
    table = {"videos": VIDEOS, "scores": LOGITS, "label": LABEL, "classes": CLASSES}
    table |= changes
    return {name: value for name, value in table.items() if value is not None}


def save_npz(path, table):
    np.savez(path, **{name: np.asarray(value) for name, value in table.items()})


def save_csv(path, table):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["video", "label", *table["classes"]])
    for video, label, row in zip(table["videos"], table["label"], table["scores"], strict=True):
        writer.writerow([video, label, *map(repr, np.asarray(row).tolist())])
    path.write_text(text.getvalue(), encoding="utf-8")


def save_json(path, table):
    path.write_text(json.dumps({name: np.asarray(v).tolist() for name, v in table.items()}))


def save_mat(path, table):
    # MATLAB keeps a list of names as a cell array, which an array of objects becomes.
    cells = {}
    for name, value in table.items():
        is_list = name in ("videos", "classes")
        cells[name] = np.array(value, object) if is_list else np.asarray(value)
    scipy.io.savemat(path, cells)


def save_pkl(path, table):
    path.write_bytes(pickle.dumps(dict(table)))


SAVE = {
    "npz": save_npz,
    "csv": save_csv,
    "json": save_json,
    "mat": save_mat,
    "pkl": save_pkl,
}


def saved(folder, suffix, **changes):
    """Writes the fields, some of them changed, in the format of a suffix; returns the path."""
    path = folder / f"scores.{suffix}"
    SAVE[suffix](path, fields(**changes))
    return str(path)


def imported(path, **options):
    """What is read from a file under these settings of `scores import`."""
    return import_scores(path, ImportSettings(**options))


def listed(*parts, label=LABEL, videos=VIDEOS, classes=CLASSES):
    """The data set of the videos, each in the part given for it."""
    rows = []
    for name, number, part in zip(videos, label, parts, strict=True):
        rows.append(Video(scored_video_name(name), name, number, part, "", 9, 8, 8, 25.0))
    return Dataset(classes, tuple(rows))
