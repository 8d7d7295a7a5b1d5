"""Segments and whole videos as scoring reads them, against direct reads of the store."""

import dataclasses

import numpy as np
import pytest
from numbered_features import LENGTHS, NAMES, VIDEOS, store

from videolstm_jax.clips import evaluation, snippets
from videolstm_jax.config import DataConfig, EvalConfig
from videolstm_jax.errors import FileError

DATA = DataConfig(frames=8)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return store(folder / "x", (2, 2, 3), "x"), store(folder / "m", (5,), "motion")


@pytest.mark.parametrize("rule", ["paper", "authors"])
def test_every_different_segment_is_read_once(stores, rule):
    x, motion = stores
    counts = {}
    for read in evaluation.eval_segments(
        x, motion, VIDEOS, DATA, EvalConfig(segments=5, batch=4, segment_rule=rule)
    ):
        (inputs, mask), label, weight = read.batch
        assert inputs.x.shape == (4, 8, 2, 2, 3) and inputs.motion.shape == (4, 8, 1, 1, 5)
        assert (
            inputs.x.dtype == inputs.motion.dtype == weight.dtype == np.float32
            and label.dtype == np.int32
        )
        for row, (video, start, count) in enumerate(
            zip(read.video, read.start, read.count, strict=True)
        ):
            if weight[row] == 0:
                assert video == -1 and count == 0 and not mask[row].any()
                continue
            assert (video, start) not in counts and label[row] == video % 3
            counts[video, start] = count
            index, exists = snippets.clip_indices(LENGTHS[video], start, 8)
            assert np.array_equal(inputs.x[row], x.read(NAMES[video])[index])
            assert np.array_equal(inputs.motion[row, :, 0, 0], motion.read(NAMES[video])[index])
            assert np.array_equal(mask[row], exists)
    for video, length in enumerate(LENGTHS):
        starts = snippets.segment_starts(length, 5, 8, rule=rule)
        repeated = [
            start for (at, start), count in counts.items() if at == video for _ in range(count)
        ]
        assert sorted(repeated) == starts.tolist()


def test_repeats_can_count(stores):
    for read in evaluation.eval_segments(
        stores[0],
        None,
        VIDEOS[:2],
        dataclasses.replace(DATA, short_clips="count"),
        EvalConfig(segments=5, batch=4),
    ):
        assert read.batch.clip.mask.all(1).tolist() == [True, True, False, False]
        assert read.batch.clip.inputs.motion is None


@pytest.mark.parametrize(("batch", "chunk"), [(3, 4), (2, 64), (1, 1), (20, 7)])
def test_chunks_put_together_are_the_videos(stores, batch, chunk):
    x, motion = stores
    pieces = {at: [] for at in range(len(LENGTHS))}
    others = {at: [] for at in range(len(LENGTHS))}
    expected_start, longest = 0, []
    for read in evaluation.video_chunks(x, motion, VIDEOS, batch=batch, chunk=chunk):
        inputs, mask = read.clip
        assert inputs.x.shape == (batch, chunk, 2, 2, 3) and inputs.motion.shape == (
            batch,
            chunk,
            1,
            1,
            5,
        )
        assert read.start == expected_start and read.video.shape == (batch,)
        if read.start == 0:
            longest.append(max(LENGTHS[at] for at in read.video if at >= 0))
        expected_start = 0 if read.last else read.start + chunk
        for row, at in enumerate(read.video):
            assert np.array_equal(mask[row], np.sort(mask[row])[::-1])
            assert not inputs.x[row][~mask[row]].any()
            if at < 0:
                assert not mask[row].any()
            else:
                pieces[at].append(inputs.x[row][mask[row]])
                others[at].append(inputs.motion[row][mask[row]])
    assert expected_start == 0 and longest == sorted(longest, reverse=True)
    for at, name in enumerate(NAMES):
        assert np.array_equal(np.concatenate(pieces[at]), x.read(name))
        assert np.array_equal(np.concatenate(others[at])[:, 0, 0], motion.read(name))


def test_missing_features_are_named(stores):
    with pytest.raises(FileError, match="has no features of c/z"):
        evaluation.video_chunks(*stores, (VIDEOS[0]._replace(name="c/z"),), batch=1, chunk=4)
