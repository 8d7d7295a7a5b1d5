"""Files of scores: those of other programs, and our own."""

import numpy as np
from file_encodings import json_bytes, mat_bytes, npz_bytes, pickle_bytes
from foreign_file import ForeignFile
from scores_to_import import fields, save_csv

from videolstm_jax.score_files.fusion_record import load_fusion
from videolstm_jax.score_files.import_settings import ImportSettings
from videolstm_jax.score_files.importing import import_scores
from videolstm_jax.workdir.scores_npz import load_scores


def _lists(table):
    """The fields of a score file with lists in place of tuples, which edits can change."""
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in table.items()
    }


def _imports(path):
    return lambda folder: import_scores(str(folder / path), ImportSettings(kind="logits"))


def _csv_content():
    class Collected:
        def write_text(self, text, encoding):
            self.content = text.encode(encoding)

    path = Collected()
    save_csv(path, fields())
    return path.content


_TABLE = _lists(fields(part="test", kind="logits"))
_JSON_TABLES = (
    {**_TABLE, "scores": _TABLE["scores"].tolist()},
    {"videos": ["a/b", "a/c"], "streams": {"rgb": [[1, 2], [3, 4]]}, "classes": ["a", "b"]},
    {"Jump/a": {"Jump": 1.0, "Run": 2.0}, "Run/b": {"Jump": 3.0, "Run": 4.0}},
)
_OWN_SCORES = {
    "videos": np.array(["Jump/a", "Run/b"]),
    "scores": np.eye(2, dtype=np.float32),
    "label": np.array([0, 1], np.int32),
    "classes": np.array(["Jump", "Run"]),
    "trained": np.array([True, False]),
    "part": np.array("valid"),
}
_FUSION = {
    "method": "product",
    "runs": ["a", "b"],
    "weights": [0.5, 0.5],
    "part": "test",
    "videos": 2,
    "videos_right": 1,
    "search": {
        "files": ["a", "b"],
        "videos": 2,
        "trained": 0,
        "best": {"weights": [1.0, 0.0], "right": 1, "loss": 0.5},
        "equal": {"weights": [0.5, 0.5], "right": 1, "loss": 0.5},
        "tried": [{"weights": [1.0, 0.0], "right": 1, "loss": 0.5}],
    },
}

SCORES = (
    ForeignFile("scores .npz", "s.npz", (_TABLE,), _imports("s.npz"), npz_bytes),
    ForeignFile("scores .csv", "s.csv", (_csv_content(),), _imports("s.csv"), is_text=True),
    ForeignFile("scores .json", "s.json", _JSON_TABLES, _imports("s.json"), json_bytes, True),
    ForeignFile("scores .mat", "s.mat", (_TABLE,), _imports("s.mat"), mat_bytes),
    ForeignFile("scores .pkl", "s.pkl", (_TABLE,), _imports("s.pkl"), pickle_bytes),
    ForeignFile(
        "scores.npz of a run",
        "scores.npz",
        (_OWN_SCORES,),
        lambda folder: load_scores(folder / "scores.npz"),
        npz_bytes,
    ),
    ForeignFile(
        "fusion record",
        "fused.json",
        (_FUSION,),
        lambda folder: load_fusion(folder / "fused.json"),
        json_bytes,
        True,
    ),
)
