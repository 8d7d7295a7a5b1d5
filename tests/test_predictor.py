"""A run that reads frame by frame says what the stages say of whole videos."""

import shutil

import jax
import numpy as np
import pytest
import tiny_pipeline
from small import shaken

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import change
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import ConfigError, FileError, VideoError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.measure.scores import softmax
from videolstm_jax.stages import localize
from videolstm_jax.trained.backbone import extractor_of
from videolstm_jax.trained.functions import as_inputs
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.predictor import Predictor
from videolstm_jax.types import Clip, Inputs
from videolstm_jax.video import decode

CELLS = (("videolstm", "rgb"), ("motion_alstm", "flow"), ("lstm", "rgb"))
FRAMES = tiny_pipeline.TINY["data__max_frames"]


@pytest.fixture(scope="module")
def prepared_workdir(tmp_path_factory):
    return tiny_pipeline.make(tmp_path_factory.mktemp("predictor"), CELLS)


@pytest.fixture(scope="module")
def predictor(prepared_workdir):
    return Predictor(run_of(prepared_workdir))


@pytest.fixture
def fresh(predictor):
    predictor.restart()
    return predictor


def run_of(prepared_workdir, cell="videolstm", stream="rgb"):
    return Workdir(prepared_workdir.workdir).run(f"{cell}-{stream}")


def listed(prepared_workdir):
    videos = artifacts.load_dataset(Workdir(prepared_workdir.workdir).dataset).videos
    return [
        (video, decode.read(video.path, max_frames=FRAMES))
        for video in videos
        if video.part == "test"
    ]


def watched(predictor, frames):
    return [found for found in map(predictor, frames) if found is not None]


@pytest.mark.parametrize("cell, stream", CELLS)
def test_equals_the_stages(prepared_workdir, cell, stream):
    """To 1e-5 in every class score and attention weight; boxes as tubes.jsonl writes them, to a
    thousandth.
    """
    work, name = Workdir(prepared_workdir.workdir), f"{cell}-{stream}"
    predictor = Predictor(work.run(name))
    looks_at_flow = stream == "flow" or cell in ("videolstm", "motion_alstm")
    for video, frames in listed(prepared_workdir):
        predictor.restart()
        found = watched(predictor, frames)
        assert [one.frame for one in found] == list(range(FRAMES - looks_at_flow))
        found = found[: FRAMES - 1]
        (scores,) = files.read_arrays(work.passes(name, video.name), "scores")
        np.testing.assert_allclose([one.scores for one in found], scores, atol=1e-5, rtol=0)
        so_far = np.cumsum(scores, axis=0, dtype=np.float64) / np.arange(1, FRAMES)[:, None]
        np.testing.assert_allclose([one.mean for one in found], so_far, atol=1e-5, rtol=0)
        if cell == "lstm":
            assert found[0].attention is None and found[0].box is None
            continue
        (attention,) = files.read_arrays(work.passes(name, video.name), "attention")
        np.testing.assert_allclose([one.attention for one in found], attention, atol=1e-5, rtol=0)
        tube = next(
            row.tube
            for row in artifacts.load_detections(work.run(name) / "tubes.jsonl")
            if row.video == video.name
        )
        np.testing.assert_allclose(
            [one.box for one in found], tube.boxes[: FRAMES - 1], atol=1e-3, rtol=0
        )


def test_boxes_go_by_the_settings_of_the_last_localisation(prepared_workdir, fresh, tmp_path):
    """`launch.localize` may run again with other settings; config.json keeps those of the training."""
    shutil.copytree(prepared_workdir.workdir, tmp_path / "work")
    work = Workdir(str(tmp_path / "work"))
    settings = {
        "normalise": "video",
        "box": "region",
        "span": 3,
        "theta": 60.0,
        "causal": True,
        "input": "motion",
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
    video, frames = listed(prepared_workdir)[0]
    again = Predictor(work.run("videolstm-rgb"))
    boxes = [one.box for one in watched(again, frames)]
    tube = next(
        row.tube
        for row in artifacts.load_detections(work.run("videolstm-rgb") / "tubes.jsonl")
        if row.video == video.name
    )
    np.testing.assert_allclose(boxes, tube.boxes[: FRAMES - 1], atol=1e-3, rtol=0)
    assert np.abs(np.array(boxes) - [one.box for one in watched(fresh, frames)]).max() > 1
    assert "the film's heat is scaled frame by frame" in again.warning and not fresh.warning


def test_from_a_given_carry(prepared_workdir, fresh):
    """As a mean start would give, which knows the whole video."""
    work = Workdir(prepared_workdir.workdir)
    run = TrainedModel.of_run(work, "videolstm-rgb")
    stores = [FeatureStore.open(work.features(stream, "pool5")) for stream in ("rgb", "flow")]
    (video, frames), *_ = listed(prepared_workdir)
    inputs = Inputs(*(store.read(video.name)[None] for store in stores))
    clip = Clip(as_inputs(inputs, run.scales), np.ones((1, FRAMES - 1), bool))
    model = make_model(run.config)
    carry = shaken(model.start(run.params, clip))
    out = jax.jit(model.apply)(run.params, clip, carry)
    fresh.restart(carry)
    found = watched(fresh, frames)
    np.testing.assert_allclose(
        [one.scores for one in found], softmax(out.logits[0]), atol=1e-5, rtol=0
    )
    np.testing.assert_allclose(
        [one.attention for one in found], out.attention[0], atol=1e-5, rtol=0
    )


def test_frames_may_be_overwritten_and_videos_follow_each_other(prepared_workdir, fresh):
    (_, frames), (_, others) = listed(prepared_workdir)
    alone = watched(fresh, frames)
    buffer = np.empty_like(frames[0])
    fresh.restart()
    watched(fresh, others)
    fresh.restart()
    again = []
    for frame in frames:
        buffer[:] = frame
        again.append(fresh(buffer))
        buffer[:] = 0
    np.testing.assert_array_equal([one.scores for one in again[1:]], [one.scores for one in alone])


def test_the_carry_can_be_given_and_taken(prepared_workdir):
    predictor = Predictor(run_of(prepared_workdir, "lstm"))
    frames = listed(prepared_workdir)[0][1]
    whole = watched(predictor, frames)
    predictor.restart()
    watched(predictor, frames[:7])
    predictor.restart(predictor.carry)
    np.testing.assert_array_equal(watched(predictor, frames[7:])[-1].scores, whole[-1].scores)


def test_any_size_of_frame(fresh):
    frames = np.random.default_rng(0).integers(0, 256, (3, 30, 52, 3)).astype(np.uint8)
    found = watched(fresh, frames)
    assert len(found) == 2
    x0, y0, x1, y1 = found[-1].box
    assert 0 <= x0 < x1 <= 52 and 0 <= y0 < y1 <= 30
    assert (
        set(found[0].seconds) == {"flow", "convnets", "step", "localize"}
        and min(found[0].seconds.values()) >= 0
    )


@pytest.mark.parametrize(
    "frame, says",
    [
        (np.zeros((8, 8, 3)), "float64"),
        (np.zeros((8, 8), np.uint8), r"\[8, 8\]; expected uint8"),
        (np.zeros((0, 8, 3), np.uint8), "expected uint8"),
        (np.zeros((9, 8, 3), np.uint8), r"expected \[8, 8, 3\]"),
    ],
)
def test_frames_that_do_not_belong(fresh, frame, says):
    fresh(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(VideoError, match=says):
        fresh(frame)


def test_quick_flow_is_said_to_be_another(prepared_workdir, fresh):
    pytest.importorskip("cv2")
    other = Predictor(run_of(prepared_workdir), flow="dis")
    assert other.warning == "the model was trained on tvl1 flow and reads dis flow"
    frames = listed(prepared_workdir)[0][1]
    quick, slow = watched(other, frames), watched(fresh, frames)
    assert len(quick) == len(slow) and not fresh.warning
    assert any((a.scores != b.scores).any() for a, b in zip(quick, slow, strict=True))
    with pytest.raises(ConfigError, match="expected one of tvl1"):
        Predictor(run_of(prepared_workdir), flow="horn-schunck")


def test_a_run_travels_without_features_and_flow_images(prepared_workdir, fresh, tmp_path):
    work = Workdir(prepared_workdir.workdir)
    for part in ("convnets", "runs/videolstm-rgb"):
        shutil.copytree(work.path / part, tmp_path / part)
    (tmp_path / "flow").mkdir()
    shutil.copy(work.flow / "settings.json", tmp_path / "flow")
    frames = listed(prepared_workdir)[0][1]
    there, here = (
        watched(Predictor(tmp_path / "runs/videolstm-rgb"), frames),
        watched(fresh, frames),
    )
    np.testing.assert_array_equal([one.scores for one in there], [one.scores for one in here])
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
    said = settings.read_bytes()
    files.write_json(settings, {"method": "tvl1"})
    with pytest.raises(FileError, match="lacks width, height, bound"):
        Predictor(tmp_path / "work/runs/videolstm-rgb")
    settings.write_bytes(said)
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
        FileError, match=r"convnets/flow: the convnet of these features is .* features of 0000"
    ):
        Predictor(tmp_path / "work/runs/videolstm-rgb")
