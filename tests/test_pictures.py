"""Encoded frames that are moved into a file, not encoded again."""

import io

import av
import numpy as np
import pytest
from PIL import Image
from small_films import smooth

from videolstm_jax.video import decode
from videolstm_jax.video.pictures import write_video_pictures


def encoded(frames, kind, **options):
    packets = []
    for frame in frames:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, kind, **options)
        packets.append(buffer.getvalue())
    return packets


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_file_holds_the_very_bytes(tmp_path, kind):
    frames = smooth(5, 21, 34)
    pictures = encoded(frames, kind)
    write_video_pictures(tmp_path / "a.avi", pictures, 12.5)
    assert decode.probe_video(tmp_path / "a.avi") == (5, 34, 21, 12.5)
    with av.open(str(tmp_path / "a.avi")) as container:
        assert [bytes(packet) for packet in container.demux() if packet.size] == pictures
    packets = decode.read_video(tmp_path / "a.avi")
    if kind == "PNG":
        np.testing.assert_array_equal(packets, frames)
    write_video_pictures(tmp_path / "b.avi", pictures, 12.5)
    assert (tmp_path / "a.avi").read_bytes() == (tmp_path / "b.avi").read_bytes()


def test_grey_pictures_are_read_as_rgb(tmp_path):
    frames = smooth(3, 16, 20)[..., 0]
    write_video_pictures(tmp_path / "a.avi", encoded(frames, "PNG"))
    np.testing.assert_array_equal(
        decode.read_video(tmp_path / "a.avi"), np.repeat(frames[..., None], 3, axis=3)
    )


@pytest.mark.parametrize(
    ("name", "pictures", "message"),
    [
        ("a.mp4", encoded(smooth(1, 8, 8), "PNG"), "expected at least 1, and a file .avi"),
        ("a.avi", [], "0 frames; expected at least 1"),
        ("a.avi", [b"no picture"], "frame 0 is no JPEG or PNG, 10 bytes"),
        ("a.avi", encoded(smooth(1, 8, 8), "BMP"), "frame 0 is no JPEG or PNG"),
        ("a.avi", encoded(np.zeros((1, 8, 8), np.uint16), "PNG"), "expected JPEG or PNG of 8 bits"),
        (
            "a.avi",
            encoded(smooth(1, 8, 8), "PNG") + encoded(smooth(1, 8, 8), "JPEG"),
            "frame 1 is .*JPEG.*; expected all",
        ),
    ],
)
def test_what_cannot_be_moved_is_named(tmp_path, name, pictures, message):
    with pytest.raises(ValueError, match=message):
        write_video_pictures(tmp_path / name, pictures)
    assert not list(tmp_path.iterdir())
