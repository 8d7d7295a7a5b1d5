"""Stages that are killed with SIGKILL at random instants end with what an unbroken run leaves."""

import pytest

from benchmarks import kill


def trials(folder, stage, kills):
    """Rows of as many trials as it takes to kill the stage so often."""
    bench = kill.Bench(folder, stage)
    rows = []
    while sum(len(row["kills"]) for row in rows) < kills:
        rows.append(bench.trial(seed=len(rows)))
    return rows


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "kills"), [("prepare", 2), ("fit_convnet", 2), ("extract", 2), ("train", 10)]
)
def test_a_killed_stage_leaves_what_an_unbroken_one_leaves(tmp_path, stage, kills):
    rows = trials(tmp_path, stage, kills)
    unequal = [row for row in rows if not row["equal"]]
    assert not unequal


def test_what_differs_is_named(tmp_path):
    (tmp_path / "flow").mkdir()
    unbroken = {"flow/a.zip": b"1", "flow/b.zip": b"2", "flow/c.zip": b"3"}
    for name in ("a.zip", "b.zip", ".d.zip.part-0123456789abcdef"):
        (tmp_path / "flow" / name).write_bytes(b"1")
    left = "flow/.d.zip.part-0123456789abcdef"
    assert kill.differences(tmp_path, unbroken) == [left, "flow/b.zip", "flow/c.zip"]
    assert kill.unfinished_files(tmp_path) == [left]


def test_a_process_that_ends_first_is_not_counted(tmp_path):
    ended = ["true"]
    assert kill.run_and_kill(ended, tmp_path, 5.0, during_a_save=False) is None
    waiting = kill.run_and_kill(["sleep", "60"], tmp_path, 0.05, during_a_save=False)
    assert 0.05 <= waiting.seconds < 30 and waiting.unfinished == ""
    writer = ["sh", "-c", "sleep .2; touch $0/.a.part-1; sleep 60", str(tmp_path)]
    assert kill.run_and_kill(writer, tmp_path, 0, during_a_save=True).unfinished == ".a.part-1"
