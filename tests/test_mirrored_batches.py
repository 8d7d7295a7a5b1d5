"""Clips of two views: a pure draw of (seed, place of the clip), the same one for both inputs."""

import itertools

import numpy as np
import pytest
from numbered_features import NAMES, VIDEOS, store

from videolstm_jax.clips.batches import MirroredStores, train_batches
from videolstm_jax.clips.draws import ONLY_HOST, ClipDraws, ClipList, Host, draw_clips
from videolstm_jax.config import DataConfig
from videolstm_jax.errors import FileError
from videolstm_jax.features.writer import FeatureWriter

BATCH = 6
CLIPS = ClipList(np.array([video.frames - 1 for video in VIDEOS]), np.arange(len(VIDEOS)) % 3)


def _mirrored(filmed, folder):
    """A store of the same features with the other sign, so that a value shows its view."""
    writer = FeatureWriter(folder, filmed.shape, {"made": "mirrored"})
    for name in NAMES:
        # The number of the video may be 0, which has no sign.
        writer.write(name, -filmed.read(name) - 100)
    return writer.finish(NAMES)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Features of both inputs in both views: x, motion, and the mirrored ones."""
    folder = tmp_path_factory.mktemp("stores")
    x, motion = store(folder / "x", (2, 2, 3), "x"), store(folder / "m", (5,), "motion")
    mirrored = MirroredStores(_mirrored(x, folder / "xm"), _mirrored(motion, folder / "mm"))
    return x, motion, mirrored


def _take(count, stores, *, start=0, host=ONLY_HOST, is_mirrored=True, order="epochs"):
    x, motion, mirrored = stores
    batches = train_batches(
        x,
        motion,
        VIDEOS,
        DataConfig(frames=8, batch=BATCH, order=order),
        ClipDraws(3, host=host, mirrored=is_mirrored),
        mirrored=mirrored if is_mirrored else None,
        start_step=start,
    )
    return list(itertools.islice(batches, count))


def _as_filmed(values, views):
    """Values [B, T, ..] of drawn clips, with those of the mirrored view taken back."""
    views = views.reshape(-1, *[1] * (values.ndim - 1))
    return np.where(views, -(values + 100), values)


def _views(values):
    """Which clips of values [B, T, ..] are mirrored: their first value is the video's number."""
    return values.reshape(len(values), -1)[:, 0] < 0


def test_both_inputs_of_a_clip_have_one_view_and_no_other_draw_changes(stores):
    views = []
    for both, plain in zip(_take(10, stores), _take(10, stores, is_mirrored=False), strict=True):
        inputs, filmed = both.clip.inputs, plain.clip.inputs
        mirrored = _views(inputs.x)
        np.testing.assert_array_equal(mirrored, _views(inputs.motion))
        # float16 has steps of 1/16 near 100.
        np.testing.assert_allclose(_as_filmed(inputs.x, mirrored), filmed.x, atol=0.04)
        np.testing.assert_allclose(_as_filmed(inputs.motion, mirrored), filmed.motion, atol=0.04)
        np.testing.assert_array_equal(both.label, plain.label)
        np.testing.assert_array_equal(both.clip.mask, plain.clip.mask)
        views.append(mirrored)
    assert 0 < np.concatenate(views).mean() < 1


@pytest.mark.parametrize("order", ["iid", "epochs"])
def test_batches_from_any_step_are_those_of_a_training_that_was_never_stopped(stores, order):
    through = _take(8, stores, order=order)
    for start in range(8):
        resumed = _take(8 - start, stores, start=start, order=order)
        for before, after in zip(through[start:], resumed, strict=True):
            np.testing.assert_array_equal(before.clip.inputs.x, after.clip.inputs.x)
            np.testing.assert_array_equal(before.clip.inputs.motion, after.clip.inputs.motion)


def test_the_parts_of_all_hosts_have_the_views_of_the_batch(stores):
    (batch,) = _take(1, stores, start=5)
    parts = [_take(1, stores, start=5, host=Host(index, 3))[0] for index in range(3)]
    np.testing.assert_array_equal(
        batch.clip.inputs.x, np.concatenate([part.clip.inputs.x for part in parts])
    )


def _drawn_views(seed, steps, start=0, clips=CLIPS):
    cfg = DataConfig(frames=8, batch=100)
    draws = draw_clips(clips, cfg, ClipDraws(seed, mirrored=True), start)
    return np.concatenate([next(draws).mirrored for _ in range(steps)])


def test_views_are_as_often_and_independent():
    views = _drawn_views(seed=0, steps=40)
    deviation = 0.5 / np.sqrt(len(views))
    assert abs(views.mean() - 0.5) < 4 * deviation
    # One place after the other, and one seed beside another.
    assert abs((views[1:] == views[:-1]).mean() - 0.5) < 4 * deviation
    assert abs((views == _drawn_views(seed=1, steps=40)).mean() - 0.5) < 4 * deviation


def test_a_view_depends_on_the_seed_and_the_place_of_the_clip_alone():
    views = _drawn_views(seed=7, steps=6)
    np.testing.assert_array_equal(views[500:], _drawn_views(seed=7, steps=1, start=5))
    fewer = ClipList(CLIPS.length[:3], CLIPS.label[:3])
    np.testing.assert_array_equal(views, _drawn_views(seed=7, steps=6, clips=fewer))


def test_stores_of_other_frames_are_refused_before_the_first_batch(stores, tmp_path):
    x, motion, mirrored = stores
    lengths = [video.frames - 1 for video in VIDEOS]
    shorter = store(tmp_path / "short", (2, 2, 3), "x", lengths=[*lengths[:-1], lengths[-1] - 1])
    with pytest.raises(FileError, match="expected as many"):
        _take(0, (x, motion, mirrored._replace(x=shorter)))
    cut = store(tmp_path / "cut", (2, 2, 3), "x")
    cut.path(NAMES[0]).write_bytes(b"")
    with pytest.raises(FileError, match=r"v0\.f16: is 0 bytes long"):
        _take(0, (x, motion, mirrored._replace(x=cut)))
