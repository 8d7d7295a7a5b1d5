"""The ladder of the paper's models: what it trains, and which clips made-up scores have right."""

import feature_stores
import numpy as np
import pytest

from benchmarks.ladder import __main__, runs, sets, trainer, variants
from benchmarks.real_data import stages
from videolstm_jax import files
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.types import Dataset, Scores, Video
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.scores_npz import load_scores, save_scores

# ---- what is trained -----------------------------------------------------------------------------


def test_a_set_without_a_pipeline_takes_the_features_of_the_demo(tmp_path):
    demo = stages.Workdir(str(tmp_path / "demo"))
    stems = {"a1": 3, "b1": 4}
    videos = []
    for number, stem in enumerate(stems):
        name = f"c/{stem}"
        part, frames = ("train", "test")[number], (4, 5)[number]
        videos.append(Video(name, f"{name}.mp4", number, part, "g", frames, 8, 8, 25.0))
    save_dataset(demo.dataset, Dataset(("a", "b"), tuple(videos)))
    for stream in ("rgb", "flow"):
        vectors = feature_stores.written(demo.features(stream, "fc7"), (3,), **stems)
        feature_stores.written(demo.features(stream, "pool5"), (2, 2, 20), **stems)
        (demo.convnet(stream) / "scores.npz").parent.mkdir(parents=True)
        (demo.convnet(stream) / "scores.npz").write_bytes(b"scores")
    sets.make_features("independent", str(tmp_path), demo.root)
    work = stages.Workdir(sets.settings_of("independent", str(tmp_path)).overrides["workdir"])
    maps = FeatureStore.open(work.features("rgb", "pool5"))
    assert maps.shape == (2, 2, sets.CHANNELS) and maps.frames == {"c/a1": 3, "c/b1": 4}
    copied = FeatureStore.open(work.features("flow", "fc7")).read("c/b1")
    np.testing.assert_allclose(copied, vectors["c/b1"], atol=2e-3)
    assert (work.convnet("flow") / "scores.npz").read_bytes() == b"scores"
    # A second call finds everything.
    sets.make_features("independent", str(tmp_path), demo.root)


def test_the_models_of_the_sets(tmp_path):
    names = [run.name for run in runs.RUNS["independent"]]
    assert len(names) == len(set(names)) == 11 and {"videolstm-rgb", "videolstm-flow"} < set(names)
    assert {run.name for run in runs.RUNS["tied"]} < set(names)
    assert set(runs.RUNS) < set(sets.SETS) and sets.SETS["tied"].settings["data__context"] == 1
    assert sets.settings_of("hard", str(tmp_path)).config().data.mirrored
    assert not sets.settings_of("tied", str(tmp_path)).config().data.mirrored


def test_every_change_is_a_run_of_its_own(tmp_path):
    settings = sets.settings_of("hard", str(tmp_path))
    configs = {}
    for name, run in variants.changed_runs().items():
        configs[name] = runs.config_of(run, settings, 1)
    assert len({cfg.run_name for cfg in configs.values()}) == len(variants.CHANGES)
    assert not configs["not mirrored"].data.mirrored
    assert configs["300 updates"].train.steps == 300
    assert configs["A * X times 49"].run_name == "flow-a_x_times_49-seed1"
    assert all(cfg.model.cell == "videolstm" and cfg.seed == 1 for cfg in configs.values())


def test_all_models_of_a_seed_come_before_the_next_seed(tmp_path, monkeypatch):
    opened, trained = [], []

    def train_and_score(trainer, cfg, read_outs):
        trained.append((cfg.run_name, read_outs))

    monkeypatch.setattr(runs.trainer, "open_trainer", lambda cfg: opened.append(cfg.model.cell))
    monkeypatch.setattr(runs.trainer, "on_fold", lambda trainer, cfg: trainer)
    monkeypatch.setattr(runs.trainer, "train_and_score", train_and_score)
    settings = sets.settings_of("tied", str(tmp_path))
    runs.train_all(runs.RUNS["tied"][:2], [settings], (0, 1), read_outs=("convalstm-rgb",))
    first = [("videolstm-rgb-seed0", False), ("convalstm-rgb-seed0", True)]
    assert trained == [*first, ("videolstm-rgb-seed1", False), ("convalstm-rgb-seed1", True)]
    # The programs of a model serve all seeds.
    assert opened == ["videolstm", "convalstm"]
    runs.train_all(runs.RUNS["tied"], [settings], (0,), stop=0.0)
    assert len(trained) == 4


def test_seeds_share_one_program_and_differ(tmp_path):
    settings = sets.settings_of("tied", str(tmp_path))
    work = stages.Workdir(settings.overrides["workdir"])
    stems = {"a1": 6, "a2": 7, "b1": 6, "b2": 8}
    feature_stores.written(work.features("rgb", "fc7"), (3,), **stems)
    videos = []
    for number, stem in enumerate(stems):
        part = ("train", "test")[number % 2]
        name = f"c/{stem}"
        videos.append(Video(name, f"{name}.mp4", number // 2, part, "g", 9, 8, 8, 25.0))
    save_dataset(work.dataset, Dataset(("a", "b"), tuple(videos)))
    small = {"model__hidden": 3, "model__head": 4, "data__frames": 4, "data__batch": 2}
    run = stages.Run(
        "lstm-rgb", "lstm", "rgb", {**small, "train__steps": 3, "data__mirrored": False}
    )
    runs.train_all([run], [settings], (0, 1), read_outs=("lstm-rgb",))
    scores = []
    for seed in (0, 1):
        cfg = runs.config_of(run, settings, seed)
        scores.append(load_scores(stages.scores_path(cfg)))
        np.testing.assert_allclose(scores[seed].scores.sum(1), 1, atol=1e-5)
        read_outs = files.read_arrays(work.run(cfg.run_name) / "read_outs.npz", *trainer.READ_OUTS)
        assert all(table.shape == (2, 2) for table in read_outs)
    assert scores[0].videos == ("c/a2", "c/b2") and scores[0].label.tolist() == [0, 1]
    assert not np.array_equal(scores[0].scores, scores[1].scores)


# ---- which clips are right -----------------------------------------------------------------------


@pytest.fixture
def scored(tmp_path):
    """Settings of a set whose backbones and both VideoLSTMs have made-up scores."""
    settings = sets.settings_of("independent", str(tmp_path))
    work = stages.Workdir(settings.overrides["workdir"])
    videos = []
    for number in range(2):
        name = f"v{number}"
        videos.append(Video(name, f"{name}.mp4", number, "test", "g", 9, 8, 8, 25.0))
    save_dataset(work.dataset, Dataset(("a", "b"), tuple(videos)))

    def write(path, first, second):
        table = np.array([[first, 1 - first], [1 - second, second]])
        trained = np.zeros(2, bool)
        save_scores(path, Scores(("v0", "v1"), table, np.arange(2), ("a", "b"), trained))

    for stream in ("rgb", "flow"):
        write(work.convnet(stream) / "scores.npz", 0.9, 0.9)
    # The product has v0 right with .9 x .4 against .1 x .6, and v1 wrong.
    for name, first, second in (("videolstm-rgb", 0.9, 0.2), ("videolstm-flow", 0.4, 0.3)):
        write(work.run(f"{name}-seed0") / "scores.npz", first, second)
    return settings


def test_rows_are_of_the_seeds_that_were_scored(scored):
    rows = runs.ladder_rows(runs.RUNS["independent"], [scored])
    fused = {"videolstm-rgb", "videolstm-flow"}
    assert set(rows) == {"convnet-rgb", "convnet-flow", *fused, "fusion"}
    np.testing.assert_array_equal(rows["convnet-rgb"].right, [[True, True]])
    np.testing.assert_array_equal(rows["videolstm-rgb"].right, [[True, False]])
    np.testing.assert_array_equal(rows["videolstm-flow"].right, [[False, False]])
    np.testing.assert_array_equal(rows["fusion"].right, [[True, False]])
    assert rows["fusion"].about == {"seeds": [0]}


def test_frames_are_read_in_several_ways(scored):
    # Of v0 the first frames are right, of v1 the last ones.
    first, last = np.eye(2), 1 - np.eye(2)
    run = stages.Workdir(scored.overrides["workdir"]).run("videolstm-flow-seed0")
    tables_of_run = {"mean_of_frames": first, "last_frame": last, "mean_of_last_half": last}
    files.write_arrays(run / "read_outs.npz", **tables_of_run)
    figures = variants.run(scored, stop=0.0)
    right = {name: record["right"] for name, record in figures["rows"].items()}
    assert right["flow ConvNet"] == ["11"]
    assert right["VideoLSTM"] == ["00"]
    assert right["read-out: mean of frames"] == ["11"]
    assert right["read-out: last frame"] == ["00"]


def test_read_outs_weigh_the_frames_of_a_pass():
    scores = np.array([[1.0, 0], [1, 0], [0, 1], [0.5, 0.5]])
    read = {name: function(scores).tolist() for name, function in trainer.READ_OUTS.items()}
    assert read["mean_of_frames"] == [0.625, 0.375]
    assert read["last_frame"] == [0.5, 0.5] and read["mean_of_last_half"] == [0.25, 0.75]


def test_a_task_without_a_work_folder_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["ladder", "stick"])
    with pytest.raises(SystemExit):
        __main__.main()
    assert "--workdir is missing; expected the folder" in capsys.readouterr().err
