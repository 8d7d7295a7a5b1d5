"""The stage `predict` needs fixed memory, however long the stream is."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tiny_pipeline
from small_films import smooth

from videolstm_jax.config import ModelConfig, change
from videolstm_jax.presets import Settings
from videolstm_jax.video import encode

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return tiny_pipeline.write_predictor_run(folder / "work")


def resident(pid="self", field="VmRSS"):
    """Megabytes that a process holds."""
    printed = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", printed)[1]) / 1024


def grown(checkpoint, video, last):
    """Megabytes held after frames 200, 3,000 and the last one, which a few follow.

    What is kept for the strip is bounded in number, and by frame 3,000 it is complete.
    """
    long_clip(video, last + 30)
    env = {
        name: value
        for name, value in os.environ.items()
        if name != "JAX_DISABLE_MOST_OPTIMIZATIONS"
    }
    command = [
        sys.executable,
        "-u",
        "-m",
        "launch.predict",
        f"--checkpoint={checkpoint}",
        f"--video={video}",
        f"--output={video}.film.mp4",
        "--side=64",
    ]
    held = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env) as process:
        for line in process.stdout:
            number = re.match(r"frame (\d+) ", line)
            if number and int(number[1]) % 100 == 0:
                held[int(number[1])] = resident(process.pid)
    assert process.returncode == 0 and max(held) == last
    return held[200], held[3000], held[last]


def long_clip(path, frames, side=48):
    """A clip of blobs that wander, written frame by frame."""
    ground = smooth(64, side, side)
    with encode.growing_video_file(path, (side, side), 25, codec="h264_quick") as add:
        for t in range(frames):
            add(np.roll(ground[t % 64], (t // 7) % side, axis=1))


@pytest.mark.slow
@pytest.mark.skipif(
    not pathlib.Path("/proc/self/status").exists(), reason="reads resident memory from /proc"
)
def test_memory_does_not_grow_in_ten_thousand_frames(checkpoint, tmp_path):
    early, full, late = grown(checkpoint, tmp_path / "a.mp4", 10_000)
    print(f"{early:.1f} MB after frame 200, {full:.1f} after 3,000, {late:.1f} after 10,000")
    assert late - full < 30, f"{full:.0f} MB after frame 3,000, {late:.0f} MB after frame 10,000"
    # XLA and the encoder take their working memory in the first 2,000 frames, up to 80 MB.
    assert late - early < 100, f"{early:.0f} MB after frame 200, {late:.0f} MB after frame 10,000"


@pytest.mark.slow
@pytest.mark.skipif(
    not pathlib.Path("/proc/self/status").exists(), reason="reads resident memory from /proc"
)
def test_memory_at_full_size(tmp_path):
    """Two VGG-16 at 224 pixels, 512 channels, flow at 340 x 256, 101 classes, 320 x 240 frames."""
    cfg = Settings("paper", {"workdir": str(tmp_path / "work")}).for_cell("videolstm", "rgb")
    assert cfg.model == ModelConfig() and cfg.convnet.dense == (4096, 4096)
    classes = tuple(f"Class{c}" for c in range(101))
    for stream in ("rgb", "flow"):
        tiny_pipeline.write_convnet(cfg, stream, classes)
    tiny_pipeline.write_flow_settings(change(cfg, flow__bound=20.0))
    checkpoint = str(tiny_pipeline.write_run(cfg, classes, size=0.01))
    encode.write_video(tmp_path / "a.mp4", smooth(12, 240, 320), 25)
    code = (
        "import sys\n"
        "from test_predict_memory import resident\n"
        "from videolstm_jax.config import PredictConfig\n"
        "from videolstm_jax.stages import predict\n"
        "show = predict._StatusLine.show\n"
        "def printing(line, prediction):\n"
        "    print('held', resident())\n"
        "    show(line, prediction)\n"
        "predict._StatusLine.show = printing\n"
        "predict.run(PredictConfig(checkpoint=sys.argv[1], video=sys.argv[2]))\n"
        "print('most', resident(field='VmHWM'))"
    )
    env = {
        name: value
        for name, value in os.environ.items()
        if name != "JAX_DISABLE_MOST_OPTIMIZATIONS"
    }
    done = subprocess.run(
        [sys.executable, "-c", code, checkpoint, str(tmp_path / "a.mp4")],
        capture_output=True,
        text=True,
        cwd=ROOT / "tests",
        env=env | {"PYTHONPATH": str(ROOT)},
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    held = [float(found) for found in re.findall(r"(?:held|most) (\S+)", done.stdout)]
    assert len(held) == 12 and max(held) < 2500, f"{max(held):.0f} MB"
