"""Every benchmark prints its question, and its command line can be read without running it."""

import importlib
import json
import pathlib
import sys

import pytest

from benchmarks import command_line, record

FOLDER = pathlib.Path(record.__file__).parent
SHARED = {
    "__init__",
    "command_line",
    "end_to_end_tables",
    "flow_pairs",
    "forks",
    "held_out",
    "map_bootstrap",
    "record",
    "scored_videos",
}
NAMES = sorted({path.stem for path in FOLDER.glob("*.py")} - SHARED)


@pytest.mark.parametrize("name", NAMES)
def test_help_says_the_question_and_the_command(name, monkeypatch, capsys):
    # The libraries that a benchmark compares with are extras.
    for extra in ("cv2", "skimage", "skimage.registration"):
        monkeypatch.setitem(sys.modules, extra, None)
    monkeypatch.delitem(sys.modules, f"benchmarks.{name}", raising=False)
    module = importlib.import_module(f"benchmarks.{name}")
    question = command_line.question(module.__doc__)
    assert "?" in question
    assert f"python -m benchmarks.{name}" in module.__doc__
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit) as stop:
        module.main()
    help_text = capsys.readouterr().out
    assert stop.value.code == 0
    assert question.split()[0] in help_text and f"benchmarks.{name}" in help_text


def test_runs_that_are_not_there_are_refused(monkeypatch, capsys, tmp_path):
    arguments = ["x", "--name=a", "--runs=b,c", f"--work={tmp_path}/none-*"]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit):
        command_line.finished_runs(command_line.parser("Is it so?"))
    assert "matches no folder; expected the work folder" in capsys.readouterr().err
    (tmp_path / "none-1").mkdir()
    options = command_line.finished_runs(command_line.parser("Is it so?"))
    assert options.runs == ["b", "c"] and options.folders == [f"{tmp_path}/none-1"]


def test_results_name_the_commit_of_the_start_of_the_program(tmp_path, monkeypatch):
    record._first_stamp.cache_clear()
    monkeypatch.setattr(record, "commit", lambda: "1234567 with changes")
    command_line.parser("Is it so?")
    monkeypatch.setattr(record, "commit", lambda: "89abcde")
    record.save("a", {"device": "a machine"}, tmp_path)
    record._first_stamp.cache_clear()
    assert json.loads((tmp_path / "a.json").read_text())["commit"] == "1234567 with changes"


def test_results_name_the_device_the_date_and_the_commit(tmp_path):
    record.save("a", {"seconds": 1}, tmp_path)
    own = {"device": "a machine", "date": "2026-01-01", "commit": "1234567", "seconds": 1}
    record.save("b", own, tmp_path)
    first = json.loads((tmp_path / "a.json").read_text())
    assert first == {"device": record.device(), **record.stamp(), "seconds": 1}
    assert json.loads((tmp_path / "b.json").read_text()) == own


@pytest.mark.parametrize("path", sorted(record.RESULTS.glob("*.json*")), ids=lambda path: path.name)
def test_each_result_file_names_a_commit(path):
    rows = [json.loads(path.read_text())] if path.suffix == ".json" else record.read_rows(path)
    for row in rows:
        # `committed` is of files from before the programs wrote it themselves.
        stamp = row.get("committed", row)
        assert stamp["commit"]
