"""Training batches against direct reads of the store, whose values name video and frame."""

import itertools
from collections import Counter

import numpy as np
import pytest
from numbered_features import LENGTHS, NAMES, VIDEOS, store

from videolstm_jax.clips import snippets
from videolstm_jax.clips.batches import train_batches
from videolstm_jax.clips.draws import ONLY_HOST, ClipDraws, Host
from videolstm_jax.config import DataConfig
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.features.writer import FeatureWriter


@pytest.fixture(scope="module")
def x(tmp_path_factory):
    return store(tmp_path_factory.mktemp("x"), (2, 2, 3), "x")


@pytest.fixture(scope="module")
def motion(tmp_path_factory):
    return store(tmp_path_factory.mktemp("m"), (5,), "motion")


def take(
    count,
    *stores,
    videos=VIDEOS,
    frames=8,
    batch=6,
    order="iid",
    short_clips="mask",
    seed=3,
    host=ONLY_HOST,
    **options,
):
    cfg = DataConfig(frames=frames, batch=batch, order=order, short_clips=short_clips)
    draws = ClipDraws(seed, host=host)
    return list(itertools.islice(train_batches(*stores, videos, cfg, draws, **options), count))


def where(batches):
    """(video, first frame) of every clip."""
    flat = [clip.reshape(len(clip), -1) for batch in batches for clip in batch.clip.inputs.x]
    return [(int(clip[0, 0]), int(clip[0, 1])) for clip in flat]


def equal(one, two):
    return all(np.array_equal(a, b) for a, b in zip(leaves(one), leaves(two), strict=True))


def leaves(batch):
    return [
        batch.clip.inputs.x,
        batch.clip.inputs.motion,
        batch.clip.mask,
        batch.label,
        batch.weight,
    ]


@pytest.mark.parametrize("order", ["iid", "epochs"])
def test_clips_are_what_the_store_holds(x, motion, order):
    batches = take(12, x, motion, order=order)
    drawn_videos = set()
    for batch in batches:
        assert (
            batch.clip.inputs.x.shape == (6, 8, 2, 2, 3) and batch.clip.inputs.x.dtype == np.float32
        )
        assert (
            batch.clip.inputs.motion.shape == (6, 8, 1, 1, 5)
            and batch.clip.inputs.motion.dtype == np.float32
        )
        assert batch.clip.mask.dtype == bool and batch.label.dtype == np.int32
        assert batch.weight.tolist() == [1.0] * 6 and batch.weight.dtype == np.float32
        for row, (video, start) in enumerate(where([batch])):
            index, mask = snippets.clip_indices(LENGTHS[video], start, 8)
            assert np.array_equal(batch.clip.inputs.x[row], x.read(NAMES[video])[index])
            assert np.array_equal(
                batch.clip.inputs.motion[row, :, 0, 0], motion.read(NAMES[video])[index]
            )
            assert np.array_equal(batch.clip.mask[row], mask)
            assert batch.label[row] == video % 3
            assert start <= max(0, LENGTHS[video] - 8)
            drawn_videos.add(video)
    assert drawn_videos == set(range(len(LENGTHS)))


def test_every_first_frame_and_video_is_as_likely_as_another(x):
    drawn = where(take(80, x, None, batch=50, frames=16))
    videos = Counter(video for video, _ in drawn)
    expected = len(drawn) / len(LENGTHS)
    assert all(abs(count - expected) < 5 * expected**0.5 for count in videos.values())
    starts = Counter(start for video, start in drawn if video == 5)
    assert set(starts) == set(range(41 - 16 + 1))
    assert {start for video, start in drawn if video == 4} == set(range(20 - 16 + 1))


def test_an_epoch_shows_every_video_once_each_in_another_order(x):
    drawn = [video for video, _ in where(take(21, x, None, batch=5, order="epochs"))]
    epochs = [tuple(drawn[at : at + 7]) for at in range(0, 105, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len(set(epochs)) > 10


@pytest.mark.parametrize("order", ["iid", "epochs"])
def test_batch_k_depends_on_seed_and_k_alone(x, motion, order):
    batches = take(6, x, motion, order=order)
    assert all(map(equal, batches, take(6, x, motion, order=order)))
    assert all(map(equal, batches[4:], take(2, x, motion, order=order, start_step=4)))
    assert where(batches) != where(take(6, x, motion, order=order, seed=4))
    assert take(1, x, motion, order=order, start_step=10**6)


def test_resuming_far_in_is_the_same_as_going_there(x):
    assert where(take(1, x, None, order="epochs", start_step=300)) == where(
        take(301, x, None, order="epochs")[300:]
    )


@pytest.mark.parametrize("order", ["iid", "epochs"])
def test_the_parts_of_all_hosts_are_the_batch(x, motion, order):
    complete = take(4, x, motion, order=order, start_step=2)
    parts = [take(4, x, motion, order=order, start_step=2, host=Host(host, 3)) for host in range(3)]
    for at, batch in enumerate(complete):
        for one, *several in zip(leaves(batch), *(leaves(part[at]) for part in parts), strict=True):
            assert np.array_equal(one, np.concatenate(several))


def test_short_clips_can_be_counted(x):
    masked, counted = take(5, x, None, frames=30), take(5, x, None, frames=30, short_clips="count")
    assert where(masked) == where(counted)
    assert not all(batch.clip.mask.all() for batch in masked) and all(
        batch.clip.mask.all() for batch in counted
    )
    assert all(
        np.array_equal(a.clip.inputs.x, b.clip.inputs.x)
        for a, b in zip(masked, counted, strict=True)
    )


def test_features_are_left_in_half_precision(x, motion):
    single = take(2, x, motion)
    half = take(2, x, motion, dtype="float16")
    for batch, small in zip(single, half, strict=True):
        assert small.clip.inputs.x.dtype == small.clip.inputs.motion.dtype == np.float16
        assert np.array_equal(small.clip.inputs.x, batch.clip.inputs.x)
        assert np.array_equal(small.clip.inputs.motion, batch.clip.inputs.motion)


def test_one_video_is_enough(x):
    for order in ("iid", "epochs"):
        assert {video for video, _ in where(take(2, x, None, videos=VIDEOS[4:5], order=order))} == {
            4
        }


def test_what_cannot_be_read_is_named_before_the_first_batch(x, motion, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.batch is 6 for host 0 of 4"):
        take(0, x, None, host=Host(0, 4))
    with pytest.raises(ConfigError, match="host 2 of 2"):
        take(0, x, None, host=Host(2, 2))
    with pytest.raises(ConfigError, match="no videos to train on"):
        take(0, x, None, videos=())
    with pytest.raises(ConfigError, match="start_step is -1"):
        take(0, x, None, start_step=-1)
    with pytest.raises(FileError, match="has no features of c/other"):
        take(0, x, None, videos=(VIDEOS[0]._replace(name="c/other"),))
    shorter = store(tmp_path / "m", (5,), "m", lengths=(1, 3, 8, 7, 20, 41, 8))
    with pytest.raises(FileError, match=r"c0/v3 has 9 frames in .* and 7 in"):
        take(0, x, shorter)
    shorter.path("c0/v0").write_bytes(b"")
    with pytest.raises(FileError, match=r"v0\.f16: is 0 bytes long; expected 10"):
        take(0, shorter, None)


def test_a_store_of_bytes_is_read_to_the_same_bits_as_by_hand(x, tmp_path):
    writer = FeatureWriter(tmp_path, (2, 2, 3), {"made": "bytes"}, dtype="uint8")
    for name in NAMES:
        writer.write(name, np.abs(x.read(name)))
    small = writer.finish(NAMES)
    for batch, drawn in zip(take(6, small, None, dtype="float16"), take(6, x, None), strict=True):
        for row, (video, start) in enumerate(where([drawn])):
            index, _ = snippets.clip_indices(LENGTHS[video], start, 8)
            assert np.array_equal(batch.clip.inputs.x[row], small.read(NAMES[video])[index])
            assert batch.clip.inputs.x[row].any()
    small.path("c0/v0").write_bytes(b"")
    with pytest.raises(FileError, match=r"v0\.u8: is 0 bytes long; expected 16"):
        take(0, small, None)
