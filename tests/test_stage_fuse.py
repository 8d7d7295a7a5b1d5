"""The stage `fuse` writes the product or the mean, and refuses runs that do not fit by name."""

import hashlib

import numpy as np
import pytest
from fuse_workdir import CLASSES, config, random_scores, write_work
from scipy.special import softmax

from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.measure.fusion.rules import mean_fusion, product_fusion
from videolstm_jax.score_files.fusion_record import FusionRecord, load_fusion
from videolstm_jax.score_files.import_settings import ImportSettings
from videolstm_jax.score_files.importing import import_scores
from videolstm_jax.stages import fuse
from videolstm_jax.types import Scores
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores, save_scores


@pytest.fixture
def work(tmp_path):
    """A work folder with the scores of three runs."""
    return write_work(tmp_path)


def test_videos_are_aligned_and_weighted(work, capsys):
    path = fuse.run(
        config(work, "videolstm-rgb", "videolstm-flow", fuse__weights=(1.0, 2.0), fuse__name="two")
    )
    assert path == work.fused("two")
    fused_scores, first = load_scores(path), random_scores(0)
    assert fused_scores.videos == first.videos and fused_scores.classes == first.classes
    np.testing.assert_array_equal(fused_scores.label, first.label)
    expected = product_fusion([first.scores, random_scores(1).scores], [1, 2])
    np.testing.assert_allclose(fused_scores.scores, expected, atol=1e-6)
    right = int((expected.argmax(1) == first.label).sum())
    printed = capsys.readouterr().out
    assert f"{right} of 12 right" in printed.splitlines()[2]
    assert "mean, for comparison" in printed


def test_a_fusion_fuses_on_and_the_same_call_writes_the_same_bytes(work):
    fuse.run(config(work, "videolstm-rgb", "videolstm-flow", fuse__name="two"))
    again = config(
        work, "two", "convnet-rgb", str(work.scores("videolstm-rgb")), fuse__name="three"
    )
    first = hashlib.sha256(fuse.run(again).read_bytes()).hexdigest()
    assert hashlib.sha256(fuse.run(again).read_bytes()).hexdigest() == first
    fused = product_fusion(
        [
            random_scores(0).scores,
            random_scores(1).scores,
            random_scores(3).scores,
            random_scores(0).scores,
        ]
    )
    np.testing.assert_allclose(load_scores(work.fused("three")).scores, fused, atol=1e-5)


def test_refuses_settings(work):
    with pytest.raises(ConfigError, match=r"^fuse\.runs is \(\); expected"):
        fuse.run(config(work))
    with pytest.raises(ConfigError, match="1 exponents for 2 runs"):
        fuse.run(config(work, "videolstm-rgb", "videolstm-flow", fuse__weights=(1.0,)))
    with pytest.raises(
        ConfigError, match=r"runs has a\.mat; first give `videolstm scores import a"
    ):
        fuse.run(config(work, "videolstm-rgb", "a.mat"))
    with pytest.raises(ConfigError, match="weights has -1 for a mean; expected 0 or more"):
        runs = ("videolstm-rgb", "videolstm-flow")
        fuse.run(config(work, *runs, fuse__method="mean", fuse__weights=(1.0, -1.0)))
    with pytest.raises(ConfigError, match="expected each run once"):
        fuse.run(config(work, "videolstm-rgb", "videolstm-rgb"))
    fuse.run(config(work, "videolstm-rgb", "convnet-rgb", fuse__name="two"))
    with pytest.raises(ConfigError, match="also one of its runs"):
        fuse.run(config(work, "two", "videolstm-flow", fuse__name="two"))
    with pytest.raises(
        FileError, match=r"nowhere.*is missing; the stage evaluate or fuse writes it"
    ):
        fuse.run(config(work, "videolstm-rgb", "nowhere"))


def assert_refused(work, other, message):
    save_scores(work.scores("other"), other)
    with pytest.raises(FileError, match=message):
        fuse.run(config(work, "videolstm-rgb", "other", fuse__name="never"))
    assert not work.fused("never").exists()


def test_refuses_runs_that_do_not_fit(work):
    fewer, complete = random_scores(1, np.arange(9)), random_scores(1)
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
        complete._replace(classes=("Jump", "Wave", "Run")),
        "other has another order of classes than videolstm-rgb: class 1 is Wave; expected Run",
    )
    assert_refused(
        work,
        complete._replace(part="valid"),
        "other scores the valid list, videolstm-rgb the test list",
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


def test_the_mean(work, capsys):
    runs = ("videolstm-rgb", "videolstm-flow")
    path = fuse.run(config(work, *runs, fuse__method="mean", fuse__weights=(3.0, 1.0)))
    expected = mean_fusion([random_scores(0).scores, random_scores(1).scores], [3, 1])
    np.testing.assert_allclose(load_scores(path).scores, expected, atol=1e-6)
    assert "product, for comparison" in capsys.readouterr().out
    record = load_fusion(work.fusion_record("fused"))
    right = int((expected.argmax(1) == random_scores(0).label).sum())
    assert record == FusionRecord("mean", runs, (3.0, 1.0), "test", 12, right)


def test_imported_scores_are_fused_beside_a_run(work, tmp_path):
    """A table of another program has the videos in another order, with suffixes, as logits."""
    run, path = random_scores(0), tmp_path / "idt.csv"
    order = np.random.default_rng(7).permutation(12)
    logits = np.random.default_rng(8).normal(size=(12, 3))
    lines = ["video,label,Jump,Run,Wave"]
    for row in order:
        values = ",".join(map(repr, logits[row].tolist()))
        lines.append(f"C:\\data\\{run.videos[row]}.avi,{CLASSES[run.label[row]]},{values}")
    path.write_text("\n".join(lines))
    imported = import_scores(str(path), ImportSettings(kind="logits"))
    save_scores(tmp_path / "idt.npz", imported.scores)
    path = fuse.run(config(work, "videolstm-rgb", str(tmp_path / "idt.npz")))
    expected = product_fusion([run.scores, softmax(logits, axis=1)])
    np.testing.assert_allclose(load_scores(path).scores, expected, atol=1e-6)
    assert load_fusion(work.fusion_record("fused")).runs == ("videolstm-rgb", "idt.npz")


@pytest.mark.parametrize(
    "data, method, accuracy",
    [
        ("ucf101", "product", 92.73),
        ("ucf101", "mean", 90.77),
        ("hmdb51", "product", 64.51),
        ("hmdb51", "mean", 63.53),
    ],
)
def test_published_scores_imported_and_fused(real_data, tmp_path, data, method, accuracy):
    """The commands of docs/scores.md: both streams of a file are imported, then fused."""
    source = str(real_data / "scores" / f"{data}_split1.npz")
    runs = []
    for stream in ("rgb_iframe", "flow"):
        imported = import_scores(source, ImportSettings(stream=stream, kind="logits"))
        runs.append(str(tmp_path / f"{stream}.npz"))
        save_scores(runs[-1], imported.scores)
    with pytest.raises(ConfigError, match=f"{data}_split1.npz: the kind of flow is unknown"):
        import_scores(source, ImportSettings(stream="flow"))
    work = Workdir(str(tmp_path / "work"))
    fused = load_scores(fuse.run(config(work, *runs, fuse__method=method)))
    assert round(100 * (fused.scores.argmax(1) == fused.label).mean(), 2) == accuracy


def test_real_scores(real_data, tmp_path):
    """Two real streams of UCF101 split 1, the second with its videos shuffled."""
    work = Workdir(str(tmp_path))
    with np.load(real_data / "scores" / "ucf101_split1.npz", allow_pickle=False) as file:
        names, label = file["names"], file["labels"]
        streams = {
            name: softmax(file[name].astype(float), axis=1) for name in ("rgb_iframe", "flow")
        }
    classes = tuple(f"class{k:03}" for k in range(101))
    order = np.random.default_rng(0).permutation(len(names))
    for name, table in streams.items():
        rows = order if name == "flow" else np.arange(len(names))
        save_scores(
            work.scores(name),
            Scores(tuple(names[rows].tolist()), table[rows], label[rows], classes),
        )
    fused_scores = load_scores(fuse.run(config(work, "rgb_iframe", "flow")))
    assert round(100 * (fused_scores.scores.argmax(1) == fused_scores.label).mean(), 2) == 92.73
