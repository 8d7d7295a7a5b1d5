"""A model that reads frame by frame predicts what the stages compute of whole videos."""

import shutil

import jax
import numpy as np
import pytest
import tiny_pipeline
from small import shaken

from videolstm_jax import files
from videolstm_jax.backbone.convnet import extractor_of
from videolstm_jax.config import change
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import ConfigError, FileError, VideoError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.measure.scores import softmax
from videolstm_jax.stages import localize
from videolstm_jax.trained.functions import as_model_inputs
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.predictor import Predictor
from videolstm_jax.types import Clip, Inputs
from videolstm_jax.video import decode
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import load_detections

CELLS = (("videolstm", "rgb"), ("motion_alstm", "flow"), ("lstm", "rgb"))
FRAMES = tiny_pipeline.TINY["data__max_frames"]


@pytest.fixture(scope="module")
def prepared_workdir(tmp_path_factory):
    return tiny_pipeline.make(tmp_path_factory.mktemp("predictor"), CELLS)


@pytest.fixture(scope="module")
def predictor(prepared_workdir):
    return Predictor(run_of(prepared_workdir))


@pytest.fixture
def restarted(predictor):
    predictor.restart()
    return predictor


def run_of(prepared_workdir, cell="videolstm", stream="rgb"):
    return Workdir(prepared_workdir.workdir).run(f"{cell}-{stream}")


def frames_by_video(prepared_workdir):
    videos = load_dataset(Workdir(prepared_workdir.workdir).dataset).videos
    return [
        (video, decode.read_video(video.path, max_frames=FRAMES))
        for video in videos
        if video.part == "test"
    ]


def predicted(predictor, frames):
    return [predictions for predictions in map(predictor, frames) if predictions is not None]


@pytest.mark.parametrize("cell, stream", CELLS)
def test_equals_the_stages(prepared_workdir, cell, stream):
    """Scores and attention to 1e-5; boxes to a thousandth, as tubes.jsonl has them."""
    work, name = Workdir(prepared_workdir.workdir), f"{cell}-{stream}"
    predictor = Predictor(work.run(name))
    looks_at_flow = stream == "flow" or cell in ("videolstm", "motion_alstm")
    for video, frames in frames_by_video(prepared_workdir):
        predictor.restart()
        predictions = predicted(predictor, frames)
        assert [prediction.frame for prediction in predictions] == list(
            range(FRAMES - looks_at_flow)
        )
        predictions = predictions[: FRAMES - 1]
        (scores,) = files.read_arrays(work.evaluated_video(name, video.name), "scores")
        np.testing.assert_allclose(
            [prediction.scores for prediction in predictions], scores, atol=1e-5, rtol=0
        )
        so_far = np.cumsum(scores, axis=0, dtype=np.float64) / np.arange(1, FRAMES)[:, None]
        np.testing.assert_allclose(
            [prediction.mean for prediction in predictions], so_far, atol=1e-5, rtol=0
        )
        if cell == "lstm":
            assert predictions[0].attention is None and predictions[0].box is None
            continue
        (attention,) = files.read_arrays(work.evaluated_video(name, video.name), "attention")
        np.testing.assert_allclose(
            [prediction.attention for prediction in predictions], attention, atol=1e-5, rtol=0
        )
        tube = next(
            row.tube
            for row in load_detections(work.run(name) / "tubes.jsonl")
            if row.video == video.name
        )
        np.testing.assert_allclose(
            [prediction.box for prediction in predictions],
            tube.boxes[: FRAMES - 1],
            atol=1e-3,
            rtol=0,
        )


@pytest.mark.parametrize("kind", [pytest.param("motion", marks=pytest.mark.slow), "foreground"])
def test_boxes_go_by_the_settings_of_the_last_localisation(
    prepared_workdir, restarted, tmp_path, kind
):
    """`localize` may run again with other settings; config.json keeps those of the training."""
    shutil.copytree(prepared_workdir.workdir, tmp_path / "work")
    work = Workdir(str(tmp_path / "work"))
    settings = {
        "normalise": "video",
        "box": "region",
        "span": 3,
        "theta": 60.0,
        "causal": True,
        "input": kind,
    }
    localize.run(
        change(
            prepared_workdir,
            workdir=work.root,
            model__cell="videolstm",
            data__stream="rgb",
            **{f"localize__{name}": value for name, value in settings.items()},
        )
    )
    video, frames = frames_by_video(prepared_workdir)[0]
    again = Predictor(work.run("videolstm-rgb"))
    boxes = [prediction.box for prediction in predicted(again, frames)]
    tube = next(
        row.tube
        for row in load_detections(work.run("videolstm-rgb") / "tubes.jsonl")
        if row.video == video.name
    )
    np.testing.assert_allclose(boxes, tube.boxes[: FRAMES - 1], atol=1e-3, rtol=0)
    assert (
        np.abs(
            np.array(boxes) - [prediction.box for prediction in predicted(restarted, frames)]
        ).max()
        > 1
    )
    assert "the film's heat is scaled frame by frame" in again.warning and not restarted.warning


def test_from_a_given_carry(prepared_workdir, restarted):
    """As a mean start would give, which knows the whole video."""
    work = Workdir(prepared_workdir.workdir)
    run = TrainedModel.of_run(work, "videolstm-rgb")
    stores = [FeatureStore.open(work.features(stream, "pool5")) for stream in ("rgb", "flow")]
    (video, frames), *_ = frames_by_video(prepared_workdir)
    inputs = Inputs(*(store.read(video.name)[None] for store in stores))
    clip = Clip(as_model_inputs(inputs, run.scales), np.ones((1, FRAMES - 1), bool))
    model = make_model(run.config)
    carry = shaken(model.start(run.params, clip))
    out = jax.jit(model.apply)(run.params, clip, carry)
    restarted.restart(carry)
    predictions = predicted(restarted, frames)
    np.testing.assert_allclose(
        [prediction.scores for prediction in predictions], softmax(out.logits[0]), atol=1e-5, rtol=0
    )
    np.testing.assert_allclose(
        [prediction.attention for prediction in predictions], out.attention[0], atol=1e-5, rtol=0
    )


def test_frames_may_be_overwritten_and_videos_follow_each_other(prepared_workdir, restarted):
    (_, frames), (_, others) = frames_by_video(prepared_workdir)
    alone = predicted(restarted, frames)
    buffer = np.empty_like(frames[0])
    restarted.restart()
    predicted(restarted, others)
    restarted.restart()
    again = []
    for frame in frames:
        buffer[:] = frame
        again.append(restarted(buffer))
        buffer[:] = 0
    np.testing.assert_array_equal(
        [prediction.scores for prediction in again[1:]], [prediction.scores for prediction in alone]
    )


def test_the_carry_can_be_given_and_taken(prepared_workdir):
    predictor = Predictor(run_of(prepared_workdir, "lstm"))
    frames = frames_by_video(prepared_workdir)[0][1]
    expected = predicted(predictor, frames)
    predictor.restart()
    predicted(predictor, frames[:7])
    predictor.restart(predictor.carry)
    np.testing.assert_array_equal(predicted(predictor, frames[7:])[-1].scores, expected[-1].scores)


def test_any_size_of_frame(restarted):
    frames = np.random.default_rng(0).integers(0, 256, (3, 30, 52, 3)).astype(np.uint8)
    predictions = predicted(restarted, frames)
    assert len(predictions) == 2
    x0, y0, x1, y1 = predictions[-1].box
    assert 0 <= x0 < x1 <= 52 and 0 <= y0 < y1 <= 30
    assert (
        set(predictions[0].seconds) == {"flow", "convnets", "step", "localize"}
        and min(predictions[0].seconds.values()) >= 0
    )


@pytest.mark.parametrize(
    "frame, message",
    [
        (np.zeros((8, 8, 3)), "float64"),
        (np.zeros((8, 8), np.uint8), r"\[8, 8\]; expected uint8"),
        (np.zeros((0, 8, 3), np.uint8), "expected uint8"),
        (np.zeros((9, 8, 3), np.uint8), r"expected \[8, 8, 3\]"),
    ],
)
def test_frames_that_do_not_belong(restarted, frame, message):
    restarted(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(VideoError, match=message):
        restarted(frame)


def test_quick_flow_is_said_to_be_another(prepared_workdir, restarted):
    pytest.importorskip("cv2")
    other = Predictor(run_of(prepared_workdir), flow="dis")
    assert other.warning == "the model was trained on tvl1 flow and reads dis flow"
    frames = frames_by_video(prepared_workdir)[0][1]
    quick, slow = predicted(other, frames), predicted(restarted, frames)
    assert len(quick) == len(slow) and not restarted.warning
    assert any((a.scores != b.scores).any() for a, b in zip(quick, slow, strict=True))
    with pytest.raises(ConfigError, match="expected one of tvl1"):
        Predictor(run_of(prepared_workdir), flow="horn-schunck")


def test_a_run_travels_without_features_and_flow_images(prepared_workdir, restarted, tmp_path):
    work = Workdir(prepared_workdir.workdir)
    for part in ("convnets", "runs/videolstm-rgb"):
        shutil.copytree(work.path / part, tmp_path / part)
    (tmp_path / "flow").mkdir()
    shutil.copy(work.flow / "settings.json", tmp_path / "flow")
    frames = frames_by_video(prepared_workdir)[0][1]
    elsewhere, expected = (
        predicted(Predictor(tmp_path / "runs/videolstm-rgb"), frames),
        predicted(restarted, frames),
    )
    np.testing.assert_array_equal(
        [prediction.scores for prediction in elsewhere],
        [prediction.scores for prediction in expected],
    )
    shutil.rmtree(tmp_path / "convnets/flow")
    with pytest.raises(
        FileError, match=r"convnets/flow/config\.json is missing; the stage fit_convnet writes it"
    ):
        Predictor(tmp_path / "runs/videolstm-rgb")


def test_what_is_no_run(prepared_workdir, tmp_path):
    with pytest.raises(
        FileError, match="is a work folder; expected one of its runs: lstm-rgb, motion_alstm-flow"
    ):
        Predictor(prepared_workdir.workdir)
    with pytest.raises(FileError, match="is missing; expected the folder of a run"):
        Predictor(tmp_path / "none")
    with pytest.raises(FileError, match=r"config\.json is missing"):
        Predictor(tmp_path)


def test_what_does_not_belong_together(prepared_workdir, tmp_path):
    shutil.copytree(prepared_workdir.workdir, tmp_path / "work")
    settings = tmp_path / "work/flow/settings.json"
    settings_before = settings.read_bytes()
    files.write_json(settings, {"method": "tvl1"})
    with pytest.raises(FileError, match="lacks width, height, bound"):
        Predictor(tmp_path / "work/runs/videolstm-rgb")
    settings.write_bytes(settings_before)
    config = tmp_path / "work/runs/videolstm-rgb/config.json"
    value = files.read_json(config)
    work = Workdir(prepared_workdir.workdir)
    value["inputs"] = {
        name: {"extractor": extractor_of(FeatureStore.open(work.features(stream, "pool5")).about)}
        for name, stream in (("x", "rgb"), ("motion", "flow"))
    }
    files.write_json(config, value)
    Predictor(config.parent)
    value["inputs"]["motion"]["extractor"]["convnet"] = "0" * 64
    files.write_json(config, value)
    with pytest.raises(
        FileError,
        match=r"convnets/flow: the backbone digest of these features is .* features of 0000",
    ):
        Predictor(tmp_path / "work/runs/videolstm-rgb")
