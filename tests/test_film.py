"""A video filmed as somebody draws it."""

import numpy as np
import pytest

from videolstm_jax.errors import VideoError
from videolstm_jax.types import Video
from videolstm_jax.video import decode, encode
from videolstm_jax.video.film import write_film


@pytest.fixture
def video(tmp_path):
    frames = np.repeat(np.arange(0, 250, 25, dtype=np.uint8), 32 * 48 * 3).reshape(10, 32, 48, 3)
    encode.write_video(tmp_path / "a.mp4", frames, 10.0)
    return Video("c/a", str(tmp_path / "a.mp4"), 0, "test", "g", 10, 48, 32, 10.0)


def test_every_frame_is_drawn_and_some_are_handed_back(video, tmp_path):
    drawn_frames = []
    returned = write_film(
        tmp_path / "out" / "film.mp4",
        video,
        lambda frame, t: drawn_frames.append(t) or 255 - frame,
        keep=(0, 7),
    )
    assert drawn_frames == list(range(10)) and set(returned) == {0, 7}
    filmed = decode.read_video(tmp_path / "out" / "film.mp4")
    assert filmed.shape == (10, 32, 48, 3)
    np.testing.assert_allclose(filmed.mean((1, 2, 3)), 255 - np.arange(0, 250, 25), atol=4)
    np.testing.assert_allclose([returned[0].mean(), returned[7].mean()], [0, 175], atol=4)


@pytest.mark.parametrize("other", [{"frames": 12}, {"width": 64}])
def test_a_file_that_is_another_by_now_leaves_no_film(video, tmp_path, other):
    with pytest.raises(
        VideoError, match=r"10 frames of 48 x 32; expected .* as the stage prepare found it"
    ):
        write_film(tmp_path / "out" / "film.mp4", video._replace(**other), lambda frame, t: frame)
    assert not list((tmp_path / "out").iterdir())
