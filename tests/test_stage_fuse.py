"""The stage `fuse` writes the product, and refuses runs that do not fit by name."""

import hashlib

import numpy as np
import pytest
from scipy.special import softmax

from videolstm_jax import artifacts
from videolstm_jax.config import RunConfig, change
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.measure.fusion import product_fusion
from videolstm_jax.stages import fuse
from videolstm_jax.types import Scores

CLASSES = ("Jump", "Run", "Wave")


def scores(seed, order=None, classes=CLASSES):
    videos = [f"{classes[k % 3]}/v{k}" for k in range(12)]
    table = np.random.default_rng(seed).dirichlet(np.ones(3), 12).astype(np.float32)
    order = np.arange(12) if order is None else order
    return Scores(tuple(videos[k] for k in order), table[order], np.arange(12)[order] % 3, classes)


@pytest.fixture
def work(tmp_path):
    folder = artifacts.Workdir(str(tmp_path))
    artifacts.save_scores(folder.scores("videolstm-rgb"), scores(0))
    artifacts.save_scores(
        folder.scores("videolstm-flow"), scores(1, np.random.default_rng(2).permutation(12))
    )
    artifacts.save_scores(folder.scores("convnet-rgb"), scores(3))
    return folder


def cfg(work, *runs, **settings):
    return change(RunConfig(workdir=work.root), fuse__runs=runs, **settings)


def test_videos_are_aligned_and_weighted(work, capsys):
    path = fuse.run(
        cfg(work, "videolstm-rgb", "videolstm-flow", fuse__weights=(1.0, 2.0), fuse__name="two")
    )
    assert path == work.fused("two")
    fused_scores, first = artifacts.load_scores(path), scores(0)
    assert fused_scores.videos == first.videos and fused_scores.classes == first.classes
    np.testing.assert_array_equal(fused_scores.label, first.label)
    expected = product_fusion([first.scores, scores(1).scores], [1, 2])
    np.testing.assert_allclose(fused_scores.scores, expected, atol=1e-6)
    right = int((expected.argmax(1) == first.label).sum())
    printed = capsys.readouterr().out
    assert f"{right} of 12 right" in printed.splitlines()[2]
    assert "mean, for comparison" in printed


def test_a_fusion_fuses_on_and_the_same_call_writes_the_same_bytes(work):
    fuse.run(cfg(work, "videolstm-rgb", "videolstm-flow", fuse__name="two"))
    again = cfg(work, "two", "convnet-rgb", str(work.scores("videolstm-rgb")), fuse__name="three")
    first = hashlib.sha256(fuse.run(again).read_bytes()).hexdigest()
    assert hashlib.sha256(fuse.run(again).read_bytes()).hexdigest() == first
    fused = product_fusion([scores(0).scores, scores(1).scores, scores(3).scores, scores(0).scores])
    np.testing.assert_allclose(artifacts.load_scores(work.fused("three")).scores, fused, atol=1e-5)


def test_refuses_settings(work):
    with pytest.raises(ConfigError, match=r"^fuse\.runs is \(\); expected"):
        fuse.run(cfg(work))
    with pytest.raises(ConfigError, match="1 exponents for 2 runs"):
        fuse.run(cfg(work, "videolstm-rgb", "videolstm-flow", fuse__weights=(1.0,)))
    with pytest.raises(ConfigError, match="expected each run once"):
        fuse.run(cfg(work, "videolstm-rgb", "videolstm-rgb"))
    fuse.run(cfg(work, "videolstm-rgb", "convnet-rgb", fuse__name="two"))
    with pytest.raises(ConfigError, match="also one of its runs"):
        fuse.run(cfg(work, "two", "videolstm-flow", fuse__name="two"))
    with pytest.raises(
        FileError, match=r"nowhere.*is missing; the stage evaluate or fuse writes it"
    ):
        fuse.run(cfg(work, "videolstm-rgb", "nowhere"))


def assert_refused(work, other, message):
    artifacts.save_scores(work.scores("other"), other)
    with pytest.raises(FileError, match=message):
        fuse.run(cfg(work, "videolstm-rgb", "other", fuse__name="never"))
    assert not work.fused("never").exists()


def test_refuses_runs_that_do_not_fit(work):
    fewer, complete = scores(1, np.arange(9)), scores(1)
    assert_refused(
        work,
        fewer,
        "other lacks 3 of the 12 videos of videolstm-rgb and has 0 more; lacks Jump/v9, Run/v10",
    )
    assert_refused(
        work,
        complete._replace(videos=("Jump/new", *complete.videos[1:])),
        "lacks 1 of the 12.*has 1 more.*has Jump/new",
    )
    assert_refused(
        work,
        complete._replace(videos=(complete.videos[1], *complete.videos[1:])),
        "names 1 videos twice",
    )
    assert_refused(
        work,
        complete._replace(classes=("Jump", "Run", "Walk")),
        "other has 3 classes.*not in both Walk, Wave",
    )
    assert_refused(
        work,
        complete._replace(label=(complete.label + 1) % 3),
        "labels 12 videos otherwise.*the first is Jump/v0",
    )
    assert_refused(
        work,
        complete._replace(scores=np.log(complete.scores)),
        "cannot be fused: stream 1 has scores",
    )


def test_real_scores(real_data, tmp_path):
    """Two real streams of UCF101 split 1, the second with its videos shuffled."""
    work = artifacts.Workdir(str(tmp_path))
    with np.load(real_data / "scores" / "ucf101_split1.npz", allow_pickle=False) as file:
        names, label = file["names"], file["labels"]
        streams = {
            name: softmax(file[name].astype(float), axis=1) for name in ("rgb_iframe", "flow")
        }
    classes = tuple(f"class{k:03}" for k in range(101))
    order = np.random.default_rng(0).permutation(len(names))
    for name, table in streams.items():
        rows = order if name == "flow" else np.arange(len(names))
        artifacts.save_scores(
            work.scores(name),
            Scores(tuple(names[rows].tolist()), table[rows], label[rows], classes),
        )
    fused_scores = artifacts.load_scores(fuse.run(cfg(work, "rgb_iframe", "flow")))
    assert round(100 * (fused_scores.scores.argmax(1) == fused_scores.label).mean(), 2) == 92.73
