"""Stages that are killed with SIGKILL at random instants end with what an unbroken run leaves."""

import json

import pytest

from benchmarks.faults import folders, kill
from benchmarks.faults.bench import Bench
from benchmarks.faults.process import Process, Seconds


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "kills"),
    [
        ("prepare", 2),
        ("fit_convnet", 2),
        ("extract", 2),
        ("train", 10),
        ("evaluate", 3),
        ("localize", 3),
        ("fuse", 3),
        ("report", 3),
    ],
)
def test_a_killed_stage_leaves_what_an_unbroken_one_leaves(tmp_path, stage, kills):
    bench = Bench(tmp_path, stage)
    rows = []
    while len(rows) < kills:
        rows += kill.chain(bench, len(rows), most=kills - len(rows))
    bench.close()
    failed = [row for row in rows if not row["sound"]]
    assert not failed, json.dumps(failed)


def started(folder, *words):
    """A process that writes a work folder; its output lies beside that."""
    (folder / "work").mkdir(exist_ok=True)
    return Process(words, folder / "work", folder / "output.txt")


def test_what_differs_is_named(tmp_path):
    (tmp_path / "flow").mkdir()
    unbroken = {"flow/a.zip": b"1", "flow/b.zip": b"2", "flow/c.zip": b"3"}
    for name in ("a.zip", "b.zip", ".d.zip.part-0123456789abcdef"):
        (tmp_path / "flow" / name).write_bytes(b"1")
    left = "flow/.d.zip.part-0123456789abcdef"
    assert folders.differences(tmp_path, unbroken) == [left, "flow/b.zip", "flow/c.zip"]
    assert folders.unfinished_files(tmp_path) == [left]


def test_half_a_file_under_a_final_name_is_named(tmp_path):
    unbroken = {"a.json": b"12", "b.json": b"34", "metrics.jsonl": b"1\n2\n"}
    (tmp_path / "a.json").write_bytes(b"1")
    (tmp_path / "b.json").write_bytes(b"0")
    (tmp_path / "metrics.jsonl").write_bytes(b"1\n")
    assert folders.half_written(tmp_path, {"b.json": b"0"}, unbroken) == ["a.json"]
    # Notes are not there at the end; the last line of an append may be cut.
    (tmp_path / "done.jsonl").write_bytes(b'{"name": "a"}\n{"na')
    assert folders.half_written(tmp_path, {"b.json": b"0"}, unbroken) == ["a.json"]
    (tmp_path / "done.jsonl").write_bytes(b'{"na\n{"name": "a"}\n')
    assert "done.jsonl" in folders.half_written(tmp_path, {}, unbroken)
    (tmp_path / "done.jsonl").unlink()
    (tmp_path / "metrics.jsonl").write_bytes(b"2\n")
    assert folders.half_written(tmp_path, {}, unbroken) == ["a.json", "b.json", "metrics.jsonl"]


def test_a_process_that_ends_first_is_not_counted(tmp_path):
    early, typical = kill.Instant("start", 0.5), Seconds(0.1, 1.0)
    assert kill.run_and_kill(started(tmp_path, "true"), early, Seconds(10, 0)) is None
    process = started(tmp_path, "sleep", "60")
    killed = kill.run_and_kill(process, early, typical)
    assert 0.05 <= killed.seconds < 30 and killed.unfinished == ""
    code = "echo step 1; sleep .1; touch $0/.a.part-1; sleep 60"
    process = started(tmp_path, "sh", "-c", code, str(tmp_path / "work"))
    killed = kill.run_and_kill(process, kill.Instant("save", 0.0), typical)
    assert (killed.unfinished, killed.last_line) == (".a.part-1", "step 1")


def test_a_process_must_go_on_from_the_newest_checkpoint(tmp_path):
    def report(stage, output):
        rows = [{"newest_step": 8}]
        kill.compare_report(stage, rows, output)
        return rows[0].get("report")

    assert report("train", "goes on from step 8 of runs/x/ckpt\nstep 9/80") is None
    assert report("train", "preset small\n") is None
    wrong = "went on from step 4; the newest one is 8"
    assert report("fit_convnet", "goes on from step 4 of ckpt\n") == wrong
    assert report("train", "step 3/80\n") == "went on from step 0; the newest one is 8"
    assert report("prepare", "step 3/80\n") is None
