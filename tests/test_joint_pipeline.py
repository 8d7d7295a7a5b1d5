"""A backbone's last block trained with a cell, through all stages, a stream and a bundle."""

import shutil

import numpy as np
import pytest
import tiny_pipeline

from videolstm_jax import files
from videolstm_jax.backbone.convnet import load_convnet
from videolstm_jax.config import change
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.presets import Settings
from videolstm_jax.sealed_json import json_sha256
from videolstm_jax.stages import evaluate, localize, train
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.predictor import Predictor
from videolstm_jax.training_start.training_inputs import open_training
from videolstm_jax.types import Clip, Inputs
from videolstm_jax.video.decode import read_video
from videolstm_jax.workdir.config_json import load_config
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import load_detections

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
    start = open_training(joint).model
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
    work, model = Workdir(joint.workdir), open_training(joint).model
    below = FeatureStore.open(work.features("rgb", model.layers.x))
    pool5 = FeatureStore.open(work.features("rgb", "pool5"))
    assert model.layers.x == "below_block2" and below.frames == pool5.frames
    for name in pool5.frames:
        x = below.read(name)[None]
        clip = model.functions.read(model.params, Clip(Inputs(x), np.ones(x.shape[:2], bool)))
        np.testing.assert_allclose(clip.inputs.x[0], pool5.read(name), rtol=5e-3, atol=5e-3)


def predictions_of(folder, video):
    """The predictions of the frames that `evaluate` scores, all but the last one of a video."""
    predictor = Predictor(folder)
    predictions = [predictor(frame) for frame in read_video(video.path)]
    made = [prediction for prediction in predictions if prediction is not None]
    return made[: video.frames - 1]


def assert_streams_as_the_stages(cfg, bundle):
    """The stream of a run, and of its bundle, gives the scores and attention of `evaluate`."""
    work, name = Workdir(cfg.workdir), cfg.run_name
    video = load_dataset(work.dataset).part("test")[0]
    (scores,) = files.read_arrays(work.evaluated_video(name, video.name), "scores")
    TrainedModel.of_run(work, name).save(bundle)
    for folder in (work.run(name), bundle):
        streamed = [row.scores for row in predictions_of(folder, video)]
        np.testing.assert_allclose(streamed, scores, rtol=0, atol=1e-5)


def test_a_stream_and_a_bundle_give_what_the_stages_gave(joint, tmp_path):
    bundle = tmp_path / "bundle"
    assert_streams_as_the_stages(joint, bundle)
    record = files.read_json(bundle / "model.json")
    assert record["version"] == 3 and record["backbone_from"] == "block2"
    assert set(record["backbones"]["rgb"]["layers"]) == {"below_block2"}
    work, name = Workdir(joint.workdir), joint.run_name
    video = load_dataset(work.dataset).part("test")[0]
    predictions = predictions_of(bundle, video)
    (attention,) = files.read_arrays(work.evaluated_video(name, video.name), "attention")
    # The block makes smaller maps than it reads, and boxes are made of these.
    side = FeatureStore.open(work.features("rgb", "pool5")).shape[0]
    assert attention.shape[1:] == (side, side)
    streamed = [row.attention for row in predictions]
    np.testing.assert_allclose(streamed, attention, rtol=0, atol=1e-5)
    rows = load_detections(work.tubes(name))
    tube = next(row.tube for row in rows if row.video == video.name)
    boxes = [row.box for row in predictions]
    np.testing.assert_allclose(boxes, tube.boxes[: len(boxes)], rtol=0, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell, stream, settings",
    [
        # Both inputs are of flow: what the block makes, and the features of the frozen backbone.
        ("videolstm", "flow", {"data__mirrored": True}),
        # A cell of vectors reads fc7, above the block.
        ("lstm", "rgb", {}),
        ("convalstm", "rgb", {"convnet__backbone": "lite0", "data__max_frames": 6}),
    ],
)
def test_other_cells_and_backbones(tmp_path, cell, stream, settings):
    made = tiny_pipeline.make(tmp_path, [], **SETTINGS | settings)
    cfg = Settings.of(made).for_cell(cell, stream)
    train.run(cfg)
    evaluate.run(cfg)
    assert_streams_as_the_stages(cfg, tmp_path / "bundle")


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
