"""Every command on videos whose names steer terminals and pages: nothing of it comes through."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from short_pipeline import SHORT, write_videos

from videolstm_jax.config import setting_text
from videolstm_jax.progress_lines import CLEAR_LINE

pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).parents[1]
# Labels must be printable, and have no slash; names of videos may have all but a slash and a NUL.
LABELS = {"SitDown": '<img src=x onerror="alert(1)">', "StandUp": "&amp; {{ 7 * 7 }} %s"}
STEM = f"{CLEAR_LINE}v\x1b]0;title\x07\r\nb\x9b31m\u202e<script>alert(1)<'\""
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def renamed(folder):
    """The built-in videos with other labels and stems, in class folders of training and test."""
    root = folder / "hostile"
    for number, path in enumerate(sorted((folder / "set" / "videos").rglob("*.mp4"))):
        part = ("train", "train", "test")[number % 3]
        label = LABELS[path.parent.name]
        target = root / part / label / f"{STEM}{number}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    # One that cannot be read is named in warnings and in bad.jsonl.
    (root / "train" / LABELS["SitDown"] / f"{STEM}bad.mp4").write_bytes(b"no video")
    return root


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    write_videos(folder / "set")
    return renamed(folder)


def output_of(folder, *arguments, status=0):
    """What a command prints, which must be printable text."""
    command = [sys.executable, "-m", "videolstm_jax.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == status, text
    assert not CONTROLS.search(text), text
    return text


def test_no_name_comes_through_to_the_terminal_or_a_page(videos, tmp_path):
    settings = {**SHORT, "data__on_bad_video": "skip"}
    flags = [
        f"--{name.replace('__', '.')}={setting_text(value)}" for name, value in settings.items()
    ]
    flags += ["--preset=small", f"--data.videos={videos}"]
    refused = output_of(
        tmp_path, "prepare", *flags, "--workdir=other", "--data.on_bad_video=fail", status=1
    )
    assert refused.splitlines()[-1].startswith("error: ") and r"\x1b]0;title" in refused
    assert r"\x1b]0;title" in output_of(tmp_path, "pipeline", *flags)
    run = "work/runs/videolstm-rgb"
    dataset = json.loads((tmp_path / "work" / "dataset.json").read_text())
    (name, *_) = [video["name"] for video in dataset["videos"] if video["part"] == "test"]
    (video, *_) = [video["path"] for video in dataset["videos"] if video["part"] == "test"]
    output_of(tmp_path, "overlay", f"--run={run}", "--examples=1", "--side=64")
    output_of(tmp_path, "predict", f"--model={run}", f"--video={video}", "--output=none")
    output_of(tmp_path, "features", "inspect", "work/features/rgb/pool5")
    output_of(tmp_path, "features", "verify", "work/features/rgb/pool5")
    # Score files of other programs must not have control characters, and this reads any.
    output_of(tmp_path, "scores", "show", f"{run}/scores.npz", status=1)
    output_of(tmp_path, "bundle", f"--run={run}", "--to=bundle")
    output_of(tmp_path, "compare", f"--run={run}", f"--other={run}")
    tubes = f"{run}/tubes.jsonl"
    missing = output_of(
        tmp_path, "overlay", f"--run={run}", f"--video={name}{STEM}", "--side=64", status=1
    )
    assert missing.splitlines()[-1].startswith("error: ")
    (tmp_path / "list.txt").write_text(f"{name}x\n")
    output_of(tmp_path, "measure", f"--detections={tubes}", f"--truth={tubes}", status=1)
    pages = list((tmp_path / "work").rglob("*.html"))
    assert pages
    for page in pages:
        text = page.read_text()
        assert "<img src=x" not in text and "<script>alert" not in text and "49 %s" not in text
        assert "&lt;img src=x" in text
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert not CONTROLS.search(card)
