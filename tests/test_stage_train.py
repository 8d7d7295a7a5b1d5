"""The stage `train` on tiny synthetic features: learns, refuses, grafts, is read back."""

import dataclasses
import json

import jax
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
)

from videolstm_jax.config import change
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.stages import evaluate, train
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.train.graft import named_param_leaves
from videolstm_jax.types import Dataset
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.scores_npz import load_scores


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
    assert same_leaves(run.params, params_of_run(folder))
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
def test_four_devices_train_the_same(work):
    single, four = (
        train.run(config(work, name=str(count), train__devices=count, train__steps=4))
        for count in (1, 4)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5),
        params_of_run(single),
        params_of_run(four),
    )


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
        assert same_leaves(
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
