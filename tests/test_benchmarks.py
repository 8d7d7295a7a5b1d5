"""Every benchmark prints its question, and its command line can be read without running it."""

import datetime
import importlib
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from benchmarks import command_line, record

FOLDER = pathlib.Path(record.__file__).parent
SHARED = {
    "__init__",
    "changed_tvl1",
    "command_line",
    "end_to_end_tables",
    "flow_pairs",
    "forks",
    "held_out",
    "known_motion",
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


def test_parts_that_were_added_later_have_their_commit_found():
    added = {"commit": "89abcde", "date": "2026-01-02"}
    record_of_rows = {"commit": "1234567", "rows": {"a": {"right": ["10"]}, "b": added}}
    assert later_parts(record_of_rows) == [added]


PATHS = sorted(record.RESULTS.glob("*.json*"))


def stamps(path):
    """The dates and commits of a file of results: one or more, or one of each row."""
    rows = [json.loads(path.read_text())] if path.suffix == ".json" else record.read_rows(path)
    # `committed` is of files from before the programs wrote it themselves.
    named = [row.get("committed", row) for row in rows]
    for row in rows:
        named += later_parts(row)
    return named


def later_parts(record):
    """The parts of a record that were added to it later: they have a commit of their own."""
    parts = []
    for value in record.values():
        if isinstance(value, dict):
            if {"commit", "date"} <= value.keys():
                parts.append(value)
            parts += later_parts(value)
    return parts


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_each_result_file_names_a_commit_and_its_date(path):
    for stamp in stamps(path):
        assert stamp["commit"]
        datetime.date.fromisoformat(stamp["date"])


def git(*arguments):
    """The output of git in this checkout; skips the test where there is no answer."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    command = ["git", "-C", str(FOLDER.parent), *arguments]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        pytest.skip(f"{FOLDER.parent} has no git history: {process.stderr.strip()}")
    return process.stdout.strip()


def test_each_commit_of_the_results_is_in_the_history():
    # A source archive may have been unpacked inside of another checkout.
    if pathlib.Path(git("rev-parse", "--show-toplevel")).resolve() != FOLDER.parent.resolve():
        pytest.skip(f"{FOLDER.parent} lies in another checkout and has no history of its own")
    if git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("a shallow clone has only a part of the history")
    # A commit that a rebase replaced is missing here, and so in every clone.
    history = git("rev-list", "HEAD").split()
    named = {stamp["commit"] for path in PATHS for stamp in stamps(path)}
    # Figures of files that were changed and not committed belong to no commit.
    missing = [name for name in named if not any(full.startswith(name) for full in history)]
    assert not missing, f"not in the history of HEAD: {', '.join(sorted(missing))}"
