"""The stage `fuse` writes the product, and refuses runs that do not fit by name."""

import hashlib

import numpy as np
import pytest
from scipy.special import softmax

from videolstm_jax import artifacts
from videolstm_jax.config import RunConfig, change
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.measure.fusion.rules import mean_fusion, product_fusion
from videolstm_jax.measure.fusion.weight_search import search_weights
from videolstm_jax.score_files.fusion_record import FusionRecord, load_fusion
from videolstm_jax.score_files.import_settings import ImportSettings
from videolstm_jax.score_files.importing import import_scores
from videolstm_jax.stages import fuse
from videolstm_jax.types import Dataset, Scores, Video

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
    with pytest.raises(
        ConfigError, match=r"runs has a\.mat; first give `videolstm scores import a"
    ):
        fuse.run(cfg(work, "videolstm-rgb", "a.mat"))
    with pytest.raises(ConfigError, match="weights has -1 for a mean; expected 0 or more"):
        runs = ("videolstm-rgb", "videolstm-flow")
        fuse.run(cfg(work, *runs, fuse__method="mean", fuse__weights=(1.0, -1.0)))
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


# ---- methods and weights -------------------------------------------------------------------------


def test_the_mean(work, capsys):
    runs = ("videolstm-rgb", "videolstm-flow")
    path = fuse.run(cfg(work, *runs, fuse__method="mean", fuse__weights=(3.0, 1.0)))
    expected = mean_fusion([scores(0).scores, scores(1).scores], [3, 1])
    np.testing.assert_allclose(artifacts.load_scores(path).scores, expected, atol=1e-6)
    assert "product, for comparison" in capsys.readouterr().out
    record = load_fusion(work.fusion_record("fused"))
    right = int((expected.argmax(1) == scores(0).label).sum())
    assert record == FusionRecord("mean", runs, (3.0, 1.0), "test", 12, right)


def validation_scores(seed, order=None, part="valid"):
    """Scores of videos of which the first two classes are right in the stream of seed 0 only."""
    videos = [f"{CLASSES[k % 3]}/w{k}" for k in range(30)]
    label = np.arange(30) % 3
    table = np.random.default_rng(seed).dirichlet(np.ones(3), 30)
    if seed == 0:
        table = 0.4 * table + 0.6 * np.eye(3)[label]
    order = np.arange(30) if order is None else order
    names = tuple(videos[k] for k in order)
    return Scores(names, table[order], label[order], CLASSES, part=part)


@pytest.fixture
def searched(work):
    order = np.random.default_rng(4).permutation(30)
    artifacts.save_scores(work.validation_scores("videolstm-rgb"), validation_scores(0))
    artifacts.save_scores(work.validation_scores("videolstm-flow"), validation_scores(1, order))
    return cfg(work, "videolstm-rgb", "videolstm-flow", fuse__search=True)


@pytest.mark.parametrize("method", ["product", "mean"])
def test_weights_are_searched_on_the_validation_list(work, searched, method, capsys):
    path = fuse.run(change(searched, fuse__method=method))
    record = load_fusion(work.fusion_record("fused"))
    search = search_weights(
        [validation_scores(0).scores, validation_scores(1).scores],
        validation_scores(0).label,
        method,
    )
    assert record.weights == record.search.best.weights == search.best.weights
    assert [candidate.weights for candidate in record.search.tried] == [
        candidate.weights for candidate in search.candidates
    ]
    assert record.search.equal.right == search.equal.right <= record.search.best.right
    assert record.search.videos == 30 and record.search.trained == 0
    assert record.search.files == tuple(f"runs/{name}/scores_valid.npz" for name in record.runs)
    fuse_by = {"product": product_fusion, "mean": mean_fusion}[method]
    expected = fuse_by([scores(0).scores, scores(1).scores], search.best.weights)
    np.testing.assert_allclose(artifacts.load_scores(path).scores, expected, atol=1e-6)
    printed = capsys.readouterr().out
    assert f"the best has {search.best.right} of 30 validation videos right" in printed


def test_files_of_any_name_may_choose_the_weights(work, searched, tmp_path):
    names = []
    for seed in (0, 1):
        names.append(str(tmp_path / f"outside{seed}.npz"))
        artifacts.save_scores(names[-1], validation_scores(seed))
    first = fuse.run(searched).read_bytes()
    assert fuse.run(change(searched, fuse__validation=tuple(names))).read_bytes() == first
    assert load_fusion(work.fusion_record("fused")).search.files == (
        "outside0.npz",
        "outside1.npz",
    )


def assert_search_refused(work, cfg, message):
    with pytest.raises(FileError, match=message):
        fuse.run(cfg)
    assert not work.fused("fused").exists() and not work.fusion_record("fused").exists()


def test_weights_are_never_searched_on_the_test_list(work, searched):
    only = "weights are searched on a validation list only"
    files = (str(work.scores("videolstm-rgb")), str(work.scores("videolstm-flow")))
    tested = change(searched, fuse__validation=files)
    assert_search_refused(work, tested, f"scores the test list; {only}")
    # The same videos with another name of their list are the test list all the same.
    for name in ("videolstm-rgb", "videolstm-flow"):
        renamed = artifacts.load_scores(work.scores(name))._replace(part="valid")
        artifacts.save_scores(work.validation_scores(name), renamed)
    message = f"has 12 videos of the list that is fused; has Jump/v0, .*; {only}"
    assert_search_refused(work, searched, message)


def test_videos_of_the_test_list_of_the_data_set_choose_no_weights(work, searched):
    videos = [Video("Jump/w0", "w0.avi", 0, "test", "", 9, 8, 8, 25.0)]
    artifacts.save_dataset(work.dataset, Dataset(CLASSES, tuple(videos)))
    assert_search_refused(work, searched, "has 1 videos of the test list of .*; has Jump/w0; weigh")


def test_refuses_validation_scores_that_do_not_fit(work, searched):
    path = work.validation_scores("videolstm-flow")
    artifacts.save_scores(path, validation_scores(1, np.arange(29)))
    assert_search_refused(work, searched, "lacks 1 of the 30 videos of .*; lacks Wave/w29")
    other = validation_scores(1)._replace(classes=("Run", "Jump", "Wave"))
    artifacts.save_scores(path, other)
    assert_search_refused(work, searched, "has other classes .*: class 0 is Run; expected Jump")
    path.unlink()
    assert_search_refused(work, searched, "scores_valid.npz is missing")
    twice = (str(work.validation_scores("videolstm-rgb")),) * 2
    assert_search_refused(work, change(searched, fuse__validation=twice), "is there for two runs")
    with pytest.raises(ConfigError, match="validation has 1 files for 2 runs"):
        fuse.run(change(searched, fuse__validation=("a.npz",)))
    with pytest.raises(ConfigError, match=r"fuse.weights is given, and fuse.search too"):
        change(searched, fuse__weights=(1.0, 1.0))
    with pytest.raises(ConfigError, match=r"fuse.validation is given without fuse.search"):
        cfg(work, "a", fuse__validation=("a.npz",))


def test_the_record_of_a_fusion_is_checked(work, searched):
    fuse.run(searched)
    path = work.fusion_record("fused")
    path.write_text(path.read_text().replace('"right"', '"wrong"'))
    with pytest.raises(FileError, match=r"fused.json: search\.(best|equal)\.right is missing"):
        load_fusion(path)


# ---- scores of other systems ---------------------------------------------------------------------


def test_imported_scores_are_fused_beside_a_run(work, tmp_path):
    """A table of another program has the videos in another order, with suffixes, as logits."""
    run, path = scores(0), tmp_path / "idt.csv"
    order = np.random.default_rng(7).permutation(12)
    logits = np.random.default_rng(8).normal(size=(12, 3))
    lines = ["video,label,Jump,Run,Wave"]
    for row in order:
        values = ",".join(map(repr, logits[row].tolist()))
        lines.append(f"C:\\data\\{run.videos[row]}.avi,{CLASSES[run.label[row]]},{values}")
    path.write_text("\n".join(lines))
    imported = import_scores(str(path), ImportSettings(kind="logits"))
    artifacts.save_scores(tmp_path / "idt.npz", imported.scores)
    path = fuse.run(cfg(work, "videolstm-rgb", str(tmp_path / "idt.npz")))
    expected = product_fusion([run.scores, softmax(logits, axis=1)])
    np.testing.assert_allclose(artifacts.load_scores(path).scores, expected, atol=1e-6)
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
        artifacts.save_scores(runs[-1], imported.scores)
    with pytest.raises(ConfigError, match=f"{data}_split1.npz: the kind of flow is unknown"):
        import_scores(source, ImportSettings(stream="flow"))
    work = artifacts.Workdir(str(tmp_path / "work"))
    fused = artifacts.load_scores(fuse.run(cfg(work, *runs, fuse__method=method)))
    assert round(100 * (fused.scores.argmax(1) == fused.label).mean(), 2) == accuracy


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
