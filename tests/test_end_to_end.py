"""The benchmark of a block that is trained with the cell: its runs and its counts."""

import numpy as np
import pytest

from benchmarks import end_to_end, end_to_end_tables
from videolstm_jax.presets import configured
from videolstm_jax.types import Scores
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores


def _save(path, right):
    """Scores of four clips, of which some are right."""
    label = np.array([0, 0, 1, 1], np.int32)
    answer = np.where(right, label, 1 - label)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("a/1", "a/2", "b/1", "b/2")
    save_scores(path, Scores(names, np.eye(2, dtype=np.float32)[answer], label, ("a", "b")))


@pytest.fixture
def cfg(tmp_path):
    """The settings of the joint path on hard stick actions."""
    return configured(
        "research",
        "alstm",
        workdir=str(tmp_path),
        data__stream="flow",
        train__backbone_from="last_block",
    )


def test_the_paths_differ_in_the_block_and_in_their_updates(cfg):
    paths = end_to_end.path_names([0.1, 1.0], [700])
    assert paths == ["frozen", "rate0.1", "rate1", "frozen700"]
    runs = [end_to_end.run_config(cfg, path, 1) for path in paths]
    assert runs[0].name == "frozen-flow-1" and all(run.seed == 1 for run in runs)
    assert [run.train.backbone_from for run in runs] == ["", "last_block", "last_block", ""]
    assert runs[1].train.backbone_rate == 0.1 and runs[2].train.backbone_rate == 1.0
    assert [run.train.steps for run in runs] == [*[cfg.train.steps] * 3, 700]


def test_paths_are_compared_in_pairs_of_clips(cfg):
    work, paths = Workdir(cfg.workdir), ["frozen", "rate0.1", "rate1"]
    _save(work.scores("convnet-flow"), [True, True, False, False])
    for path in paths:
        for seed in (0, 1):
            name = end_to_end.run_config(cfg, path, seed).name
            _save(work.scores(name), [True, True, path != "frozen", seed == 0])
    figures = end_to_end.figures([cfg], paths, 2)
    assert figures["clips"] == 4 and figures["ConvNet"]["right"] == [2]
    assert figures["rows"]["frozen"]["right"] == [3, 2]
    assert figures["rows"]["rate0.1"]["right"] == [4, 3]
    differences = figures["minus frozen, 95 % of a paired bootstrap of clips"]
    assert differences["rate1"][0] == 0.25
    # The clips of all folds are pooled.
    pooled = end_to_end.figures([cfg, cfg], paths, 2)
    assert pooled["folds"] == 2 and pooled["rows"]["frozen"]["right"] == [6, 4]


def test_each_group_of_a_folder_is_held_out_once(monkeypatch):
    monkeypatch.setattr(end_to_end, "_make_features", lambda cfg: folds.append(cfg))
    monkeypatch.setattr(end_to_end.train, "run", lambda cfg: None)
    monkeypatch.setattr(end_to_end.evaluate, "run", lambda cfg: None)
    folds = []
    for name in ("figures", "costs"):
        monkeypatch.setattr(end_to_end, name, lambda *arguments: {})
    monkeypatch.setattr(end_to_end.record, "save", lambda *arguments: None)
    arguments = ["--name=w", "--workdir=w", "--videos=v", "--hold_out", "p0", "p1"]
    monkeypatch.setattr("sys.argv", ["end_to_end", *arguments])
    end_to_end.main()
    assert [cfg.data.hold_out for cfg in folds] == ["p0", "p1"]
    assert [cfg.workdir for cfg in folds] == ["w/without-p0", "w/without-p1"]
    assert all(cfg.data.videos == "v" and cfg.data.stream == "flow" for cfg in folds)


def test_groups_without_a_folder_are_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["end_to_end", "--workdir=w", "--hold_out", "p0"])
    with pytest.raises(SystemExit):
        end_to_end.main()
    assert "--videos and --hold_out go together" in capsys.readouterr().err


def test_the_tables_have_words_and_a_factor():
    row = {"right": [3, 4], "of": 10, "share": [0.35, 0.2, 0.5]}
    figures = {
        "clips": 10,
        "stream": "flow",
        "train.steps": 120,
        "ConvNet": {"right": [5], "of": 10, "share": [0.5, 0.3, 0.7]},
        "rows": {"frozen": row, "rate0.1": row, "frozen700": row},
        end_to_end_tables.DIFFERENCES: {"rate0.1": [0.1, -0.1, 0.3], "frozen700": [0, 0, 0]},
        "cost": {
            "frozen": dict.fromkeys(end_to_end_tables.COSTS, 2),
            "joint": dict.fromkeys(end_to_end_tables.COSTS, 5000),
        },
    }
    lines = end_to_end_tables.accuracies(figures).splitlines()
    assert lines[2] == "| flow ConvNet, one seed | 5 | 50.0 (30.0 to 70.0) | - |"
    assert lines[3] == "| frozen features, 120 steps | 3 4 | 35.0 (20.0 to 50.0) | - |"
    assert lines[4].startswith("| last block at rate 0.1, 120 steps | 3 4 |")
    assert lines[4].endswith("| +10.0 (-10.0 to +30.0) |")
    assert lines[5].startswith("| frozen features, 700 steps |")
    assert "| 2 | 5,000 | 2500.0 |" in end_to_end_tables.costs(figures)
