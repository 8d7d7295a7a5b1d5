"""Which frames a clip is made of, against the rules written out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from videolstm_jax.clips import snippets

LENGTHS = st.integers(1, 4000)
FRAMES = st.integers(1, 64)


@pytest.mark.parametrize("length", [1, 29, 30])
@pytest.mark.parametrize("rule", ["paper", "authors"])
def test_videos_of_at_most_one_clip_have_equal_segments(length, rule):
    assert snippets.segment_starts(length, 25, 30, rule=rule).tolist() == [0] * 25


def test_lengths_around_the_clip():
    assert snippets.segment_starts(31, 25, 30).tolist() == [0] * 13 + [1] * 12
    assert snippets.segment_starts(54, 25, 30).tolist() == list(range(25))
    assert snippets.segment_starts(31, 25, 30, rule="authors").tolist() == [0] * 25
    assert snippets.segment_starts(53, 25, 30, rule="authors").tolist() == [0] * 25
    assert snippets.segment_starts(54, 25, 30, rule="authors").tolist() == list(range(25))


@pytest.mark.parametrize("length", [30, 54, 78, 79, 186, 240, 1000])
def test_the_authors_rule_as_they_wrote_it(length):
    avg = int((length - 29) / 25)
    assert snippets.segment_starts(length, 25, 30, rule="authors").tolist() == [
        int(avg / 2 + j * avg) for j in range(25)
    ]


@given(LENGTHS, st.integers(1, 40), FRAMES, st.sampled_from(["paper", "authors"]))
def test_segments_stay_inside_the_video(length, segments, frames, rule):
    starts = snippets.segment_starts(length, segments, frames, rule=rule)
    assert starts.shape == (segments,) and starts.dtype == np.int64
    assert starts.min() >= 0 and starts.max() + frames <= max(length, frames)
    assert (np.diff(starts) >= 0).all()


@given(LENGTHS, st.integers(2, 40), FRAMES)
def test_the_paper_rule_reaches_both_ends_evenly(length, segments, frames):
    starts = snippets.segment_starts(length, segments, frames)
    assert starts[0] == 0 and starts[-1] == max(0, length - frames)
    assert np.diff(starts).max() - np.diff(starts).min() <= 1 + 1e-9


@given(LENGTHS, st.integers(1, 40), FRAMES)
def test_unique_segments_count_every_segment(length, segments, frames):
    starts = snippets.segment_starts(length, segments, frames)
    different, counts = snippets.unique_segment_starts(starts)
    assert np.repeat(different, counts).tolist() == starts.tolist()
    assert len(set(different.tolist())) == len(different)


@given(st.data(), LENGTHS, FRAMES)
def test_clips_repeat_the_last_frame(data, length, frames):
    start = data.draw(st.integers(0, length - 1))
    index, mask = snippets.clip_indices(length, start, frames)
    assert index.tolist() == [min(start + t, length - 1) for t in range(frames)]
    assert mask.tolist() == [start + t < length for t in range(frames)]
    assert mask[0]


def test_a_clip_of_one_frame():
    index, mask = snippets.clip_indices(1, 0, 4)
    assert index.tolist() == [0, 0, 0, 0] and mask.tolist() == [True, False, False, False]


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="length is 0"):
        snippets.segment_starts(0, 25, 30)
    with pytest.raises(ValueError, match="'middle'; expected one of 'paper', 'authors'"):
        snippets.segment_starts(10, 25, 30, rule="middle")
    with pytest.raises(ValueError, match="from frame 9 of a video of 9"):
        snippets.clip_indices(9, 9, 30)
