"""The trials of faults: their outcomes are told apart, and the page shows what was counted."""

import json
import pathlib

import numpy as np
import pytest

from benchmarks import record
from benchmarks.faults import damaged_files, full_disk, stop, table
from videolstm_jax.errors import FileError


def test_the_page_has_the_table_of_the_results():
    page = table.PAGE.read_text()
    assert table.with_table(page, table.table(record.RESULTS)) == page


def test_the_security_page_has_the_count_of_the_parsers():
    total = json.loads((record.RESULTS / "parsers.json").read_text())["total"]
    text = " ".join((table.PAGE.parents[1] / "SECURITY.md").read_text().split())
    assert f"tried {total['examples']:,} files of {total['parsers']} kinds, and none failed" in text
    assert not total["failures"]


def test_rows_are_counted_by_fault_with_all_their_commits(tmp_path):
    rows = []
    for number, (sound, commit) in enumerate([(True, "b2"), (False, "b2"), (True, "a1")]):
        row = {"stage": "train", "process": "fresh", "unfinished": "a" * number, "sound": sound}
        rows.append(row | {"commit": commit, "date": f"2026-11-2{number}"})
    (tmp_path / "kill_train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (cells,) = table.table_rows(tmp_path)
    assert cells[:3] == ("SIGKILL of `train`", "3", "1")
    assert cells[3].startswith("2 while a file is written, 3 of fresh processes: ")
    assert cells[4:6] == ("b2, a1", "2026-11-20 to 2026-11-22")


@pytest.mark.parametrize(
    ("status", "output", "problem"),
    [
        (143, "step 3\nstopped; the same command goes on\n", ""),
        (None, "", "still ran after 20 s"),
        (-11, "", "status -11"),
        (143, "Traceback ..\nstopped; the same command goes on\n", "a traceback"),
        (143, "step 3\n", "its last line is 'step 3'"),
    ],
)
def test_how_a_signal_ends_a_process(status, output, problem):
    assert stop.problem_of(status, output, 15) == problem


@pytest.mark.parametrize(
    ("status", "output", "problem"),
    [
        (1, "step 3\nerror: /work/a.zip: No space left on device (errno 28)\n", ""),
        (0, "", "status 0"),
        (1, "error: a\nerror: b\n", "2 lines of errors"),
        (1, "error: /work/a.zip: is damaged\n", "does not name a path and the cause"),
        (1, "Traceback ..\nerror: /work/a.zip: ..\n", "a traceback"),
    ],
)
def test_how_a_full_disk_ends_a_stage(status, output, problem):
    found = full_disk.problem_of(status, output, pathlib.Path("/work"))
    assert problem in found and bool(problem) == bool(found)


def test_every_damage_changes_the_file(tmp_path):
    path = tmp_path / "a"
    contents = set()
    for damage in damaged_files.DAMAGES:
        path.write_bytes(bytes(range(100)))
        damaged_files.damage_file(damaged_files.Trial("features", path, damage, 3))
        contents.add(path.read_bytes() if path.exists() else None)
    assert len(contents) == len(damaged_files.DAMAGES) and bytes(range(100)) not in contents


def test_errors_that_a_user_can_mend_are_told_from_others():
    assert damaged_files.is_mendable(FileError("a"))
    assert damaged_files.is_mendable(OSError(28, "full"))
    assert not damaged_files.is_mendable(OSError("without a number"))
    assert not damaged_files.is_mendable(KeyError("a"))
    path = pathlib.Path("/w/runs/x/ckpt/48/params/d/0123")
    assert damaged_files.names_file("/w/runs/x/ckpt: step 48 cannot be read", path)
    assert not damaged_files.names_file("/w/runs/y/ckpt: step 48 cannot be read", path)


def test_a_digest_is_of_every_bit():
    zeros, negative = np.zeros(2), -np.zeros(2)
    assert damaged_files.digest({"a": [zeros]}) == damaged_files.digest({"a": [zeros.copy()]})
    assert damaged_files.digest({"a": [zeros]}) != damaged_files.digest({"a": [negative]})
    assert damaged_files.digest([1, [2]]) != damaged_files.digest([[1], 2])
