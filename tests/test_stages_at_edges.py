"""`flow.method=tvl1_edges` in the stages: stored and online flow, streams and bundles."""

import numpy as np
import pytest
from bundle_workdir import run_settings, write_work
from prepared_workdir import config
from small_films import smooth

from videolstm_jax import files
from videolstm_jax.config import change
from videolstm_jax.errors import ConfigError
from videolstm_jax.flow_images import flow_file
from videolstm_jax.flow_images.online import FlowSettings, OnlineFlow, frames_and_flow_images
from videolstm_jax.stages import prepare
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.predictor import Predictor
from videolstm_jax.video import encode
from videolstm_jax.video.decode import FrameFormat
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

FRAMES = np.random.default_rng(7).integers(0, 256, (4, 32, 40, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The configuration of a work folder with stored flow of four videos."""
    folder = tmp_path_factory.mktemp("edges")
    for number, name in enumerate(
        ("jump/v_x_g01_c01", "jump/v_x_g02_c01", "run/v_x_g01_c01", "run/v_x_g02_c01")
    ):
        path = folder / "videos" / f"{name}.mp4"
        encode.write_video(path, smooth(6 + number, 32, 40, seed=number))
    cfg = config(
        folder / "work",
        "rgb",
        data__videos=str(folder / "videos"),
        data__test_fraction=0.5,
        flow__method="tvl1_edges",
        flow__width=24,
        flow__height=24,
        flow__bound=2.0,
    )
    prepare.run(cfg)
    return cfg


def stored_flow(cfg):
    """The flow images of each video by name."""
    work = Workdir(cfg.workdir)
    images = {}
    for video in load_dataset(work.dataset).videos:
        path = work.flow / f"{video.name}.zip"
        images[video.name] = flow_file.read_flow(path, 0, video.frames - 1)
    return images


def test_stored_flow_is_that_of_the_method(prepared, tmp_path):
    work = Workdir(prepared.workdir)
    assert files.read_json(work.flow / "index.json")["method"] == "tvl1_edges"
    default = change(prepared, workdir=str(tmp_path / "work"), flow__method="tvl1")
    prepare.run(default)
    flow_of_default = stored_flow(default)
    for name, images in stored_flow(prepared).items():
        assert images.shape == flow_of_default[name].shape
        assert (images != flow_of_default[name]).any()


@pytest.mark.parametrize("other", ["tvl1", "dis"])
def test_stored_flow_of_another_method_is_named(prepared, other):
    if other == "dis":
        pytest.importorskip("cv2")
    with pytest.raises(ConfigError, match=f"method 'tvl1_edges', now '{other}'"):
        prepare.run(change(prepared, flow__method=other))


def test_online_flow_is_the_stored_one(prepared):
    work = Workdir(prepared.workdir)
    settings = FlowSettings.of(files.read_json(work.flow / "index.json"), "index")
    stored = stored_flow(prepared)
    videos = load_dataset(work.dataset).videos
    size = FrameFormat((24, 24))
    for video, _, flow in frames_and_flow_images(videos, settings, size, workers=1):
        np.testing.assert_array_equal(flow.images, stored[video.name])
    # One pair alone is another batch, which may round a grey level otherwise.
    pair = OnlineFlow(settings, workers=1).read(videos[0].path, 2, 3).astype(int)
    difference = np.abs(pair - stored[videos[0].name][2:3])
    assert (difference > 0).mean() < 2e-3 and difference.max() <= 2


def test_streams_and_bundles_have_the_method_of_the_model(tmp_path):
    settings = run_settings(tmp_path / "work").override(flow__method="tvl1_edges")
    run = write_work(settings, [("videolstm", "rgb")]).run("videolstm-rgb")
    folder = TrainedModel.load(run).save(tmp_path / "bundle")
    assert files.read_json(folder / "model.json")["flow"]["method"] == "tvl1_edges"

    def scores(predictor):
        predictions = [predictor(frame) for frame in FRAMES]
        return np.stack([each.scores for each in predictions if each is not None])

    of_run, of_bundle = Predictor(run), Predictor(folder)
    assert not of_run.warning and not of_bundle.warning
    expected = scores(of_run)
    np.testing.assert_array_equal(scores(of_bundle), expected)
    default = Predictor(folder, flow="tvl1")
    assert default.warning == "the model was trained on tvl1_edges flow and reads tvl1 flow"
    assert (scores(default) != expected).any()
