"""The stage `train` on tiny synthetic features: learns, resumes, refuses, grafts, is read back."""

import dataclasses
import json
import os
import shutil
import signal

import jax
import numpy as np
import pytest
from training_workdir import CLASSES, config, listed_videos, write_work
from walked_folders import noted_walks

from videolstm_jax import files
from videolstm_jax.config import ModelConfig, change
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.lock.sole_writer import sole_writer
from videolstm_jax.stages import evaluate, train
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.train.graft import named_param_leaves
from videolstm_jax.train.loop import Stopped
from videolstm_jax.trained.foreground import foreground_of_store
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.types import Dataset
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    write_work(folder)
    return folder


def model_of(work, name):
    return TrainedModel.of_run(Workdir(str(work)), name)


def _params(folder):
    record = json.loads((folder / "config.json").read_text())
    like = jax.eval_shape(make_model(ModelConfig(**record["model"])).init, jax.random.key(0))
    with Checkpoints(folder / "ckpt") as checkpoints:
        return checkpoints.restore_params(like, identity={})[0]


def _same(a, b):
    return all(
        np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def test_it_trains_and_is_read_back(work):
    folder = train.run(config(work, "videolstm", train__steps=80))
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert (
        rows[-1]["step"] == 80
        and rows[-1]["loss"] < 0.5 * rows[0]["loss"]
        and rows[-1]["accuracy"] > 0.9
    )
    run = model_of(work, "videolstm-rgb")
    assert run.classes == CLASSES
    assert (run.config.map_size, run.config.depth, run.config.motion_depth, run.config.classes) == (
        3,
        4,
        5,
        2,
    )
    assert _same(run.params, _params(folder))
    rgb = np.concatenate(
        [
            (work / "features/rgb/pool5" / f"{v.name}.f16").read_bytes()
            and np.fromfile(work / "features/rgb/pool5" / f"{v.name}.f16", np.float16)
            for v in listed_videos()
            if v.part == "train"
        ]
    )
    assert run.scales.x == pytest.approx(rgb.astype(float).std(), rel=1e-6)
    record = json.loads((folder / "config.json").read_text())
    assert (
        record["inputs"].keys() == {"x", "motion"}
        and record["inputs"]["motion"]["store"] == "features/flow/pool5"
    )
    assert record["config"]["train"]["steps"] == 80


@pytest.mark.parametrize(
    ("cell", "x", "motion"),
    [
        pytest.param("motion_alstm", (3, 4), (1, 7), marks=pytest.mark.slow),
        pytest.param("convlstm", (3, 5), None, marks=pytest.mark.slow),
    ],
)
def test_each_cell_reads_its_own_layers(work, cell, x, motion):
    stream = "flow" if cell == "convlstm" else "rgb"
    folder = train.run(config(work, cell, train__steps=2, data__stream=stream))
    assert folder.name == f"{cell}-{stream}"
    model = model_of(work, folder.name).config
    assert (model.map_size, model.depth) == x
    if motion:
        assert (model.motion_size, model.motion_depth) == motion


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
    assert _same(_params(uninterrupted), _params(resumed))
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


@pytest.mark.slow
def test_four_devices_train_the_same(work):
    single, four = (
        train.run(config(work, name=str(count), train__devices=count, train__steps=4))
        for count in (1, 4)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), _params(single), _params(four)
    )


def check_foreground(work, cfg):
    """A run of a cell that attends keeps the axis; training again adds it to an earlier run."""
    folder = work / "runs" / "alstm-rgb"
    store = FeatureStore.open(work / "features/rgb/pool5")
    axis = foreground_of_store(store, Dataset(CLASSES, listed_videos()).part("train"))
    np.testing.assert_array_equal(model_of(work, "alstm-rgb").foreground.axis, axis.axis)
    # An earlier version wrote no axis. Training again takes no step and adds it.
    record = json.loads((folder / "config.json").read_text())
    parameters = _params(folder)
    entry = record.pop("foreground")
    files.write_json(folder / "config.json", record, sealed=True)
    (folder / "scores.npz").write_bytes(b"results of before")
    assert model_of(work, "alstm-rgb").foreground is None
    train.run(cfg)
    assert json.loads((folder / "config.json").read_text())["foreground"] == entry
    assert _same(_params(folder), parameters) and (folder / "scores.npz").exists()


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


def test_the_best_on_the_validation_list_is_kept(work, monkeypatch):
    cfg = config(work, data__validation=0.2, train__keep="best", train__steps=15, name="kept")
    folder = train.run(cfg)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    valid = {row["step"]: row for row in rows if "valid_accuracy" in row}
    assert list(valid) == [5, 10, 15]
    best = max(valid, key=lambda step: (valid[step]["valid_accuracy"], -step))
    with Checkpoints(folder / "best") as checkpoints:
        assert checkpoints.latest == best
        like = jax.eval_shape(make_model(model_of(work, "kept").config).init, jax.random.key(0))
        assert _same(
            checkpoints.restore_params(like, identity={})[0], model_of(work, "kept").params
        )
    with pytest.raises(ConfigError, match=r"keep is 'best' but data.validation is 0"):
        dataclasses.replace(cfg, data=dataclasses.replace(cfg.data, validation=0.0))


def test_a_checkpoint_that_the_test_list_chose_is_marked(work):
    cfg = config(work, train__keep="best_on_test", train__steps=10, name="chosen")
    folder = train.run(cfg)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "valid_accuracy" in row] == [5, 10]
    # Two test videos, of which each is right or wrong; the validation list is not looked at.
    assert {row["valid_accuracy"] for row in rows if "valid_accuracy" in row} <= {0, 0.5, 1}
    chosen = model_of(work, "chosen")
    assert {"bend/p4", "jack/p4"} <= set(chosen.trained_on)
    assert not {"bend/p3", "jack/p3"} & set(chosen.trained_on)
    with pytest.raises(FileError, match=r"was trained on 2 of the 2 test videos"):
        evaluate.run(cfg)
    scores = load_scores(evaluate.run(change(cfg, eval__allow_trained=True)))
    assert scores.trained.all()


@pytest.mark.slow
def test_parts_of_other_runs_are_grafted(work):
    train.run(config(work, name="other", seed=1, train__steps=1))
    train.run(
        config(
            work,
            name="joint",
            train__graft=("other:cell.top",),
            optim__learning_rate=0.0,
            train__steps=1,
        )
    )
    ours, theirs = (named_param_leaves(model_of(work, name).params) for name in ("joint", "other"))
    assert {name for name in ours if np.array_equal(ours[name], theirs[name])} >= {
        "cell.top.x",
        "cell.top.hidden",
    }
    assert not np.array_equal(ours["head.dense"], theirs["head.dense"])
    with pytest.raises(FileError, match="grafting other:body: there is no parameter under 'body'"):
        train.run(config(work, name="third", train__graft=("other:body",)))


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("dataset.json", "dataset.json is missing; the stage prepare"),
        ("features/rgb/fc7/index.json", "the stage extract"),
        ("features/rgb/fc7/bend/p1.f16", "p1.f16: is missing"),
    ],
)
def test_what_a_stage_before_left_out_is_named(work, missing, words):
    (work / missing).unlink()
    with pytest.raises(FileError, match=words):
        train.run(config(work))


def test_an_empty_list_is_named(work):
    videos = tuple(v._replace(part="test") for v in listed_videos())
    save_dataset(work / "dataset.json", Dataset(CLASSES, videos))
    with pytest.raises(FileError, match="no videos of the part 'train'"):
        train.run(config(work))


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
