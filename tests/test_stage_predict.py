"""The stage `predict` films a stream, and ends well however the stream ends."""

import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tiny_pipeline
from command_line import ROOT, run
from small_films import decoded, smooth

from videolstm_jax import files
from videolstm_jax.backbone.convnet import extractor_of
from videolstm_jax.config import PredictConfig
from videolstm_jax.errors import ConfigError, FileError, VideoError
from videolstm_jax.report.pictures import frame_picture
from videolstm_jax.stages import predict
from videolstm_jax.trained.run_record import RunRecord
from videolstm_jax.video import encode
from videolstm_jax.workdir.layout import Workdir


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return tiny_pipeline.write_predictor_run(folder / "work")


@pytest.fixture(scope="module")
def loaded(checkpoint):
    return predict.Predictor(checkpoint)


@pytest.fixture
def quick(monkeypatch, loaded):
    """Loading and compiling once is enough."""
    loaded.restart()
    monkeypatch.setattr(predict, "Predictor", lambda checkpoint, flow="": loaded)
    return loaded


@pytest.fixture
def clip(tmp_path):
    encode.write_video(tmp_path / "clip.avi", smooth(12, 24, 32), 10, codec="ffv1")
    return tmp_path / "clip.avi"


def config(checkpoint, video, **settings):
    return PredictConfig(checkpoint=checkpoint, video=str(video), **{"side": 64, **settings})


def test_a_film_and_a_strip(quick, checkpoint, clip, tmp_path, capsys):
    path = predict.run(config(checkpoint, clip, output=str(tmp_path / "out" / "film.mp4")))
    frames, rate = decoded(path)
    assert len(frames) == 12 and rate == 10 and frames.shape[2] == frame_picture.NARROWEST
    assert {item.name for item in (tmp_path / "out").iterdir()} == {"film.mp4", "film.png"}
    printed = capsys.readouterr().out
    assert re.search(
        r"frame 0  (SitDown|StandUp) 0\.\d\d  \w+ 0\.\d\d  box \d+ \d+ \d+ \d+\n", printed
    )
    for stage in ("decode", "flow", "convnets", "step", "localize", "draw", "encode", "all"):
        assert re.search(rf"\n  {stage} +\d+\.\d\d +\d+\.\d\d", printed), stage
    before = [(tmp_path / "out" / name).read_bytes() for name in ("film.mp4", "film.png")]
    quick.restart()
    predict.run(config(checkpoint, clip, output=str(tmp_path / "out" / "film.mp4")))
    assert before == [(tmp_path / "out" / name).read_bytes() for name in ("film.mp4", "film.png")]


@pytest.mark.parametrize("has_network", [False, True])
def test_a_run_on_imported_features_says_what_it_needs(checkpoint, clip, tmp_path, has_network):
    """Also beside a network that was fitted here: the features are of another one."""
    work = tmp_path / "work"
    shutil.copytree(pathlib.Path(checkpoint).parents[1], work)
    if not has_network:
        shutil.rmtree(work / "convnets" / "rgb")
    run_folder = work / "runs" / pathlib.Path(checkpoint).name
    path = run_folder / "config.json"
    record = files.read_json_object(path)
    imported = extractor_of({"imported": "arrays", "preprocessing": "unknown"})
    record["inputs"] = {"x": {"extractor": imported}}
    files.write_json(path, record)
    with pytest.raises(
        FileError,
        match=r"reads imported features of rgb; .* --backbone=my_module:FUNCTION \(docs",
    ):
        predict.run(config(str(run_folder), clip))
    # Features of ours have the digest of their backbone.
    ours = {"extractor": extractor_of({"backbone": "vgg", "sha256": "0" * 64})}
    record["inputs"] = {"x": ours, "motion": {"extractor": imported}}
    files.write_json(path, record)
    run_record = RunRecord.read(Workdir(str(work)), run_folder.name)
    assert run_record.reads_imported("flow") and not run_record.reads_imported("rgb")


def test_without_a_film(quick, checkpoint, clip, capsys):
    assert predict.run(config(checkpoint, clip, output="none", max_frames=5)) is None
    printed = capsys.readouterr().out
    assert "encode" not in printed and "frame 3" in printed


def test_the_film_lies_in_the_work_folder(checkpoint, clip):
    cfg = config(checkpoint, clip)
    assert str(predict._film_path(cfg)).endswith("work/predicted/clip.mp4")
    assert str(predict._film_path(config(checkpoint, "-"))).endswith("work/predicted/stdin.mp4")
    assert str(predict._film_path(config(checkpoint, "0"))).endswith("work/predicted/camera-0.mp4")


def test_interrupted_is_an_end(quick, checkpoint, clip, tmp_path, monkeypatch, capsys):
    watched = quick.__class__.__call__

    def stop(self, frame):
        if self._count == 4:
            raise KeyboardInterrupt
        return watched(self, frame)

    monkeypatch.setattr(quick.__class__, "__call__", stop)
    path = predict.run(config(checkpoint, clip, output=str(tmp_path / "film.mp4")))
    assert len(decoded(path)[0]) == 5, "four that were predicted, and the last one"
    assert "interrupted" in capsys.readouterr().out


def test_damage_is_filmed_up_to_and_told(quick, checkpoint, tmp_path):
    encode.write_video(tmp_path / "a.avi", smooth(40, 48, 64), 10, codec="mjpeg")
    data = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(data[: int(len(data) * 0.6)])
    with pytest.raises(VideoError, match=r"cut\.avi"):
        predict.run(config(checkpoint, tmp_path / "cut.avi", output=str(tmp_path / "film.mp4")))
    assert 15 < len(decoded(tmp_path / "film.mp4")[0]) < 30
    assert (tmp_path / "film.png").exists() and not list(tmp_path.glob(".*"))


def test_overwritten_bytes_are_filmed_up_to_and_told(quick, checkpoint, tmp_path):
    encode.write_video(tmp_path / "a.avi", smooth(40, 48, 64), 10, codec="mpeg4")
    data = bytearray((tmp_path / "a.avi").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = np.random.default_rng(0).bytes(200)
    (tmp_path / "a.avi").write_bytes(data)
    with pytest.raises(VideoError, match=r"a\.avi: damaged"):
        predict.run(config(checkpoint, tmp_path / "a.avi", output=str(tmp_path / "film.mp4")))
    assert 5 < len(decoded(tmp_path / "film.mp4")[0]) < 40
    assert (tmp_path / "film.png").exists() and not list(tmp_path.glob(".*"))


def test_the_film_does_not_replace_its_source(checkpoint, clip, tmp_path):
    before = clip.read_bytes()
    (tmp_path / "link.avi").symlink_to(clip)
    for output in (clip, tmp_path / "x" / ".." / "clip.avi", tmp_path / "link.avi"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(ConfigError, match=r"would replace its own source, .*clip\.avi"):
            predict.run(config(checkpoint, clip, output=str(output)))
    assert clip.read_bytes() == before


def test_a_single_frame_has_no_flow(quick, checkpoint, tmp_path):
    encode.write_video(tmp_path / "one.avi", smooth(1, 24, 32), codec="ffv1")
    with pytest.raises(
        VideoError, match="too short to predict a frame; expected at least 2 frames"
    ):
        predict.run(config(checkpoint, tmp_path / "one.avi", output=str(tmp_path / "film.mp4")))
    assert not list(tmp_path.glob("*film*"))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"checkpoint": ""}, "--model and --checkpoint are empty"),
        ({"video": ""}, "--video is empty"),
        ({"model": "m"}, "--model and --checkpoint are both given"),
        ({"flow": "lk"}, "flow is 'lk'"),
        ({"side": 3}, "side is 3"),
        ({"max_frames": -1}, "max_frames is -1"),
    ],
)
def test_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        PredictConfig(**{"checkpoint": "c", "video": "v", **settings})


def test_model_and_checkpoint_are_one_setting():
    assert PredictConfig(model="m", video="v").folder == "m"
    assert PredictConfig(checkpoint="c", video="v").folder == "c"


def test_an_output_that_is_no_film(checkpoint, clip):
    for output in ("film.gif", "gs://bucket/film.mp4"):
        with pytest.raises(
            ConfigError, match="expected none, or a path on this machine that ends in"
        ):
            predict.run(config(checkpoint, clip, output=output))


def test_on_a_terminal_the_line_is_rewritten(quick, checkpoint, clip, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(predict, "REDRAWN_AFTER", 0.0)
    predict.run(config(checkpoint, clip, output="none"))
    printed = capsys.readouterr().out
    assert printed.count("\r\x1b[2Kframe") == 12 and "frames/s\n" in printed


def test_the_command_reads_a_pipe(checkpoint, clip, tmp_path):
    film = tmp_path / "film.mkv"
    with clip.open("rb") as file:
        pipe = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "launch.predict",
                f"--checkpoint={checkpoint}",
                "--video=-",
                f"--output={film}",
                "--side=64",
            ],
            stdin=pipe.stdout,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
    assert done.returncode == 0, done.stderr
    assert f"wrote {film}" in done.stdout and "reads standard input" in done.stdout
    assert len(decoded(film)[0]) == 12


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "--model and --checkpoint are empty"),
        (["--checkpoint=none", "--video=v"], "none is missing; expected the folder of a run"),
        (["--checkpiont=x"], "Did you mean: checkpoint"),
        (["film.avi"], "unexpected words"),
    ],
)
def test_a_slip_is_one_line(words, message):
    done = run("launch.predict", *words)
    assert (
        done.returncode != 0
        and message in done.stderr + done.stdout
        and "Traceback" not in done.stderr
    )
