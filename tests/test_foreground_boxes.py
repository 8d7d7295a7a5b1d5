"""Boxes of the foreground: the stage, and when a preset's choice of it gives way."""

import dataclasses
import json

import numpy as np
import pytest
import tiny_pipeline
from localize_workdir import FRAMES, attention_of, config, frame_scores, true_tube, write_work

from videolstm_jax import files
from videolstm_jax.config import LocalizeConfig, change
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.presets import Settings, configured
from videolstm_jax.stages import localize
from videolstm_jax.trained.features import model_store_record
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.predictor import Predictor
from videolstm_jax.trained.stream import stream_settings
from videolstm_jax.video import decode
from videolstm_jax.workdir.config_json import save_config
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import load_detections

RUN = "videolstm-rgb"


@pytest.fixture
def work(tmp_path):
    """Two training videos and four test videos of which three have truth."""
    return write_work(tmp_path)


def write_evaluated(work, foreground=True):
    """What `evaluate` leaves of a run whose attention is uniform and whose foreground is right."""
    uniform = np.full((FRAMES - 1, 7, 7), 1 / 49, np.float32)
    for video in load_dataset(work.dataset).part("test"):
        maps = {}
        if foreground:
            maps["foreground"] = 3 * attention_of(true_tube(video.label))
        files.write_arrays(
            work.evaluated_video(RUN, video.name),
            scores=frame_scores(video.label),
            attention=uniform,
            features=np.ones_like(uniform),
            **maps,
        )


def write_config(work, backbone="lite0", **more):
    """What is read of config.json of a run with features of this backbone."""
    extractor = {"backbone": backbone} if backbone else {}
    record = {"inputs": {"x": {"extractor": extractor}}, "config": {"data": {"fit": "pad"}}}
    save_config(work.run(RUN), configured("paper"), **record, **more)


def localized(cfg):
    """The record that `localize` writes."""
    return json.loads(localize.run(cfg).read_text())


def small(work, **settings):
    """The configuration of `localize` with the preset for own videos."""
    return configured("small", workdir=work.root, **settings)


def test_the_stage_makes_boxes_of_the_foreground(work):
    write_evaluated(work)
    moments = {"localize__sigma": 0.0, "localize__box": "moments"}
    record = localized(change(config(work), localize__input="foreground", **moments))
    assert record["settings"]["input"] == "foreground"
    assert record["model"]["mean_frame_iou"]["value"] > 0.5
    # The same run, by its attention, which is uniform.
    record = localized(change(config(work), localize__input="attention", **moments))
    assert record["model"]["mean_frame_iou"]["value"] < 0.3


def test_a_run_without_foreground_says_how_to_get_it(work):
    write_evaluated(work, foreground=False)
    cfg = change(config(work), localize__input="foreground")
    with pytest.raises(FileError, match="kept no foreground of this run: run evaluate again; or"):
        localize.run(cfg)
    write_config(work)
    with pytest.raises(FileError, match="run train again, which takes no step and adds its axis"):
        localize.run(cfg)
    write_config(work, foreground={"axis": [1.0], "offset": 0.0})
    with pytest.raises(FileError, match="kept no foreground of this run: run evaluate again; or"):
        localize.run(cfg)
    write_config(work, block={})
    with pytest.raises(FileError, match="trained part of its backbone has no foreground; or"):
        localize.run(cfg)


# ---- the presets ---------------------------------------------------------------------------------


def boxes_of(preset, **overrides):
    """The input and the box of the RGB and of the flow run."""
    rows = []
    for stream in ("rgb", "flow"):
        settings = Settings(preset, overrides).for_cell("videolstm", stream).localize
        rows.append((settings.input, settings.box, settings.sigma))
    return rows


def test_presets_make_boxes_of_the_foreground_of_lite0_on_rgb_frames_alone():
    foreground, others = ("foreground", "region", 0.0), ("weighted_features", "moments", 0.0)
    assert boxes_of("small") == [foreground, others]
    assert boxes_of("small", pipeline__flow_backbone="lite0") == [foreground, others]
    assert boxes_of("small", convnet__backbone="vgg") == [others, others]
    assert boxes_of("small", convnet__backbone="a.b:C") == [others, others]
    for preset in ("modern", "demo", "research"):
        assert boxes_of(preset) == [others, others]
        assert boxes_of(preset, convnet__backbone="lite0") == [foreground, others]
    for preset in ("paper", "authors"):
        assert {row[0] for row in boxes_of(preset, convnet__backbone="lite0")} == {"attention"}
    # Another input of the user's keeps the box that the preset has for it.
    moments = boxes_of("small", localize__input="weighted_features")
    assert moments == [others, others]
    assert boxes_of("small", localize__box="moments")[0] == ("foreground", "moments", 0.0)


def test_a_presets_foreground_is_used_for_lite0(work, capsys):
    write_evaluated(work)
    write_config(work)
    record = localized(small(work))
    assert (record["settings"]["input"], record["settings"]["box"]) == ("foreground", "region")
    assert record["model"]["mean_frame_iou"]["value"] > 0.5
    assert "boxes are made of" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("backbone", "foreground", "message"),
    [
        ("vgg", True, "its features are of vgg, not of lite0; boxes are made of the weighted"),
        ("", True, "its features are of an unknown backbone, not of lite0"),
        ("lite0", False, "kept no foreground of this run: run train again"),
    ],
)
def test_a_presets_foreground_gives_way(work, capsys, backbone, foreground, message):
    write_evaluated(work, foreground)
    write_config(work, backbone)
    record = localized(small(work, localize__span=5))
    assert message in capsys.readouterr().out
    expected = small(work, localize__span=5, localize__input="weighted_features").localize
    assert record["settings"] == dataclasses.asdict(expected)
    assert expected.box == "moments"


def test_a_user_may_ask_for_the_foreground_of_any_backbone(work):
    write_evaluated(work)
    write_config(work, "vgg")
    record = localized(small(work, localize__input="foreground"))
    assert record["settings"]["input"] == "foreground"


# ---- the stream ----------------------------------------------------------------------------------


def test_a_stream_without_the_axis_takes_the_weighted_features_and_says_so():
    foreground = LocalizeConfig(input="foreground")
    settings, warnings = stream_settings(foreground, reads_flow=True, has_foreground=False)
    assert settings == LocalizeConfig(input="weighted_features")
    assert len(warnings) == 1 and "the model has no foreground axis" in warnings[0]
    assert stream_settings(foreground, reads_flow=True, has_foreground=True) == (foreground, [])
    motion = LocalizeConfig(input="motion")
    assert stream_settings(motion, reads_flow=True, has_foreground=False) == (motion, [])
    of_rgb, _ = stream_settings(motion, reads_flow=False, has_foreground=True)
    assert of_rgb.input == "weighted_features"


@pytest.mark.slow
def test_a_bundle_of_the_preset_small_has_the_boxes_of_the_stage(tmp_path):
    frames = 6
    settings = {"convnet__backbone": "lite0", "convnet__image_size": 64, "data__max_frames": frames}
    cfg = tiny_pipeline.make(tmp_path, [("convalstm", "rgb")], **settings)
    cfg = Settings.of(cfg).for_cell("convalstm", "rgb")
    work = Workdir(cfg.workdir)
    path = work.run(cfg.run_name) / "config.json"
    # What `train` records of its features, which the tiny run leaves out.
    store = FeatureStore.open(work.features("rgb", "pool5"))
    record = json.loads(path.read_text()) | {"inputs": {"x": model_store_record(store)}}
    files.write_json(path, record, sealed=True)
    assert localized(cfg)["settings"]["input"] == "foreground"
    tubes = load_detections(work.tubes(cfg.run_name, ""))
    predictor = Predictor(TrainedModel.load(work.run(cfg.run_name)).save(tmp_path / "bundle"))
    assert not predictor.warning
    for detection in tubes:
        predictor.restart()
        (path,) = (tmp_path / "set").glob(f"videos/{detection.video}.*")
        boxes = [predictor(frame).box for frame in decode.read_video(path, max_frames=frames)]
        # As precise as tubes.jsonl.
        np.testing.assert_allclose(boxes[:-1], detection.tube.boxes[: frames - 1], atol=1e-3)
