"""Trainings of several real processes, and the comparison of their results with one process."""

import json

import jax
import numpy as np
import pytest

from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.workdir.layout import Workdir

# The settings of `training_workdir.config`, as a user gives them.
FLAGS = (
    "--model.cell=lstm",
    "--data.frames=4",
    "--data.batch=4",
    "--data.feature_scale=std",
    "--eval.batch=4",
    "--model.hidden=4",
    "--model.attention=4",
    "--model.head=6",
    "--model.dropout=0.3",
    "--optim.name=adam",
    "--optim.learning_rate=1e-2",
    "--train.log_every=3",
    "--train.save_every=5",
)
# An end that nobody plans must come within the heartbeat and these seconds.
HEARTBEAT, SOON = 5, 5
SLOWER = 10
"""Seconds more for processes that share a busy machine."""
ENDLESS = ("--train.steps=1000000", f"--cluster.heartbeat={HEARTBEAT}")


def words(stage, work, *more):
    """The command line of a stage behind `videolstm`."""
    return [stage, f"--workdir={work}", *FLAGS, *more]


def rows(work):
    """The lines of metrics.jsonl."""
    lines = (work / "runs" / "lstm-rgb" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def assert_same_training(work, expected):
    """Compares metrics and parameters of two work folders, numbers up to 1e-6."""
    for row, like in zip(rows(work), rows(expected), strict=True):
        assert row == pytest.approx(like, abs=1e-6) and row.keys() == like.keys()
    models = [TrainedModel.of_run(Workdir(str(folder)), "lstm-rgb") for folder in (work, expected)]
    for ours, theirs in zip(*(jax.tree.leaves(model.params) for model in models), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def names_of_files(folder):
    """The files of a run without those inside a checkpoint, whose names orbax draws at random."""
    names = set()
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        if path.is_file() and not {"ckpt", "best"} & set(place.parts):
            names.add(str(place))
    return names


def assert_same_evaluation(work, expected):
    """Compares all files of the runs of two work folders, numbers up to 1e-6."""
    files = names_of_files(expected / "runs")
    assert "lstm-rgb/scores.npz" in files
    assert names_of_files(work / "runs") == files
    for name in files:
        if not name.endswith(".npz"):
            continue
        with np.load(work / "runs" / name) as ours, np.load(expected / "runs" / name) as theirs:
            for array in theirs:
                if theirs[array].dtype.kind == "f":
                    np.testing.assert_allclose(ours[array], theirs[array], rtol=0, atol=1e-6)
                else:
                    np.testing.assert_array_equal(ours[array], theirs[array])
