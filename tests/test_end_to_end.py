"""The benchmark of a block that is trained with the cell: its runs and its counts."""

import numpy as np

from benchmarks import end_to_end
from videolstm_jax.artifacts import Workdir, save_scores
from videolstm_jax.presets import configured
from videolstm_jax.types import Scores


def _save(path, right):
    """Scores of four clips, of which some are right."""
    label = np.array([0, 0, 1, 1], np.int32)
    answer = np.where(right, label, 1 - label)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("a/1", "a/2", "b/1", "b/2")
    save_scores(path, Scores(names, np.eye(2, dtype=np.float32)[answer], label, ("a", "b")))


def test_the_paths_differ_in_the_block_alone_and_are_compared_in_pairs(tmp_path):
    cfg = configured(
        "research",
        "alstm",
        workdir=str(tmp_path),
        data__stream="flow",
        train__backbone_from="last_block",
    )
    runs = end_to_end._runs(cfg, [0.1, 1.0], 2)
    assert [run.name for run in runs[:3]] == ["frozen-flow-0", "rate0.1-flow-0", "rate1-flow-0"]
    assert [run.train.backbone_from for run in runs[:2]] == ["", "last_block"]
    assert [run.seed for run in runs] == [0, 0, 0, 1, 1, 1]
    assert runs[1].train.backbone_rate == 0.1 and runs[2].train.backbone_rate == 1.0
    work = Workdir(cfg.workdir)
    _save(work.scores("convnet-flow"), [True, True, False, False])
    for run in runs:
        is_frozen = run.name.startswith("frozen")
        _save(work.scores(run.name), [True, True, not is_frozen, run.seed == 0])
    figures = end_to_end.figures(cfg, [0.1, 1.0], 2)
    assert figures["clips"] == 4 and figures["ConvNet"]["right"] == [2]
    assert figures["rows"]["frozen"]["right"] == [3, 2]
    assert figures["rows"]["rate0.1"]["right"] == [4, 3]
    differences = figures["minus frozen, 95 % of a paired bootstrap of clips"]
    assert differences["rate1"][0] == 0.25
