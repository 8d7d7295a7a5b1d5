"""Training that starts again at any batch draws the batches that it would have drawn."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.clips.draws import ClipDraws, ClipList, Host, draw_clips
from videolstm_jax.clips.frames import draw_crops, draw_frames, frame_batch_videos
from videolstm_jax.config import ConvNetConfig, DataConfig
from videolstm_jax.types import Video


def clip_list(count):
    generator = np.random.default_rng(count)
    labels = np.arange(count) % 3
    return ClipList(generator.integers(1, 40, count), labels.astype(np.int32))


def drawn(clips, cfg, draws, start, count):
    """`count` batches from `start` on, as rows (video, first frame, view)."""
    stream = draw_clips(clips, cfg, draws, start)
    batches = [np.stack(batch, 1) for batch in itertools.islice(stream, count)]
    return np.array(batches)


def assert_same_at_every_position(count, batch, cfg, draws):
    clips = clip_list(count)
    # Two epochs, and the batch in which the second one ends.
    positions = -(-2 * count // batch) + 1
    batches = drawn(clips, cfg, draws, 0, positions + 1)
    for start in range(positions):
        again = drawn(clips, cfg, draws, start, 2)
        np.testing.assert_array_equal(again, batches[start : start + 2])
    return batches


@pytest.mark.parametrize(
    "order, balanced, mirrored, host",
    [
        ("epochs", False, False, Host(0, 1)),
        ("epochs", True, True, Host(1, 2)),
        ("iid", False, True, Host(0, 1)),
        ("iid", True, False, Host(1, 2)),
    ],
)
def test_a_restart_at_every_position_of_two_epochs_draws_the_same(order, balanced, mirrored, host):
    cfg = DataConfig(frames=8, batch=4, order=order)
    draws = ClipDraws(3, balanced=balanced, host=host, mirrored=mirrored)
    assert_same_at_every_position(7, 4, cfg, draws)


@pytest.mark.slow
@settings(max_examples=25)
@given(
    count=st.integers(1, 15),
    share=st.integers(1, 6),
    hosts=st.integers(1, 4),
    order=st.sampled_from(["iid", "epochs"]),
    balanced=st.booleans(),
    mirrored=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_any_list_batch_and_hosts_draw_the_same(
    count, share, hosts, order, balanced, mirrored, seed
):
    batch = share * hosts
    cfg = DataConfig(frames=8, batch=batch, order=order)
    parts = []
    for index in range(hosts):
        draws = ClipDraws(seed, balanced=balanced, host=Host(index, hosts), mirrored=mirrored)
        parts.append(assert_same_at_every_position(count, batch, cfg, draws))
    # The parts of all hosts are the rows of one; in an epoch each video comes once.
    rows = np.concatenate(parts, 1)
    whole = ClipDraws(seed, balanced=balanced, mirrored=mirrored)
    np.testing.assert_array_equal(rows, drawn(clip_list(count), cfg, whole, 0, len(rows)))
    if order == "epochs" and not balanced:
        videos = rows[:, :, 0].ravel()
        for epoch in range(2):
            assert sorted(videos[epoch * count : (epoch + 1) * count]) == list(range(count))


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(2, 9), min_size=1, max_size=12),
    batch=st.integers(1, 9),
    seed=st.integers(0, 2**32),
    balanced=st.booleans(),
)
def test_frames_of_a_batch_depend_on_seed_and_number_alone(lengths, batch, seed, balanced):
    videos = []
    for number, length in enumerate(lengths):
        videos.append(Video(f"v{number}", "", number % 2 * 3, "train", "", length, 8, 8, 25.0))

    def batch_number(number):
        frames = draw_frames(videos, number, batch=batch, seed=seed, reach=2, balanced=balanced)
        return [*frames, draw_crops(number, batch=batch, seed=seed, side=8, smallest=0.5)]

    positions = -(-2 * len(videos) // batch)
    forwards = [batch_number(number) for number in range(positions)]
    backwards = [batch_number(number) for number in reversed(range(positions))]
    for first, second in zip(forwards, reversed(backwards), strict=True):
        for ours, theirs in zip(first, second, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    # The names that an error gives are those of the batch.
    cfg, draws = ConvNetConfig(batch=batch), ClipDraws(seed, balanced=balanced)
    names = frame_batch_videos(videos, cfg, draws, positions - 1)
    assert names == [f"v{number}" for number in forwards[-1][0]]
