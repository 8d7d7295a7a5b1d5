"""Encoded files decode to the size, length and rate given, from equal bytes each time."""

import itertools

import numpy as np
import pytest
from small_films import decoded, smooth

from videolstm_jax.video import encode


@pytest.mark.parametrize(
    "codec, suffix, sides",
    list(
        itertools.product(
            encode.ENCODERS, (".mp4", ".avi", ".mkv"), ((32, 48), (33, 47), (3, 5), (32, 47))
        )
    ),
)
def test_sizes_survive_and_bytes_repeat(tmp_path, codec, suffix, sides):
    frames = smooth(5, *sides)
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    encode.write_video(first, frames, 25, codec=codec)
    encode.write_video(second, frames, 25, codec=codec)
    assert first.read_bytes() == second.read_bytes()
    film_frames, rate = decoded(first)
    assert film_frames.shape == frames.shape and rate == pytest.approx(25)
    assert np.abs(film_frames.astype(int) - frames).mean() < (0.001 if codec == "ffv1" else 6)


@pytest.mark.parametrize("fps", [10, 12.5, 29.97, 30000 / 1001])
def test_rates(tmp_path, fps):
    encode.write_video(tmp_path / "a.mp4", smooth(8, 16, 16), fps)
    assert decoded(tmp_path / "a.mp4")[1] == pytest.approx(fps, rel=1e-4)


def test_quality(tmp_path):
    frames = smooth(6, 64, 64)
    for crf in (5, 40):
        encode.write_video(tmp_path / f"{crf}.mp4", frames, crf=crf)
    fine, coarse = ((tmp_path / f"{crf}.mp4").stat().st_size for crf in (5, 40))
    assert fine > 2 * coarse


@pytest.mark.parametrize(
    "name, shape, dtype, settings, message",
    [
        ("a.txt", (1, 4, 4, 3), np.uint8, {}, "suffix"),
        ("a.mp4", (1, 4, 4), np.uint8, {}, r"expected uint8 \[L, H, W, 3\]"),
        ("a.mp4", (0, 4, 4, 3), np.uint8, {}, "at least 1 frame"),
        ("a.mp4", (1, 4, 4, 3), np.float32, {}, "float32"),
        ("a.mp4", (1, 4, 4, 3), np.uint8, {"fps": 0}, "frames a second"),
        ("a.mp4", (1, 4, 4, 3), np.uint8, {"codec": "h262"}, "expected one of h264"),
    ],
)
def test_refused(tmp_path, name, shape, dtype, settings, message):
    with pytest.raises(ValueError, match=message):
        encode.write_video(tmp_path / name, np.zeros(shape, dtype), **settings)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "suffix, sides", [(".mp4", (32, 48)), (".mkv", (33, 47)), (".avi", (32, 48))]
)
def test_a_growing_film_is_the_film_written_at_once(tmp_path, suffix, sides):
    frames = smooth(9, *sides)
    encode.write_video(tmp_path / f"whole{suffix}", frames, 12.5)
    with encode.growing_video_file(tmp_path / f"grown{suffix}", sides[::-1], 12.5) as add:
        for frame in frames:
            add(frame)
        assert not (tmp_path / f"grown{suffix}").exists()
    assert (tmp_path / f"grown{suffix}").read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()


def test_a_film_that_fails_leaves_nothing(tmp_path):
    shape_message = r"\[8, 9, 3\]; expected uint8 \[16, 16, 3\]"
    with (
        pytest.raises(ValueError, match=shape_message),
        encode.growing_video_file(tmp_path / "a.mp4", (16, 16)) as add,
    ):
        add(np.zeros((16, 16, 3), np.uint8))
        add(np.zeros((8, 9, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_film_for_a_bucket_is_written_there_when_it_is_done(tmp_path, monkeypatch):
    frames, written = smooth(5, 32, 48), {}
    encode.write_video(tmp_path / "whole.mp4", frames)
    monkeypatch.setattr(
        encode.files, "write_bytes", lambda path, data: written.update({str(path): data})
    )
    with (
        pytest.raises(KeyboardInterrupt),
        encode.growing_video_file("gs://b/a.mp4", (48, 32)) as add,
    ):
        add(frames[0])
        raise KeyboardInterrupt
    assert not written
    with encode.growing_video_file("gs://b/a.mp4", (48, 32)) as add:
        for frame in frames:
            add(frame)
    assert written == {"gs://b/a.mp4": (tmp_path / "whole.mp4").read_bytes()}
