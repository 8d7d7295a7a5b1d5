"""The stage `fit_convnet`: only the training list, resumed to the bit, started from weights."""

import json
import os
import re
import shutil
import signal

import jax
import numpy as np
import pytest
from etils import epath
from prepared_workdir import config, write_prepared
from walked_folders import noted_walks

from videolstm_jax.backbone.convnet import load_convnet
from videolstm_jax.backbone.start import starting_backbone_params
from videolstm_jax.config import change
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.lock.sole_writer import sole_writer
from videolstm_jax.nn.vgg import vgg_network
from videolstm_jax.stages import fit_convnet, report
from videolstm_jax.train.loop import Stopped
from videolstm_jax.train.numerics.divergence import Diverged
from videolstm_jax.workdir.config_json import load_config
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted")
    work = write_prepared(folder)
    for part in ("videos", "work/flow"):  # what is not in the training list must not be opened
        for path in (folder / part).rglob("p2.*"):
            path.unlink()
    return fit_convnet.run(config(work, "flow"))


@pytest.fixture
def work(tmp_path):
    return write_prepared(tmp_path)


def _same(a, b):
    return all(
        np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def test_it_learns_from_the_training_list_alone(fitted):
    rows = [json.loads(line) for line in (fitted / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15, 20, 25, 30]
    assert rows[-1]["accuracy"] > 0.9 and rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    assert fitted.parts[-2:] == ("convnets", "flow")


def test_a_fit_that_diverged_is_named_on_the_terminal_in_its_settings_and_on_the_page(work, capsys):
    cfg = config(work, "flow", convnet__learning_rate=1e4, convnet__steps=5)
    folder = fit_convnet.run(cfg)
    (warning,) = load_config(folder)["warnings"]
    assert warning.startswith("the training has diverged: the last loss is ")
    assert f"warning: {folder}: {warning}" in capsys.readouterr().out
    page = report.run(change(cfg, report__examples=0)).read_text()
    assert "convnet-flow: the training has diverged" in page


def test_a_fit_whose_numbers_overflow_names_step_and_videos(work):
    cfg = config(work, "flow", convnet__learning_rate=1e38, convnet__steps=5)
    names = {video.name for video in load_dataset(work / "dataset.json").part("train")}
    with pytest.raises(Diverged, match=r"finite|nan|inf") as caught:
        fit_convnet.run(cfg)
    message = re.search(r" at step ([1-5]); .*Videos of the batch: (.*)$", str(caught.value))
    assert message and set(message[2].split(", ")) <= names
    assert not (work / "convnets" / "flow" / "config.json").exists()


def test_it_is_read_back_with_its_settings(fitted):
    trained = load_convnet(fitted)
    expected_config = config(
        "work", "flow", convnet__preprocessing="caffe"
    ).convnet  # what `auto` is without weights
    assert (trained.channels, trained.classes, trained.config) == (
        2,
        ("left", "right"),
        expected_config,
    )
    contents = json.loads((fitted / "config.json").read_text())
    assert contents["config"]["data"]["stream"] == "flow" and set(contents["inputs"]) == {
        "videos",
        "flow",
    }


def test_stopped_and_started_again_it_ends_at_the_same_bytes(fitted, work, monkeypatch):
    honest = fit_convnet.frame_batches

    def interrupted(*args, start_step, **options):
        for step, batch in enumerate(honest(*args, start_step=start_step, **options), start_step):
            if step == 13 and start_step == 0:
                os.kill(os.getpid(), signal.SIGINT)
            yield batch

    monkeypatch.setattr(fit_convnet, "frame_batches", interrupted)
    with pytest.raises(Stopped):
        fit_convnet.run(config(work, "flow"))
    with pytest.raises(FileError, match="the stage fit_convnet"):
        load_convnet(epath.Path(work / "convnets" / "flow"))
    folder = fit_convnet.run(config(work, "flow"))
    assert _same(load_convnet(folder).params, load_convnet(fitted).params)
    assert load_convnet(folder).sha256 == load_convnet(fitted).sha256
    assert (folder / "metrics.jsonl").read_bytes() == (fitted / "metrics.jsonl").read_bytes()


def test_it_starts_from_another_convnet(fitted, work):
    begun = fit_convnet.run(
        config(
            work,
            "flow",
            convnet__weights=str(fitted.parent / "{stream}"),
            convnet__learning_rate=0.0,
            convnet__weight_decay=0.0,
            convnet__steps=1,
        )
    )
    assert _same(load_convnet(begun).params, load_convnet(fitted).params)


def test_other_classes_keep_all_but_the_last_layer(fitted, work):
    dataset = load_dataset(work / "dataset.json")._replace(classes=("left", "right", "up"))
    cfg = config(work, "flow", convnet__weights=str(fitted))
    params = starting_backbone_params(vgg_network(cfg.convnet, 2, 3), cfg, dataset).params
    theirs = load_convnet(fitted).params
    assert _same(params["fc1"], theirs["fc1"]) and params["logits"]["bias"].shape == (3,)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"convnet__weights": "vgg16"},
            ConfigError,
            "weights is 'vgg16'; expected the folder of a backbone",
        ),
        (
            {"convnet__weights": "no/vgg16.h5"},
            FileError,
            "no/vgg16.h5 is missing; .*videolstm fetch_weights",
        ),
        (
            {"convnet__weights": "FITTED", "convnet__dense": (11,)},
            ConfigError,
            r"do not fit: fc1.bias has shape \(10,",
        ),
        (
            {"convnet__weights": "FITTED", "convnet__pixel_scale": 1.0},
            ConfigError,
            "pixel_scale is 1.0; the weights in",
        ),
        (
            {"convnet__weights": "FITTED", "convnet__preprocessing": "torch"},
            ConfigError,
            "preprocessing is 'torch'; the weights in .* trained with 'caffe'",
        ),
        (
            {"data__stream": "rgb", "convnet__weights": "FITTED"},
            ConfigError,
            "do not fit: block1_conv1.kernel",
        ),
    ],
)
def test_weights_that_cannot_be_used_raise(fitted, work, settings, error, message):
    settings = {
        name: str(fitted) if value == "FITTED" else value for name, value in settings.items()
    }
    with pytest.raises(error, match=message):
        fit_convnet.run(config(work, "flow", **settings))


def test_what_is_missing_is_named(work):
    shutil.rmtree(work / "flow")
    with pytest.raises(FileError, match=r"flow/index.json is missing; the stage prepare"):
        fit_convnet.run(config(work, "flow"))
    dataset = load_dataset(work / "dataset.json")
    save_dataset(
        work / "dataset.json",
        dataset._replace(videos=tuple(v for v in dataset.videos if v.part == "test")),
    )
    with pytest.raises(FileError, match="no videos of the part 'train'"):
        fit_convnet.run(config(work, "rgb"))


def test_other_settings_in_the_same_folder_are_refused(fitted, work):
    shutil.copytree(fitted, work / "convnets" / "flow")
    with pytest.raises(FileError, match=r"made with convnet.learning_rate 0.01; expected 0.5"):
        fit_convnet.run(config(work, "flow", convnet__learning_rate=0.5))


def test_a_fit_that_goes_on_does_not_list_its_checkpoints(fitted, work, monkeypatch):
    folder = work / "convnets" / "flow"
    shutil.copytree(fitted, folder)
    left = folder / ".config.json.part-0123456789abcdef"
    left.touch()
    listed = noted_walks(monkeypatch)
    fit_convnet.run(config(work, "flow"))
    assert listed == [folder] and not left.exists()


def test_a_second_fit_in_the_same_folder_is_refused(fitted, work):
    with (
        sole_writer(work / "convnets" / "rgb", "fit_convnet"),
        pytest.raises(FileError, match="fit_convnet runs here already"),
    ):
        fit_convnet.run(config(work, "rgb"))
