"""A few trials of each fault of docs/faults.md: signals, full disks, damaged files."""

import subprocess

import pytest

from benchmarks.faults import damaged_files, full_disk, stop
from benchmarks.faults.bench import Bench

pytestmark = pytest.mark.slow


def test_a_signal_ends_a_stage_that_then_goes_on(tmp_path):
    bench = Bench(tmp_path, "extract")
    rows = []
    for phase, name in (("lists", "SIGINT"), ("work", "SIGTERM")):
        rows.append(stop.trial(bench, phase, name, seed=0))
    bench.close()
    # It may have ended before the signal.
    rows = [row for row in rows if row is not None]
    assert rows and not [row for row in rows if not row["sound"]]


def test_a_full_disk_ends_a_stage_that_then_goes_on(tmp_path):
    try:
        with full_disk.mounted(tmp_path / "disk") as disk:
            bench = Bench(tmp_path, "prepare", work=disk / "work")
            row = full_disk.trial(bench, 40_000)
            bench.close()
    except subprocess.CalledProcessError:
        pytest.skip("this user may not mount a tmpfs")
    assert row["sound"], row


def test_damaged_files_are_refused_or_without_effect(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bench = damaged_files.Bench(tmp_path)
    rows = [bench.trial(damaged_files.draw_trial(bench.done, seed)) for seed in range(100)]
    assert not [row for row in rows if not row["sound"]]
    assert sum(row["outcome"] == "refused" for row in rows) > 50
