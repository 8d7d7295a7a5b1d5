"""Flow computed where it is read gives the same bytes of features as stored flow."""

import json
import pathlib
import shutil

import numpy as np
import pytest
from prepared_workdir import config
from small_films import smooth

from videolstm_jax.clips import blocks
from videolstm_jax.config import change
from videolstm_jax.errors import FileError, VideoError
from videolstm_jax.flow_images import flow_file
from videolstm_jax.flow_images.online import FlowSettings, OnlineFlow, frames_and_flow_images
from videolstm_jax.pipeline import plan, run
from videolstm_jax.presets import configured
from videolstm_jax.stages import extract, fit_convnet, prepare
from videolstm_jax.video import encode
from videolstm_jax.video.decode import FrameFormat
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

FLOW = {"flow__width": 24, "flow__height": 16, "flow__bound": 2.0}
jpeg = pytest.mark.parametrize("stored", ["jpeg"], indirect=True)


@pytest.fixture(scope="module")
def stored(request, tmp_path_factory):
    """Videos of two sizes: prepared, backbones fitted, both streams extracted in two steps."""
    folder = tmp_path_factory.mktemp(request.param)
    for k, length in enumerate((5, 30, 9, 34)):
        side = (48, 36) if k % 2 else (32, 40)
        encode.write_video(
            folder / "videos" / ("jump" if k < 2 else "run") / f"v_x_g0{k % 2 + 1}_c01_{k}.mp4",
            smooth(length, *side, seed=k),
        )
    cfg = config(
        folder / "work",
        "rgb",
        data__videos=str(folder / "videos"),
        data__test_fraction=0.5,
        data__mirrored=True,
        convnet__steps=2,
        flow__image=request.param,
        **FLOW,
    )
    prepare.run(cfg)
    for stream in ("rgb", "flow"):
        fit_convnet.run(change(cfg, data__stream=stream))
        extract.run(change(cfg, data__stream=stream))
    return folder, cfg


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "stored", [pytest.param("png", marks=pytest.mark.slow), "jpeg"], indirect=True
)
def test_one_pass_gives_the_same_bytes_as_two_steps(stored, tmp_path):
    folder, cfg = stored
    cfg = change(cfg, workdir=str(tmp_path / "work"), flow__online=True)
    prepare.run(cfg)
    assert {path.name for path in (tmp_path / "work" / "flow").iterdir()} == {
        "index.json",
        "settings.json",
    }
    assert load_dataset(tmp_path / "work" / "dataset.json") == load_dataset(
        folder / "work" / "dataset.json"
    )
    shutil.copytree(folder / "work" / "convnets", tmp_path / "work" / "convnets")
    assert extract.run(cfg) == Workdir(cfg.workdir).path / "features"
    assert files(tmp_path / "work" / "features") == files(folder / "work" / "features")
    assert (tmp_path / "work" / "features" / "flow" / "pool5-mirrored" / "index.json").exists()
    assert files(tmp_path / "work" / "convnets") == files(folder / "work" / "convnets")
    assert not list((tmp_path / "work").rglob("*.zip"))
    before = files(tmp_path / "work")
    extract.run(cfg)
    assert files(tmp_path / "work") == before


@jpeg
def test_progress_and_warnings_online(stored, tmp_path, capsys, monkeypatch):
    """Each video is counted once, and what moves in it is told though a first call was stopped."""
    folder, cfg = stored
    cfg = change(cfg, workdir=str(tmp_path / "work"), flow__online=True)
    prepare.run(cfg)
    shutil.copytree(folder / "work" / "convnets", tmp_path / "work" / "convnets")
    shown, plain, videos = [], blocks.frames_and_flow_images, []
    monkeypatch.setattr(
        extract.ProgressLine, "show", lambda progress, number, *args, **named: shown.append(number)
    )
    monkeypatch.setattr(extract.pace, "STILL", 1e9)

    def dying(*args, **named):
        for result in plain(*args, **named):
            if len(videos) == 2:
                raise KeyboardInterrupt
            videos.append(result[0].name)
            yield result

    monkeypatch.setattr(blocks, "frames_and_flow_images", dying)
    with pytest.raises(KeyboardInterrupt):
        extract.run(cfg)
    assert shown == [1, 2]
    monkeypatch.setattr(blocks, "frames_and_flow_images", plain)
    extract.run(cfg)
    assert shown == [1, 2, 1, 2]
    assert (
        "extract: warning: nothing moves in 4 videos: jump/v_x_g01_c01_0, "
        in capsys.readouterr().err
    )


@jpeg
def test_stored_flow_may_be_used_later(stored, tmp_path):
    """The folder of an online walk is a good one to prepare with flow in."""
    folder, cfg = stored
    cfg = change(cfg, workdir=str(tmp_path / "work"))
    prepare.run(change(cfg, flow__online=True))
    with pytest.raises(FileError, match=r"\.zip is missing; the stage prepare writes it"):
        fit_convnet.run(change(cfg, data__stream="flow"))
    prepare.run(cfg)
    assert files(tmp_path / "work" / "flow") == files(folder / "work" / "flow")


@jpeg
@pytest.mark.parametrize("start, stop", [(0, 29), (7, 8), (28, 29), (12, 25)])
def test_any_pairs_of_a_video(stored, start, stop):
    folder, _ = stored
    index = json.loads((folder / "work" / "flow" / "index.json").read_text())
    online = OnlineFlow(FlowSettings.of(index, "index"), workers=1)
    flow_images = online.read(folder / "videos/jump/v_x_g02_c01_1.mp4", start, stop).astype(int)
    expected = flow_file.read_flow(folder / "work/flow/jump/v_x_g02_c01_1.zip", start, stop)
    assert flow_images.shape == expected.shape
    assert (flow_images != expected).mean() < 2e-3 and np.abs(flow_images - expected).max() <= 2
    assert online.read(folder / "videos/jump/v_x_g02_c01_1.mp4", 20, 50).shape[0] == 9
    assert online.read(folder / "videos/jump/v_x_g02_c01_1.mp4", 50, 51).shape[0] == 0


@jpeg
def test_a_convnet_is_fitted_to_flow_that_is_not_stored(stored, tmp_path):
    cfg = change(stored[1], workdir=str(tmp_path / "work"), flow__online=True, data__stream="flow")
    prepare.run(cfg)
    fit_convnet.run(cfg)
    rows = [
        json.loads(line)
        for line in (tmp_path / "work/convnets/flow/metrics.jsonl").read_text().splitlines()
    ]
    assert rows and all(np.isfinite(row["loss"]) for row in rows)
    assert not list((tmp_path / "work").rglob("*.zip"))


@jpeg
def test_a_video_that_changed_is_refused(stored, tmp_path):
    folder, _ = stored
    index = json.loads((folder / "work" / "flow" / "index.json").read_text())
    dataset = load_dataset(folder / "work" / "dataset.json")
    video = dataset.videos[0]
    settings = FlowSettings.of(index, "index")
    ((_, rgb, flow),) = frames_and_flow_images([video], settings, FrameFormat((16, 16)))
    assert rgb.shape == (video.frames - 1, 16, 16, 3) and flow.images.shape == (
        video.frames - 1,
        16,
        24,
        2,
    )
    with pytest.raises(
        VideoError, match=f"{video.frames} frames; expected 99, as when the stage prepare read it"
    ):
        list(frames_and_flow_images([video._replace(frames=99)], settings, FrameFormat((16, 16))))
    with pytest.raises(VideoError, match="no such file"):
        list(
            frames_and_flow_images(
                [video._replace(path=str(tmp_path / "gone.mp4"))], settings, FrameFormat((16, 16))
            )
        )
    assert settings.shorter_side == 0  # of folders from before there was this setting
    with pytest.raises(FileError, match="lacks fps; expected the settings of the stage prepare"):
        FlowSettings.of({name: index[name] for name in index if name != "fps"}, "index.json")


def test_a_pipeline_online_extracts_once():
    steps = plan(configured("small", data__videos="videos", flow__online=True))
    assert [step.stage for step in steps][:5] == [
        "prepare",
        "nearest",
        "fit_convnet",
        "fit_convnet",
        "extract",
    ]
    assert [step.cfg.data.stream for step in steps[2:4]] == ["rgb", "flow"]


@pytest.mark.slow
@pytest.mark.parametrize("online", [False, True])
def test_a_walk_over_clips_of_odd_sizes(real_data, tmp_path, online):
    """Four clips of a set whose sizes and rates all differ, each stage for a few steps."""
    for label in ("fight", "noFight"):
        for path in sorted((real_data / "fight_surv" / label).glob("*.mp4"))[:2]:
            (tmp_path / "videos" / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / "videos" / label / path.name)
    run(
        configured(
            "small",
            convnet__backbone="vgg",
            data__videos=str(tmp_path / "videos"),
            workdir=str(tmp_path / "work"),
            data__max_frames=9,
            data__test_fraction=0.5,
            flow__online=online,
            flow__width=56,
            flow__height=42,
            convnet__steps=3,
            convnet__batch=4,
            data__batch=2,
            data__frames=6,
            train__steps=3,
            eval__segments=3,
            eval__batch=2,
            report__examples=1,
        )
    )
    work = Workdir(str(tmp_path / "work"))
    assert len({(video.width, video.height) for video in load_dataset(work.dataset).videos}) > 1
    assert (work.report / "index.html").exists()
    assert bool(list(pathlib.Path(work.root).rglob("*.zip"))) is not online
