"""The stage `train` in a folder that has a run: it goes on, or refuses what does not fit."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
from training_workdir import (
    CLASSES,
    config,
    listed_videos,
    model_of,
    params_of_run,
    prepared_work,  # noqa: F401
    same_leaves,
    write_work,
)
from walked_folders import noted_walks

from videolstm_jax import files
from videolstm_jax.config import change
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.lock.sole_writer import sole_writer
from videolstm_jax.stages import train
from videolstm_jax.train.loop import Stopped
from videolstm_jax.trained.foreground import foreground_of_store
from videolstm_jax.types import Dataset


@pytest.mark.slow
def test_stopped_and_started_again_it_ends_at_the_same_bytes(work, tmp_path, monkeypatch):
    uninterrupted = train.run(config(work, name="whole", data__order="epochs"))
    honest, starts = train.train_batches, []

    def interrupted(*args, start_step, **options):
        starts.append(start_step)
        for step, batch in enumerate(honest(*args, start_step=start_step, **options), start_step):
            if step == 7 and len(starts) == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    monkeypatch.setattr(train, "train_batches", interrupted)
    cfg = config(work, name="parts", data__order="epochs")
    with pytest.raises(Stopped):
        train.run(cfg)
    with pytest.raises(FileError, match=r"config.json is missing; the stage train writes it"):
        model_of(work, "parts")
    resumed = train.run(cfg)
    assert starts == [0, 7]
    assert same_leaves(params_of_run(uninterrupted), params_of_run(resumed))
    assert (uninterrupted / "metrics.jsonl").read_bytes() == (
        resumed / "metrics.jsonl"
    ).read_bytes()


@pytest.mark.slow
def test_a_longer_run_that_was_stopped_is_not_finished(work, monkeypatch):
    train.run(config(work, train__steps=2))
    honest = train.train_batches

    def interrupted(*args, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        yield from honest(*args, **options)

    monkeypatch.setattr(train, "train_batches", interrupted)
    with pytest.raises(Stopped, match="after step 3"):
        train.run(config(work, train__steps=9))
    with pytest.raises(FileError, match=r"config.json is missing; the stage train writes it"):
        model_of(work, "lstm-rgb")


def check_foreground(work, cfg):
    """A run of a cell that attends keeps the axis; training again adds it to an earlier run."""
    folder = work / "runs" / "alstm-rgb"
    store = FeatureStore.open(work / "features/rgb/pool5")
    axis = foreground_of_store(store, Dataset(CLASSES, listed_videos()).part("train"))
    np.testing.assert_array_equal(model_of(work, "alstm-rgb").foreground.axis, axis.axis)
    # An earlier version wrote no axis. Training again takes no step and adds it.
    record = json.loads((folder / "config.json").read_text())
    parameters = params_of_run(folder)
    entry = record.pop("foreground")
    files.write_json(folder / "config.json", record, sealed=True)
    (folder / "scores.npz").write_bytes(b"results of before")
    assert model_of(work, "alstm-rgb").foreground is None
    train.run(cfg)
    assert json.loads((folder / "config.json").read_text())["foreground"] == entry
    assert same_leaves(params_of_run(folder), parameters) and (folder / "scores.npz").exists()


@pytest.mark.slow
def test_another_run_in_the_folder_is_refused_and_a_longer_one_goes_on(work, capsys):
    folder = train.run(config(work, name="run", train__steps=3))
    # A cell without attention has no boxes, and so no foreground.
    assert "foreground" not in json.loads((folder / "config.json").read_text())
    for changed, words in (
        ({"model__cell": "convlstm"}, "made with cell 'lstm'; expected 'convlstm'"),
        ({"optim__learning_rate": 0.5}, "optim.learning_rate 0.01; expected 0.5"),
        ({"data__order": "epochs"}, "data.order 'iid'; expected 'epochs'"),
    ):
        with pytest.raises(FileError, match=words):
            train.run(change(config(work, name="run", train__steps=3), **changed))
    (folder / "scores.npz").write_bytes(b"of step 3")
    train.run(config(work, name="run", train__steps=3))
    assert (folder / "scores.npz").exists()
    train.run(config(work, name="run", train__steps=4))
    # Scores of other parameters than the run has now would be shown as its own.
    assert not (folder / "scores.npz").exists()
    assert "goes on from step 3" in capsys.readouterr().out
    # Without the folder of the last checkpoint the one before it is not taken silently.
    shutil.rmtree(folder / "ckpt" / "4")
    with pytest.raises(FileError, match=r"the checkpoint of step 4; it holds \[3\]"):
        model_of(work, "run")
    with pytest.raises(FileError, match=r"train.attention_entropy 0.0; expected 0.3"):
        train.run(config(work, name="run", train__steps=4, train__attention_entropy=0.3))
    alstm = config(work, "alstm", train__steps=1, train__attention_entropy=0.3)
    train.run(alstm)
    check_foreground(work, alstm)
    with pytest.raises(FileError, match=r"train.attention_entropy 0.3; expected 0.0"):
        train.run(config(work, "alstm", train__steps=1))
    write_work(work, classes=("bend", "wave"))
    with pytest.raises(FileError, match=r"classes \['bend', 'jack'\]; expected \['bend', 'wave'\]"):
        train.run(config(work, name="run", train__steps=4))


def test_a_training_that_goes_on_does_not_list_its_checkpoints(work, monkeypatch):
    folder = train.run(config(work, train__steps=2))
    left = folder / ".config.json.part-0123456789abcdef"
    left.touch()
    listed = noted_walks(monkeypatch)
    train.run(config(work, train__steps=2))
    assert listed == [folder] and not left.exists()


def test_a_second_training_in_the_folder_is_refused_and_changes_nothing(work):
    folder = train.run(config(work))
    before = {path: path.read_bytes() for path in folder.glob("*.json*")}
    with (
        sole_writer(folder, "train"),
        pytest.raises(FileError, match=f"train runs here already: process {os.getpid()} on "),
    ):
        train.run(config(work, train__steps=20))
    assert {path: path.read_bytes() for path in folder.glob("*.json*")} == before
    assert not (folder / ".lock").exists()
