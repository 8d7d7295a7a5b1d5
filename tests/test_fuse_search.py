"""The stage `fuse` searches its weights on a validation list, and never on the test list."""

import numpy as np
import pytest
from fuse_workdir import CLASSES, config, random_scores, write_work

from videolstm_jax.config import change
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.measure.fusion.rules import mean_fusion, product_fusion
from videolstm_jax.measure.fusion.weight_search import search_fusion_weights
from videolstm_jax.score_files.fusion_record import load_fusion
from videolstm_jax.stages import fuse
from videolstm_jax.types import Dataset, Scores, Video
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.scores_npz import load_scores, save_scores


@pytest.fixture
def work(tmp_path):
    """A work folder with the scores of three runs."""
    return write_work(tmp_path)


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
    save_scores(work.validation_scores("videolstm-rgb"), validation_scores(0))
    save_scores(work.validation_scores("videolstm-flow"), validation_scores(1, order))
    return config(work, "videolstm-rgb", "videolstm-flow", fuse__search=True)


@pytest.mark.parametrize("method", ["product", "mean"])
def test_weights_are_searched_on_the_validation_list(work, searched, method, capsys):
    path = fuse.run(change(searched, fuse__method=method))
    record = load_fusion(work.fusion_record("fused"))
    search = search_fusion_weights(
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
    expected = fuse_by([random_scores(0).scores, random_scores(1).scores], search.best.weights)
    np.testing.assert_allclose(load_scores(path).scores, expected, atol=1e-6)
    printed = capsys.readouterr().out
    assert f"the best has {search.best.right} of 30 validation videos right" in printed


def test_files_of_any_name_may_choose_the_weights(work, searched, tmp_path):
    names = []
    for seed in (0, 1):
        names.append(str(tmp_path / f"outside{seed}.npz"))
        save_scores(names[-1], validation_scores(seed))
    first = fuse.run(searched).read_bytes()
    assert fuse.run(change(searched, fuse__validation=tuple(names))).read_bytes() == first
    assert load_fusion(work.fusion_record("fused")).search.files == (
        "outside0.npz",
        "outside1.npz",
    )


def assert_search_refused(work, settings, message):
    with pytest.raises(FileError, match=message):
        fuse.run(settings)
    assert not work.fused("fused").exists() and not work.fusion_record("fused").exists()


def test_weights_are_never_searched_on_the_test_list(work, searched):
    only = "weights are searched on a validation list only"
    files = (str(work.scores("videolstm-rgb")), str(work.scores("videolstm-flow")))
    tested = change(searched, fuse__validation=files)
    assert_search_refused(work, tested, f"scores the test list; {only}")
    # The same videos with another name of their list are the test list all the same.
    for name in ("videolstm-rgb", "videolstm-flow"):
        renamed = load_scores(work.scores(name))._replace(part="valid")
        save_scores(work.validation_scores(name), renamed)
    message = f"has 12 videos of the list that is fused; has Jump/v0, .*; {only}"
    assert_search_refused(work, searched, message)


def test_videos_of_the_test_list_of_the_data_set_choose_no_weights(work, searched):
    videos = [Video("Jump/w0", "w0.avi", 0, "test", "", 9, 8, 8, 25.0)]
    save_dataset(work.dataset, Dataset(CLASSES, tuple(videos)))
    assert_search_refused(work, searched, "has 1 videos of the test list of .*; has Jump/w0; weigh")


def test_refuses_validation_scores_that_do_not_fit(work, searched):
    path = work.validation_scores("videolstm-flow")
    save_scores(path, validation_scores(1, np.arange(29)))
    assert_search_refused(work, searched, "lacks 1 of the 30 videos of .*; lacks Wave/w29")
    other = validation_scores(1)._replace(classes=("Run", "Jump", "Wave"))
    save_scores(path, other)
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
        config(work, "a", fuse__validation=("a.npz",))


def test_the_record_of_a_fusion_is_checked(work, searched):
    fuse.run(searched)
    path = work.fusion_record("fused")
    path.write_text(path.read_text().replace('"right"', '"wrong"'))
    with pytest.raises(FileError, match=r"fused.json: search\.(best|equal)\.right is missing"):
        load_fusion(path)
