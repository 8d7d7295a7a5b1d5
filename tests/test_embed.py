"""Pictures as bytes."""

import base64
import io
import time

import numpy as np
import pytest
from PIL import Image

from videolstm_jax.report.pictures import encoded


def frames(count=5):
    return np.random.default_rng(0).integers(0, 256, (count, 24, 32, 3), dtype=np.uint8)


def test_an_animation_holds_every_frame_and_runs_for_ever():
    content = encoded.animation_of_pictures(frames(), 0.08)
    with Image.open(io.BytesIO(content)) as image:
        assert image.n_frames == 5 and image.size == (32, 24)
        image.seek(1)
        image.load()
        assert image.info["duration"] == 80
    edit_list = content.index(b"elst")
    assert content[edit_list + 7] & 1, "the flag that repeats an edit list"


def test_the_same_frames_give_the_same_bytes():
    animation = encoded.animation_of_pictures(frames(), 0.1)
    time.sleep(1.1)  # libavif writes dates in seconds
    assert encoded.animation_of_pictures(frames(), 0.1) == animation
    for kind in encoded.SETTINGS:
        assert encoded.still_of_picture(frames()[0], kind) == encoded.still_of_picture(
            frames()[0], kind
        )


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_png_and_webp_are_lossless(kind):
    with Image.open(io.BytesIO(encoded.still_of_picture(frames()[0], kind))) as image:
        np.testing.assert_array_equal(np.asarray(image), frames()[0])


@pytest.mark.parametrize("kind", ["png", "webp", "avif"])
def test_data_uri_says_the_kind_and_holds_the_bytes(kind):
    content = encoded.still_of_picture(frames()[0], kind.upper())
    head, _, tail = encoded.picture_data_uri(content).partition(",")
    assert head == f"data:image/{kind};base64" and base64.b64decode(tail) == content


def test_data_uri_refuses_other_bytes():
    with pytest.raises(ValueError, match="expected PNG, WebP or AVIF"):
        encoded.picture_data_uri(b"<svg onload=alert(1)>")
