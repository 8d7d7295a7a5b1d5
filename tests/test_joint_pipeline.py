"""A backbone's last block trained with a cell, through all stages, a stream and a bundle."""

import json
import shutil

import numpy as np
import pytest
import tiny_pipeline

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir, load_config
from videolstm_jax.config import change
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.presets import Settings
from videolstm_jax.sealed_json import json_sha256
from videolstm_jax.stages import evaluate, localize, train
from videolstm_jax.stages.train import _open_training
from videolstm_jax.trained.backbone.convnet import load_convnet
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.predictor import Predictor
from videolstm_jax.types import Clip, Inputs
from videolstm_jax.video.decode import read

SETTINGS = {
    "train__backbone_from": "last_block",
    # Of Adam at 1e-3: four steps that no rounding hides.
    "train__backbone_rate": 1.0,
    "train__steps": 4,
    "train__save_every": 2,
    "data__frames": 4,
    "data__batch": 2,
    "data__mirrored": False,
}


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    """The configuration of a run that was trained, evaluated and localized."""
    made = tiny_pipeline.make(tmp_path_factory.mktemp("joint"), [], **SETTINGS)
    cfg = Settings.of(made).for_cell("convalstm", "rgb")
    train.run(cfg)
    evaluate.run(cfg)
    localize.run(cfg)
    return cfg


@pytest.fixture
def copied(joint, tmp_path):
    """The same in a folder that a test may change."""
    shutil.copytree(joint.workdir, tmp_path / "work")
    return change(joint, workdir=str(tmp_path / "work"))


def test_the_block_starts_from_the_backbone_and_is_trained(joint):
    work = Workdir(joint.workdir)
    model = TrainedModel.of_run(work, joint.run_name)
    fitted = load_convnet(work.convnet("rgb")).params
    assert set(model.params.block) == {"block2_conv1", "block2_norm1"}
    start = _open_training(joint).model
    for layer, part in start.params.block.items():
        for name, leaf in part.items():
            np.testing.assert_array_equal(leaf, fitted[layer][name])
    change_of_kernel = model.params.block["block2_conv1"]["kernel"] - np.asarray(
        fitted["block2_conv1"]["kernel"]
    )
    assert 1e-4 < np.abs(change_of_kernel).max() < 1e-2
    # Scales are of what the cell reads, not of the maps below the block.
    assert model.scales.x == pytest.approx(FeatureStore.open(work.features("rgb", "pool5")).std)
    assert load_config(work.run(joint.run_name))["block"]["first"] == "block2"


def test_the_stored_maps_below_the_block_give_the_stored_features(joint):
    """Before the first step; both stores round to float16."""
    work, model = Workdir(joint.workdir), _open_training(joint).model
    below = FeatureStore.open(work.features("rgb", model.layers.x))
    pool5 = FeatureStore.open(work.features("rgb", "pool5"))
    assert model.layers.x == "below_block2" and below.frames == pool5.frames
    for name in pool5.frames:
        x = below.read(name)[None]
        clip = model.functions.read(model.params, Clip(Inputs(x), np.ones(x.shape[:2], bool)))
        np.testing.assert_allclose(clip.inputs.x[0], pool5.read(name), rtol=5e-3, atol=5e-3)


def predictions_of(folder, video):
    predictor = Predictor(folder)
    predictions = [predictor(frame) for frame in read(video.path)]
    return predictions[: video.frames - 1]


def test_a_stream_and_a_bundle_give_what_the_stages_gave(joint, tmp_path):
    work, name = Workdir(joint.workdir), joint.run_name
    video = artifacts.load_dataset(work.dataset).part("test")[0]
    path = work.evaluated_video(name, video.name)
    scores, attention = files.read_arrays(path, "scores", "attention")
    # The block makes smaller maps than it reads.
    side = FeatureStore.open(work.features("rgb", "pool5")).shape[0]
    assert attention.shape[1:] == (side, side)
    boxes = [row for row in artifacts.load_detections(work.tubes(name)) if row.video == video.name]
    TrainedModel.of_run(work, name).save(tmp_path / "bundle")
    record = json.loads((tmp_path / "bundle" / "model.json").read_text())
    assert record["version"] == 3 and record["backbone_from"] == "block2"
    assert set(record["backbones"]["rgb"]["layers"]) == {"below_block2"}
    for folder in (work.run(name), tmp_path / "bundle"):
        predictions = predictions_of(folder, video)
        for values, expected in (
            ([row.scores for row in predictions], scores),
            ([row.attention for row in predictions], attention),
        ):
            np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)
        streamed = np.array([row.box for row in predictions])
        np.testing.assert_allclose(streamed, boxes[0].tube.boxes[: len(streamed)], atol=1e-3)


def test_a_bundle_without_its_block_is_refused(joint, tmp_path):
    TrainedModel.of_run(Workdir(joint.workdir), joint.run_name).save(tmp_path / "bundle")
    path = tmp_path / "bundle" / "model.json"
    record = files.read_json(path)
    del record["sha256"]
    record["backbone_from"] = "block7"
    files.write_json(path, record | {"sha256": json_sha256(record)})
    with pytest.raises(FileError, match="backbone_from is block7; expected one of block2"):
        TrainedModel.load(tmp_path / "bundle")


# ---- refusals ------------------------------------------------------------------------------------


def test_a_training_does_not_go_on_with_another_block_or_rate(joint):
    # The features that a cell reads alone are others than the maps below a block.
    with pytest.raises(FileError, match=r"ckpt/4 was made with features\.x"):
        train.run(change(joint, train__backbone_from=""))
    with pytest.raises(FileError, match=r"made with train\.backbone_rate 1\.0; expected 0\.5"):
        train.run(change(joint, train__backbone_rate=0.5))


def test_other_maps_than_those_below_the_block_are_refused(copied):
    work = Workdir(copied.workdir)
    store = work.features("rgb", "below_block2")
    index = files.read_json(store / "index.json")
    cases = {
        "has the layer pool5; expected below_block2": {"layer": "pool5"},
        "was made by another backbone than": {"sha256": "0" * 64},
    }
    for message, about in cases.items():
        changed = index | {"about": index["about"] | about}
        files.write_json(store / "index.json", changed, sealed=True)
        with pytest.raises(FileError, match=f"{store} {message}"):
            train.run(copied)
    store.rmtree()
    with pytest.raises(FileError, match=r"below_block2 is missing, .*`videolstm extract --preset"):
        train.run(copied)


def test_features_without_a_backbone_are_refused(copied):
    store = Workdir(copied.workdir).features("rgb", "pool5")
    index = files.read_json(store / "index.json")
    files.write_json(store / "index.json", index | {"about": {"imported": "arrays"}}, sealed=True)
    with pytest.raises(ConfigError, match="was imported, so there is no backbone to train"):
        train.run(copied)


def test_a_block_that_the_backbone_lacks_is_refused(joint):
    with pytest.raises(ConfigError, match="'block3'; the backbone vgg can be trained from block2"):
        train.run(change(joint, train__backbone_from="block3", name="other"))
    with pytest.raises(
        ConfigError, match=r"train\.backbone_from is 'conv5'; expected last_block or"
    ):
        change(joint, train__backbone_from="conv5")
