"""Hundreds of damaged clips of several codecs: each is refused or read, and none ends the run."""

from collections import Counter

import numpy as np
import pytest

from benchmarks import damage
from videolstm_jax.errors import VideoError

# Clips of which at most so many in a hundred come back with other pictures and no complaint. The
# arithmetic coders of VP8 and VP9 take any bytes for pictures, and packets hold no checksum.
UNSEEN = {
    "H.264, mp4": 15,
    "H.264, mkv": 12,
    "MPEG-4 (XviD), avi": 5,
    "MJPEG, avi": 12,
    "VP9, webm": 50,
    "AV1, mp4": 5,
    "MJPEG with null chunks, avi": 16,
    "VP8, webm": 50,
    "MPEG-2, ts": 20,
    "HEVC, mkv": 32,
}


def test_every_kind_of_damage_changes_the_file():
    data = bytes(range(256)) * 40
    for kind in damage.KINDS:
        counts_by_codec = {
            damage.damaged(data, kind, np.random.default_rng(seed)) for seed in range(5)
        }
        assert data not in counts_by_codec and len(counts_by_codec) == 5


def test_outcomes_are_told_apart():
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    figures = {
        "a: the process decoding it ended with SIGSEGV; expected ..": "decoder died",
        "a: not decoded after 30 s; expected ..": "too slow",
        "a: cut short": "refused",
    }
    assert {text: damage.outcome(VideoError(text), frames) for text in figures} == figures
    assert damage.outcome(frames, frames) == "same pictures"
    assert (
        damage.outcome(frames[:1], frames)
        == damage.outcome(frames + np.uint8(1), frames)
        == "other pictures"
    )


@pytest.mark.slow
def test_damaged_clips_of_every_codec():
    """Sound clips lie between the damaged ones; `try_codec` asserts that they stay unchanged."""
    counts_by_codec = {codec: damage.try_codec(codec, 20) for codec in damage.CODECS}
    counts_by_codec = {
        codec: sum(counts.values(), Counter())
        for codec, counts in counts_by_codec.items()
        if counts is not None
    }
    assert sum(sum(counts.values()) for counts in counts_by_codec.values()) >= 500
    for codec, counts in counts_by_codec.items():
        assert sum(counts.values()) == 20 * len(damage.KINDS)
        assert counts["too slow"] == 0
        assert 100 * counts["other pictures"] <= UNSEEN[codec] * sum(counts.values()), (
            codec,
            counts,
        )
