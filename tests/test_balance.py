"""Uneven classes: balanced draws, weights of the loss, and the warning that names both."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from training_workdir import CLASSES, config, write_work

from videolstm_jax.clips import balance
from videolstm_jax.clips.batches import train_batches
from videolstm_jax.clips.draws import ClipDraws
from videolstm_jax.clips.frames import draw_frames
from videolstm_jax.config import DataConfig, change
from videolstm_jax.errors import FileError
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.stages import train
from videolstm_jax.train.losses import frame_xent, sequence_xent
from videolstm_jax.types import Video
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir

COUNTS = (7, 1, 3)


def _videos():
    videos = []
    for label, count in enumerate(COUNTS):
        for k in range(count):
            videos.append(Video(f"c{label}/v{k}", "", label, "train", "g", 6, 8, 8, 25.0))
    return tuple(videos)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    writer = FeatureWriter(tmp_path_factory.mktemp("store") / "x", (1,), {})
    for index, video in enumerate(_videos()):
        writer.write(video.name, np.full((5, 1), index, np.float32))
    return writer.finish([video.name for video in _videos()])


def _drawn(store, order, *, start=0, batches=1, batch=12):
    """Indices and labels of the clips of some batches."""
    stream = train_batches(
        store,
        None,
        _videos(),
        DataConfig(frames=2, batch=batch, order=order),
        ClipDraws(seed=3, balanced=True),
        start_step=start,
    )
    taken = [next(stream) for _ in range(batches)]
    stream.close()
    index = np.concatenate([batch.clip.inputs.x[:, 0].ravel() for batch in taken]).astype(int)
    return index, np.concatenate([batch.label for batch in taken])


@pytest.mark.parametrize("order", ["iid", "epochs"])
def test_batch_k_of_balanced_draws_depends_on_seed_and_k_alone(store, order):
    index, label = _drawn(store, order, batches=4)
    later, later_label = _drawn(store, order, start=3)
    np.testing.assert_array_equal(index[36:], later)
    np.testing.assert_array_equal(label[36:], later_label)
    np.testing.assert_array_equal(label, [_videos()[row].label for row in index])


def test_independent_draws_are_uniform_over_classes_then_videos(store):
    index, label = _drawn(store, "iid", batches=10, batch=300)
    np.testing.assert_allclose(np.bincount(label) / 3000, 1 / 3, atol=0.03)
    share = np.bincount(index, minlength=11) / 3000
    np.testing.assert_allclose(share[:7], 1 / 21, atol=0.02)
    np.testing.assert_allclose(share[8:], 1 / 9, atol=0.03)


def test_epochs_have_each_class_once_a_round_and_each_video_of_it_in_turn(store):
    index, label = _drawn(store, "epochs", batches=7, batch=12)  # 28 rounds of three classes
    for at in range(0, 84, 3):
        assert sorted(label[at : at + 3]) == [0, 1, 2]
    assert len({tuple(label[at : at + 3]) for at in range(0, 84, 3)}) > 3
    first = index[label == 0]
    for at in range(0, 28, 7):
        assert sorted(first[at : at + 7]) == list(range(7))
    assert tuple(first[:7]) != tuple(first[7:14])


def test_frames_are_drawn_balanced_too():
    draws = [draw_frames(_videos(), k, batch=300, seed=1, balanced=True) for k in range(10)]
    video = np.concatenate([draw.video for draw in draws])
    label = np.array([_videos()[row].label for row in video])
    np.testing.assert_allclose(np.bincount(label) / 3000, 1 / 3, atol=0.03)
    np.testing.assert_allclose(np.bincount(video)[:7] / 3000, 1 / 21, atol=0.02)
    again = draw_frames(_videos(), 4, batch=300, seed=1, balanced=True)
    np.testing.assert_array_equal(again.video, draws[4].video)


def test_loss_weights_are_those_of_a_plain_loop():
    label = np.array([0] * 7 + [1] + [3] * 4)
    weights = balance.class_weights(label, 5)
    np.testing.assert_allclose(weights, [12 / (3 * 7), 12 / 3, 0, 12 / (3 * 4), 0], rtol=1e-6)
    assert weights[label].mean() == pytest.approx(1)
    r = np.random.default_rng(0)
    logits, rows = r.normal(size=(4, 3, 5)).astype(np.float32), np.array([0, 1, 3, 1])
    mask, weight = r.random((4, 3)) < 0.7, np.array([1, 1, 1, 0], np.float32)
    total = single = 0.0
    for b in range(3):
        for t in range(3):
            p = np.exp(logits[b, t].astype(np.float64))
            loss = -np.log(p[rows[b]] / p.sum()) * weights[rows[b]]
            total += loss * mask[b, t]
            single += loss * (t == 0)
    arrays = (jnp.asarray(rows), jnp.asarray(mask), jnp.asarray(weight))
    actual = sequence_xent(logits, *arrays, class_weights=weights)
    np.testing.assert_allclose(actual, total / 3, rtol=1e-5)
    actual = frame_xent(logits[:, 0], arrays[0], arrays[2], class_weights=weights)
    np.testing.assert_allclose(actual, single / 3, rtol=1e-5)


def test_the_warning_names_both_classes_and_both_settings():
    text = balance.uneven_text(_videos(), ("Walk", "Run", "Jump", "empty"))
    assert "Walk has 7 training videos, Run has 1" in text
    assert "--train.balance=draws" in text and "--train.balance=loss" in text
    even = [video for video in _videos() if video.label != 1]  # 7 and 3: less than three times
    assert balance.uneven_text(even, ("Walk", "Run", "Jump")) == ""
    assert balance.uneven_text([], ("Walk",)) == ""


@pytest.fixture
def uneven(tmp_path):
    write_work(tmp_path)
    path = Workdir(str(tmp_path)).dataset
    dataset = load_dataset(path)
    # One training video of the second class is left, and four of the first.
    parts = {"bend/p3": "train", "jack/p1": "unused", "jack/p2": "unused"}
    videos = [v._replace(part=parts.get(v.name, v.part)) for v in dataset.videos]
    save_dataset(path, dataset._replace(videos=tuple(videos)))
    return tmp_path


@pytest.mark.slow
def test_train_warns_takes_either_and_does_not_mix_them(uneven, capsys):
    cfg = config(uneven, train__steps=3)
    train.run(cfg)
    warning = f"classes are uneven: {CLASSES[0]} has 4 training videos, {CLASSES[1]} has 1"
    assert warning in capsys.readouterr().out
    losses = []
    for name in ("none", "draws", "loss"):
        folder = train.run(change(cfg, train__balance=name, name=name, train__log_every=1))
        rows = (folder / "metrics.jsonl").read_text().splitlines()
        losses.append(json.loads(rows[-1])["loss"])
    assert len(set(losses)) == 3
    for folder, other in (("draws", "none"), ("none", "loss")):
        with pytest.raises(FileError, match=r"train\.balance"):
            train.run(change(cfg, train__balance=other, name=folder, train__steps=5))
    capsys.readouterr()
    train.run(change(cfg, train__balance="draws", name="draws", train__steps=5))
    assert "uneven" not in capsys.readouterr().out
