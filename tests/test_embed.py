"""Pictures as bytes."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from videolstm_jax.report import embed


def frames(count=5):
    return np.random.default_rng(0).integers(0, 256, (count, 24, 32, 3), dtype=np.uint8)


def test_an_animation_holds_every_frame_and_runs_for_ever():
    content = embed.animation(frames(), 0.08)
    with Image.open(io.BytesIO(content)) as image:
        assert image.n_frames == 5 and image.size == (32, 24) and image.info["loop"] == 0
        image.seek(1)
        image.load()
        assert image.info["duration"] == 80


def test_the_same_frames_give_the_same_bytes():
    assert embed.animation(frames(), 0.1) == embed.animation(frames(), 0.1)
    assert embed.still(frames()[0]) == embed.still(frames()[0])


def test_png_is_lossless():
    with Image.open(io.BytesIO(embed.still(frames()[0]))) as image:
        np.testing.assert_array_equal(np.asarray(image), frames()[0])


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_data_uri_says_the_kind_and_holds_the_bytes(kind):
    content = embed.still(frames()[0], kind.upper())
    head, _, tail = embed.data_uri(content).partition(",")
    assert head == f"data:image/{kind};base64" and base64.b64decode(tail) == content


def test_data_uri_refuses_other_bytes():
    with pytest.raises(ValueError, match="expected PNG or WebP"):
        embed.data_uri(b"<svg onload=alert(1)>")
