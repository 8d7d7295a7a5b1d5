"""Bad input at the command line: one line that names it, status 1, and nothing half-written."""

import numpy as np
import pytest
from command_line import run

from videolstm_jax.video import encode


@pytest.fixture
def folder(tmp_path):
    """Two classes of three good clips each."""
    random = np.random.default_rng(0)
    for name in ("wave", "jump"):
        for number in range(3):
            frames = random.integers(0, 255, (6, 32, 32, 3)).astype(np.uint8)
            encode.write_video(tmp_path / "set" / "videos" / name / f"p{number}_{name}.mp4", frames)
    return tmp_path / "set"


def prepare(folder, *words):
    work = folder.parent / "work"
    return run(
        "launch.prepare", "--preset=small", f"--data.videos={folder}", f"--workdir={work}", *words
    )


def assert_refused(done, folder, *messages):
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    line = [line for line in done.stderr.splitlines() if line.startswith("error: ")][-1]
    for message in messages:
        assert message in line
    work = folder.parent / "work"
    assert not (work / "dataset.json").exists() and not (work / "flow" / "index.json").exists()
    assert not work.exists() or not list(work.rglob("*.part-*"))


def spoil(path, how):
    good = path.read_bytes()
    letter = b"a letter to my aunt\n" * 90
    path.write_bytes(
        {"empty": b"", "truncated": good[: len(good) // 2], "not a video": letter}[how]
    )


@pytest.mark.parametrize(
    "how",
    [
        "truncated",
        pytest.param("empty", marks=pytest.mark.slow),
        pytest.param("not a video", marks=pytest.mark.slow),
    ],
)
def test_a_file_that_cannot_be_read(folder, how):
    spoil(folder / "videos" / "jump" / "p1_jump.mp4", how)
    assert_refused(prepare(folder), folder, "p1_jump.mp4")


def test_a_clip_of_one_frame(folder):
    encode.write_video(
        folder / "videos" / "wave" / "p1_wave.mp4", np.zeros((1, 32, 32, 3), np.uint8)
    )
    assert_refused(prepare(folder), folder, "p1_wave.mp4", "1 frame")


@pytest.mark.slow
def test_bad_videos_may_be_skipped(folder):
    spoil(folder / "videos" / "jump" / "p1_jump.mp4", "truncated")
    encode.write_video(
        folder / "videos" / "wave" / "p0_wave.mp4", np.zeros((1, 32, 32, 3), np.uint8)
    )
    done = prepare(folder, "--data.on_bad_video=skip")
    assert done.returncode == 0, done.stderr
    bad = (folder.parent / "work" / "bad.jsonl").read_text().splitlines()
    assert len(bad) == 2 and "p1_jump" in bad[0] and "p0_wave" in bad[1]


def test_a_list_that_names_a_file_that_is_not_there(folder):
    (folder / "classInd.txt").write_text("1 jump\n2 wave\n")
    (folder / "trainlist01.txt").write_text(
        "jump/p0_jump.mp4 1\nwave/p0_wave.mp4 2\njump/p9_jump.mp4 1\n"
    )
    (folder / "testlist01.txt").write_text("jump/p1_jump.mp4\nwave/p1_wave.mp4\n")
    assert_refused(prepare(folder), folder, "trainlist01.txt", "p9_jump")


def test_a_class_without_clips(folder):
    (folder / "videos" / "sit").mkdir()
    assert_refused(prepare(folder), folder, "sit", "no clips")


def test_a_folder_that_is_not_there(folder):
    assert_refused(prepare(folder.parent / "nowhere"), folder, "nowhere")


@pytest.mark.parametrize(
    "words, message",
    [
        (["--preset=smal"], "did you mean small"),
        (["--data.video=x"], "Did you mean: data.videos"),
        (["--data.batch=none"], "data.batch"),
    ],
)
def test_an_unknown_preset_or_flag(folder, words, message):
    done = prepare(folder, *words)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
