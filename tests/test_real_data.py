"""The runner of results on real data: its baselines, folds and rows, on small made data."""

import json
import time

import numpy as np
import pytest

from benchmarks import real_data
from benchmarks.real_data import (
    __main__,
    frame_classifier,
    linear,
    rows,
    stages,
    ucf101_fc6,
    ucf101_features,
)
from videolstm_jax.errors import FileError
from videolstm_jax.presets import configured
from videolstm_jax.types import Scores

CLASSES, DEPTH = 3, 8


def clusters(seed, videos=30):
    """Vectors around a centre for each class, groups of three videos, and their classes."""
    generator = np.random.default_rng(seed)
    label = np.arange(videos) % CLASSES
    centres = 4 * np.eye(CLASSES, DEPTH)
    vectors = centres[label] + generator.normal(size=(videos, DEPTH)) + 3
    return vectors, label, [f"g{video // CLASSES}" for video in range(videos)]


@pytest.mark.parametrize("classifier", ["ridge", "nearest_centroid", "unscaled"])
def test_baselines_tell_clusters_apart(classifier):
    train, label, groups = clusters(0)
    test, test_label, _ = clusters(1)
    if classifier == "ridge":
        scores, strength = linear.ridge(train, label, test, groups=groups)
        assert strength in linear.STRENGTHS
    else:
        scaled = classifier == "nearest_centroid"
        scores = linear.nearest_centroid(train, label, test, scaled=scaled)
    assert scores.shape == (30, CLASSES)
    assert (scores.argmax(1) == test_label).mean() > 0.9


def test_long_vectors_count_more_in_a_centroid_that_is_not_scaled():
    train, label = np.array([[9.0, 0], [0, 1], [1.0, 1]]), np.array([0, 0, 1])
    test = np.array([[1.0, 0], [0, 1]])
    equal = linear.nearest_centroid(train, label, test)[:, 0]
    assert equal[0] == pytest.approx(equal[1]) == pytest.approx(0.5**0.5)
    long = linear.nearest_centroid(train, label, test, scaled=False)[:, 0]
    np.testing.assert_allclose(long, np.array([9, 1]) / 82**0.5)


def test_ridge_is_the_closed_solution():
    train, label, _ = clusters(0)
    test, _, _ = clusters(1, videos=6)
    x = (train - train.mean(0)) / train.std(0)
    strength = 0.1 * np.trace(x @ x.T) / len(x)
    targets = np.eye(CLASSES)[label]
    weights = np.linalg.solve(x.T @ x + strength * np.eye(DEPTH), x.T @ (targets - targets.mean(0)))
    expected = (test - train.mean(0)) / train.std(0) @ weights + targets.mean(0)
    scores_of = linear._ridge_path(train, label, test, CLASSES)
    np.testing.assert_allclose(scores_of(0.1), expected, atol=1e-9)


def test_ridge_ignores_values_that_never_change():
    train, label, groups = clusters(0)
    train[:, -1] = 5
    scores, _ = linear.ridge(train, label, train, groups=groups)
    assert np.isfinite(scores).all()


def test_the_frame_classifier_learns_frames():
    train, label, _ = clusters(0)
    frames = [np.stack([vector, vector]).astype(np.float32) for vector in train]
    layer = frame_classifier.fit(frames, label, seed=0)
    scores = np.stack([frame_classifier.video_scores(layer, video) for video in frames])
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)
    assert (scores.argmax(1) == label).mean() > 0.8


# ---- rows ----------------------------------------------------------------------------------------


def test_rows_come_back_from_their_file():
    right = np.array([[True, False, True], [True, True, False]])
    record = rows.as_record({"a": rows.Row(right, {"seeds": [0, 1]})})
    assert record == {"a": {"seeds": [0, 1], "accuracy": 0.6667, "right": ["101", "110"]}}
    np.testing.assert_array_equal(rows.rows_of(record)["a"].right, right)
    np.testing.assert_allclose(rows.rows_of(record)["a"].shares, [1, 0.5, 0.5])
    record["b"] = {"right": ["10"]}
    with pytest.raises(FileError, match=r"b has rows of .2, 3. videos"):
        rows.rows_of(record)


def test_a_difference_says_whether_an_ordering_holds():
    better, worse = np.ones((1, 40), bool), np.zeros((1, 40), bool)
    worse[:, :20] = True
    of_file = {"better": rows.Row(better), "worse": rows.Row(worse)}
    assert rows.verdict(rows.difference(of_file["better"], of_file["worse"])) == "yes"
    assert rows.verdict(rows.difference(of_file["worse"], of_file["better"])) == "no, the opposite"
    assert rows.verdict(rows.difference(of_file["worse"], of_file["worse"])) == "open"
    table = rows.difference_table(of_file, [("better", "worse"), ("better", "missing")])
    assert "| better | worse | +50.0 (" in table and "missing" not in table


def test_scores_become_right_answers():
    scores = Scores(
        videos=("a", "b"),
        scores=np.array([[0.9, 0.1], [0.8, 0.2]]),
        label=np.array([0, 1]),
        classes=("x", "y"),
        trained=np.zeros(2, bool),
    )
    right = stages.right_by_video(scores)
    assert right == {"a": True, "b": False}
    np.testing.assert_array_equal(stages.in_order(right, ["b", "a"]), [False, True])


# ---- what is computed ----------------------------------------------------------------------------


def test_a_run_is_trained_once_and_not_after_the_end(tmp_path, monkeypatch):
    trained = []

    def evaluate(cfg):
        stages.scores_path(cfg).parent.mkdir(parents=True)
        stages.scores_path(cfg).write_bytes(b"")

    monkeypatch.setattr(stages.train, "run", lambda cfg: trained.append(cfg.run_name))
    monkeypatch.setattr(stages.evaluate, "run", evaluate)
    cfg = configured("small", "lstm", workdir=str(tmp_path), name="lstm-rgb-seed0")
    assert not stages.train_and_score(cfg, stop=time.monotonic())
    assert stages.train_and_score(cfg) and stages.train_and_score(cfg)
    assert trained == ["lstm-rgb-seed0"]


def made_fc6(folder):
    """A small file of UCF101's features: 2 classes, groups 1, 2 (test), 8, 12 and 13."""
    names, label = [], []
    for number, name in enumerate(("Archery", "Biking")):
        for group in (1, 2, 8, 12, 13):
            for clip in (1, 2):
                names.append(f"{name}/v_{name}_g{group:02d}_c{clip:02d}.avi")
                label.append(number)
    label = np.array(label)
    values = np.random.default_rng(0).integers(0, 60, (20, 11, 6))
    values[label == 1, :, :3] += 150
    np.savez(
        folder / ucf101_features.FILE,
        q=values.astype(np.uint8),
        scale=12.5,
        names=np.array(names),
        labels=label,
        train=np.array([int(name[-10:-8]) > 7 for name in names]),
        classes=np.array(["Archery", "Biking"]),
    )


def test_ridge_of_ucf101_is_validated_on_groups_of_the_training_list(tmp_path):
    made_fc6(tmp_path)
    features = ucf101_features.read_features(str(tmp_path))
    # A test video has no part in it, whatever its values.
    features.values[~features.is_train] = np.nan
    ridge = ucf101_fc6.ridge_on_held_out(features)
    assert ridge["right"] == [4] and ridge["videos"] == 4


@pytest.mark.slow
def test_ucf101_goes_from_its_file_to_a_table(tmp_path, monkeypatch, capsys):
    made_fc6(tmp_path)
    small = {
        **ucf101_fc6.SETTINGS,
        "model__hidden": 4,
        "model__head": 4,
        "data__batch": 4,
        "train__steps": 2,
    }
    monkeypatch.setattr(ucf101_fc6, "SETTINGS", small)
    tries = {
        ucf101_fc6.FIRST: ucf101_fc6.Try(),
        "another": ucf101_fc6.Try({"model__head": 3}, "standardised"),
    }
    monkeypatch.setattr(ucf101_fc6, "TRIES", tries)
    monkeypatch.setattr(ucf101_fc6, "CHOSEN", "another")
    monkeypatch.setattr(ucf101_fc6, "TRY_SEEDS", (0,))
    monkeypatch.setattr(ucf101_fc6, "SEEDS", (0,))
    figures = ucf101_fc6.run(str(tmp_path), str(tmp_path / "work"))
    assert figures["videos"] == 8
    assert figures["rows"]["ridge on the mean"].right.all()
    assert figures["rows"]["lstm"].right.shape == (1, 8)
    assert figures["rows"]["lstm, chosen"].right.shape == (1, 8)
    # The validation groups are of the training list: two clips of each class.
    assert figures["validation"]["tries"][ucf101_fc6.CHOSEN]["videos"] == 4

    ridge = figures["validation"]["ridge on the mean"]
    assert ridge["right"] == [4] and ridge["videos"] == 4

    # All is there, so nothing is trained again.
    monkeypatch.setattr(stages.train, "run", pytest.fail)
    again = ucf101_fc6.run(str(tmp_path), str(tmp_path / "work"))
    np.testing.assert_array_equal(again["rows"]["lstm"].right, figures["rows"]["lstm"].right)
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**figures, "rows": rows.as_record(figures["rows"])}))
    __main__.print_tables(str(path))
    assert "| lstm | ridge on the mean |" in capsys.readouterr().out


def test_help_says_the_question_and_the_commands(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["real_data", "--help"])
    with pytest.raises(SystemExit):
        __main__.main()
    text = capsys.readouterr().out
    assert real_data.__doc__.split("\n")[0] in text and "ut_interaction" in text
