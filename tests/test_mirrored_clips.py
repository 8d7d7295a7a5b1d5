"""The benchmark of mirrored test clips: its clips, its lists and its counts."""

import numpy as np
import pytest

from benchmarks import mirrored_clips
from videolstm_jax.presets import configured
from videolstm_jax.types import Scores
from videolstm_jax.video import encode
from videolstm_jax.video.decode import read_video
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores


def test_each_test_clip_is_listed_as_filmed_and_mirrored(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (3, 16, 24, 3)).astype(np.uint8)
    for name in ("bend", "jack"):
        for performer in range(3):
            path = tmp_path / "videos" / name / f"p{performer}_{name}.mkv"
            path.parent.mkdir(parents=True, exist_ok=True)
            encode.write_video(path, frames, codec="ffv1")
    work = tmp_path / "work"
    mirrored_clips._write_clips(tmp_path / "videos", work, 3)
    flipped = read_video(work / "clips" / "bend" / "p1_bend_mirrored.mkv")
    np.testing.assert_array_equal(flipped, frames[:, :, ::-1])
    assert (work / "lists1" / "testlist01.txt").read_text().split() == [
        "bend/p1_bend.mkv",
        "bend/p1_bend_mirrored.mkv",
        "jack/p1_jack.mkv",
        "jack/p1_jack_mirrored.mkv",
    ]
    lines = (work / "lists1" / "trainlist01.txt").read_text().splitlines()
    assert lines[0] == "bend/p0_bend.mkv 1" and len(lines) == 4
    assert not any("mirrored" in line for line in lines)
    with pytest.raises(ValueError, match="somebody names no performer"):
        mirrored_clips._group("somebody")


def _save(path, right):
    """Scores of two clips, filmed and mirrored, of which some are right."""
    names = ("a/p0_x", "a/p0_x_mirrored", "b/p0_y", "b/p0_y_mirrored")
    label = np.array([0, 0, 1, 1], np.int32)
    answer = np.where(right, label, 1 - label)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_scores(path, Scores(names, np.eye(2, dtype=np.float32)[answer], label, ("a", "b")))


def test_the_counts_of_both_views(tmp_path):
    cfg = configured("small", workdir=str(tmp_path), data__stream="flow")
    work = Workdir(cfg.workdir)
    _save(work.scores("convnet-flow"), [True] * 4)
    for seed in (0, 1):
        _save(work.scores(f"flow-false-{seed}"), [True, False, True, seed == 0])
        _save(work.scores(f"flow-true-{seed}"), [True, True, True, True])
    figures = mirrored_clips.figures([cfg], 2)
    assert figures["clips"] == 2
    off = figures["rows"]["data.mirrored off"]
    assert off["filmed"]["right"] == [2, 2] and off["mirrored"]["right"] == [1, 0]
    assert off["both"]["share"][0] == 5 / 8
    difference = figures["on minus off, 95 % of a paired bootstrap of clips"]
    assert difference["mirrored"][0] == 0.75 and difference["filmed"] == [0, 0, 0]
