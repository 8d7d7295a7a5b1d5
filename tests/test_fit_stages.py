"""Padded and cropped videos through all stages, a stream and a bundle; two values never mix."""

import json
import shutil

import numpy as np
import pytest
import tiny_pipeline
from small_films import smooth

from videolstm_jax import files
from videolstm_jax.backbone.convnet import check_extractor, extractor_of, recorded_backbone_fit
from videolstm_jax.config import change
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.presets import PRESETS, configured
from videolstm_jax.sealed_json import SEAL, json_sha256
from videolstm_jax.square import square_window
from videolstm_jax.stages import evaluate, extract, fit_convnet, localize, prepare, train
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.predictor import Predictor
from videolstm_jax.video import decode, encode
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import load_detections

FRAMES = 9
RUN = "videolstm-rgb"
SETTINGS = {"data__max_frames": FRAMES, "data__test_fraction": 0.5, "eval__states": "none"}


def write_films(folder):
    """A wide and a tall video of each class."""
    for label, name in enumerate(tiny_pipeline.CLASSES):
        for group, (height, width) in enumerate(((32, 60), (60, 32))):
            film = smooth(FRAMES, height, width, seed=2 * label + group)
            encode.write_video(folder / name / f"v_{name}_g0{group + 1}_c01.mp4", film)
    return folder


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return write_films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def works(films, tmp_path_factory):
    """A work folder of each value, with its configuration."""
    configs = {}
    for fit in ("pad", "crop"):
        configs[fit] = tiny_pipeline.make(
            tmp_path_factory.mktemp(fit),
            (("videolstm", "rgb"),),
            videos=str(films),
            data__fit=fit,
            **SETTINGS,
        )
    return configs


def work_of(cfg):
    return Workdir(cfg.workdir)


def test_presets():
    for name in PRESETS:
        expected = "squash" if name in ("paper", "authors") else "pad"
        assert configured(name).data.fit == expected


@pytest.mark.parametrize("fit", ["pad", pytest.param("crop", marks=pytest.mark.slow)])
def test_the_stream_and_a_bundle_equal_the_stages(works, fit, tmp_path):
    """Features of wide and tall frames, flow, attention and boxes, frame by frame."""
    cfg = works[fit]
    work = work_of(cfg)
    model = TrainedModel.load(work.run(RUN))
    bundle = model.save(tmp_path / "bundle")
    record = json.loads((bundle / "model.json").read_text())
    assert (record["fit"], record["version"], record["flow"]["fit"]) == (fit, 2, fit)
    predictors = [Predictor(model), Predictor(bundle)]
    tubes = {row.video: row.tube for row in load_detections(work.run(RUN) / "tubes.jsonl")}
    for video in load_dataset(work.dataset).part("test"):
        frames = decode.read_video(video.path, max_frames=FRAMES)
        stored = files.read_arrays(work.evaluated_video(RUN, video.name), "scores", "attention")
        size = video.height, video.width
        left, top, right, bottom = square_window(fit, size).visible(size)
        for predictor in predictors:
            predictor.restart()
            predictions = [row for row in map(predictor, frames) if row is not None]
            for name, expected in zip(("scores", "attention"), stored, strict=True):
                values = [getattr(row, name) for row in predictions]
                np.testing.assert_allclose(values, expected, atol=1e-5, rtol=0)
            boxes = np.array([row.box for row in predictions])
            expected_boxes = tubes[video.name].boxes[: len(boxes)]
            np.testing.assert_allclose(boxes, expected_boxes, atol=1e-3, rtol=0)
            # tubes.jsonl has thousandths of pixels.
            assert boxes[:, 0].min() >= left - 1e-3 and boxes[:, 2].max() <= right + 1e-3
            assert boxes[:, 1].min() >= top - 1e-3 and boxes[:, 3].max() <= bottom + 1e-3


def test_features_record_the_value_unless_it_is_squash(works):
    for fit, cfg in works.items():
        for stream in ("rgb", "flow"):
            about = FeatureStore.open(work_of(cfg).features(stream, "pool5")).about
            assert about["preprocessing"]["fit"] == fit
        index = files.read_json(work_of(cfg).flow / "index.json")
        assert index["fit"] == fit
    first, second = (
        FeatureStore.open(work_of(cfg).features("rgb", "pool5")) for cfg in works.values()
    )
    assert first.sha256 != second.sha256


def test_flow_that_is_not_stored_gives_the_same_features(works, tmp_path):
    """Of padded wide and tall frames, both streams from one decoding, to the bit."""
    stored = work_of(works["pad"])
    cfg = change(works["pad"], workdir=str(tmp_path / "work"), flow__online=True)
    prepare.run(cfg)
    shutil.copytree(stored.path / "convnets", tmp_path / "work" / "convnets")
    extract.run(cfg)
    for stream in ("rgb", "flow"):
        folders = (work.features(stream, "pool5") for work in (work_of(cfg), stored))
        online, expected = map(FeatureStore.open, folders)
        assert online.sha256 == expected.sha256


def test_another_value_is_refused_by_every_stage(works, tmp_path):
    """One line with both values and the file, before anything is written."""
    shutil.copytree(works["pad"].workdir, tmp_path / "work")
    cfg = change(works["pad"], workdir=str(tmp_path / "work"))
    cropping = change(cfg, data__fit="crop", data__stream="rgb", model__cell="videolstm")

    def refused(stage, cfg, *parts):
        with pytest.raises((ConfigError, FileError)) as refusal:
            stage.run(cfg)
        message = str(refusal.value)
        assert "\n" not in message
        for part in ("'pad'", "'crop'", *parts):
            assert part in message, message

    refused(prepare, cropping, "work/flow", "fit 'pad', now 'crop'")
    refused(fit_convnet, cropping, "flow/index.json")
    refused(extract, cropping, "flow/index.json")
    refused(train, cropping, "features/rgb/pool5")
    refused(evaluate, cropping, "runs/videolstm-rgb")
    refused(localize, cropping, "runs/videolstm-rgb")
    # Flow of the other value beside a backbone and features of this one.
    for name in ("index.json", "settings.json"):
        record = files.read_json(tmp_path / "work" / "flow" / name)
        record.pop(SEAL, None)
        files.write_json(tmp_path / "work" / "flow" / name, record | {"fit": "crop"}, sealed=True)
    refused(extract, cropping, "convnets/rgb was made with data.fit 'pad'")
    config = files.read_json(tmp_path / "work" / "convnets" / "rgb" / "config.json")
    config.pop(SEAL, None)
    config["config"]["data"]["fit"] = "crop"
    files.write_json(tmp_path / "work" / "convnets" / "rgb" / "config.json", config, sealed=True)
    refused(extract, cropping, "index.json was made with data.fit 'pad'")


def test_features_of_another_value_are_not_those_of_the_training(works):
    about = FeatureStore.open(work_of(works["pad"]).features("rgb", "pool5")).about
    trained_on = extractor_of(about | {"preprocessing": about["preprocessing"] | {"fit": "crop"}})
    with pytest.raises(FileError, match=r"features/x: .*'fit': 'pad'.* trained on .*'fit': 'crop'"):
        check_extractor(trained_on, about, "features/x")
    # Stores from before the setting have squashed frames, and do not name it.
    assert recorded_backbone_fit({"preprocessing": {"squash": "bilinear"}}) == "squash"
    assert not recorded_backbone_fit({"imported": "authors"})


def test_a_preset_of_another_value_is_no_wish(works):
    """Only what the user gives is refused: boxes follow the run, whatever the preset has."""
    cfg = works["crop"]
    plain = change(configured("paper"), workdir=cfg.workdir, name=RUN, localize__causal=True)
    assert plain.data.fit == "squash"
    before = (work_of(cfg).run(RUN) / "tubes.jsonl").read_bytes()
    localize.run(plain)
    localize.run(change(cfg, model__cell="videolstm", data__stream="rgb"))
    assert (work_of(cfg).run(RUN) / "tubes.jsonl").read_bytes() == before


def test_a_bundle_that_contradicts_itself(works, tmp_path):
    bundle = TrainedModel.load(work_of(works["crop"]).run(RUN)).save(tmp_path / "bundle")
    record = json.loads((bundle / "model.json").read_text())
    del record["sha256"]
    record["flow"]["fit"] = "squash"
    record["sha256"] = json_sha256(record)
    (bundle / "model.json").write_text(json.dumps(record))
    with pytest.raises(
        FileError, match=r"model\.json: flow has the fit squash; the model has crop"
    ):
        TrainedModel.load(bundle)
