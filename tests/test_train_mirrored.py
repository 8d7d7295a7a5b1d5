"""The stage `train` on two views: what it reads, what it refuses, and where it goes on."""

import json
import shlex
import shutil

import numpy as np
import pytest
from training_workdir import SHAPES, config, listed_videos, write_work

from videolstm_jax import files
from videolstm_jax.config import change
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.presets import configured
from videolstm_jax.stages import evaluate, train
from videolstm_jax.trained.features import ModelFeatures
from videolstm_jax.training_start.mirrored import open_mirrored
from videolstm_jax.types import Dataset
from videolstm_jax.workdir.config_json import load_config
from videolstm_jax.workdir.layout import Workdir

TRAIN_LIST = tuple(video for video in listed_videos() if video.part == "train")


def _write_mirrored(work, about=None):
    """Random mirrored features of the training list, of all streams and layers."""
    for number, ((stream, layer), shape) in enumerate(SHAPES.items()):
        writer = FeatureWriter(
            Workdir(str(work)).features(stream, layer, "mirrored"),
            shape,
            about or {"from": "nowhere", "view": "mirrored"},
        )
        for at, video in enumerate(TRAIN_LIST):
            values = np.random.default_rng([9, number, at]).normal(size=(video.frames - 1, *shape))
            writer.write(video.name, values)
        writer.finish([video.name for video in TRAIN_LIST])


@pytest.fixture
def work(tmp_path):
    write_work(tmp_path / "work")
    _write_mirrored(tmp_path / "work")
    return tmp_path / "work"


def _mirrored_config(work, cell="lstm", **settings):
    # Two inputs are tested where batches are: the smallest cell compiles in a tenth of the time.
    return config(work, cell=cell, data__mirrored=True, **settings)


def _metrics(folder):
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def test_it_trains_on_both_views_and_is_evaluated_as_filmed(work, tmp_path):
    cfg = _mirrored_config(work, train__steps=4, train__log_every=1)
    folder = train.run(cfg)
    assert load_config(folder)["config"]["data"]["mirrored"]
    # A bundle is checked against the features that evaluation reads.
    assert set(load_config(folder)["inputs"]) == {"x"}
    evaluate.run(cfg)
    without = tmp_path / "without"
    write_work(without)
    plain = train.run(change(cfg, data__mirrored=False, workdir=str(without)))
    assert _metrics(folder) != _metrics(plain)
    # What is evaluated needs no mirrored store.
    for path in (work / "features").glob("*/*-mirrored"):
        shutil.rmtree(path)
    evaluate.run(cfg)


@pytest.mark.slow
def test_a_stopped_training_ends_at_the_same_bytes(work, tmp_path, monkeypatch):
    through = tmp_path / "through"
    shutil.copytree(work, through)
    settings = {"train__steps": 4, "train__save_every": 2, "train__log_every": 1}
    complete = train.run(_mirrored_config(through, **settings))
    original = train.train_batches

    def interrupted(*args, **options):
        for number, batch in enumerate(original(*args, **options)):
            if number == 3:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(train, "train_batches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train.run(_mirrored_config(work, **settings))
    monkeypatch.setattr(train, "train_batches", original)
    resumed = train.run(_mirrored_config(work, **settings))
    assert _metrics(resumed) == _metrics(complete)
    # A training on one view is another one.
    with pytest.raises(FileError, match=r"was made with data\.mirrored True"):
        train.run(change(_mirrored_config(work, **settings), data__mirrored=False))


def _features(work):
    folder = Workdir(str(work))
    return ModelFeatures(FeatureStore.open(folder.features("rgb", "pool5")))


def test_a_store_without_mirrored_features_names_itself_and_the_command(work):
    shutil.rmtree(work / "features" / "rgb" / "pool5-mirrored")
    cfg = configured("modern", workdir=str(work), data__fps=5.0)
    with pytest.raises(FileError, match="rgb/pool5-mirrored is missing") as error:
        open_mirrored(cfg, _features(work), TRAIN_LIST)
    message = str(error.value)
    assert "\n" not in message and "--data.mirrored=false trains without" in message
    command = shlex.split(message.split("`")[1])
    assert command[:3] == ["videolstm", "extract", "--preset=modern"]
    assert "--data.fps=5.0" in command and "--data.stream=rgb" in command
    assert open_mirrored(change(cfg, data__mirrored=False), _features(work), TRAIN_LIST) is None


def _edit_index(work, **fields):
    path = work / "features" / "rgb" / "pool5-mirrored" / "index.json"
    files.write_json(path, json.loads(path.read_text()) | fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"about": {"from": "nowhere", "sha256": "other"}}, "of another backbone or preproc"),
        ({"shape": [3, 4, 3]}, "has features of"),
        ({"source": {"bend/p0": "another"}}, "has bend/p0 of another file than"),
        ({"frames": {}, "sha256": {}}, "has no features of bend/p0, which is in the train"),
    ],
)
def test_two_views_that_do_not_belong_together_are_refused(work, fields, message):
    _edit_index(work, **fields)
    with pytest.raises(FileError, match=message) as error:
        open_mirrored(_mirrored_config(work), _features(work), TRAIN_LIST)
    assert "pool5-mirrored" in str(error.value) and "videolstm extract" in str(error.value)


def test_a_damaged_mirrored_record_is_noticed_before_the_first_step(work):
    path = work / "features" / "flow" / "pool5-mirrored" / "jack" / "p1.f16"
    damaged = bytearray(path.read_bytes())
    damaged[77] ^= 4
    path.write_bytes(bytes(damaged))
    with pytest.raises(FileError, match=r"flow/pool5-mirrored: 1 of 6 files .*jack/p1\.f16"):
        train.run(_mirrored_config(work, cell="videolstm"))
    assert not (work / "runs").exists()


def test_imported_features_name_the_import(work):
    for store in ("pool5", "pool5-mirrored"):
        path = work / "features" / "rgb" / store / "index.json"
        record = json.loads(path.read_text())
        files.write_json(path, record | {"about": {"imported": "arrays", "from": store}})
    cfg = _mirrored_config(work)
    assert open_mirrored(cfg, _features(work), TRAIN_LIST).x.about["from"] == "pool5-mirrored"
    shutil.rmtree(work / "features" / "rgb" / "pool5-mirrored")
    with pytest.raises(FileError, match=r"`videolstm features arrays FROM .*pool5 --mirrored=DIR`"):
        open_mirrored(cfg, _features(work), Dataset((), ()).videos)
