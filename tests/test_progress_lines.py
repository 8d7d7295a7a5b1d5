"""Lines of progress come while one piece of work takes long, and not where all is quick."""

import re
import time

from videolstm_jax import progress_lines
from videolstm_jax.flow import pace


def test_a_long_block_prints_lines(capsys):
    with progress_lines.ProgressLines(lambda seconds: f"{seconds:.0f} s so far", 0.05):
        time.sleep(0.4)
    lines = capsys.readouterr().out.splitlines()
    # On a busy machine the block takes longer than it sleeps.
    assert 2 <= len(lines) <= 8 and lines[0] == "0 s so far"
    assert all(re.fullmatch(r"\d+ s so far", line) for line in lines)
    time.sleep(0.1)
    assert not capsys.readouterr().out


def test_counted(capsys, monkeypatch):
    assert list(progress_lines.counted(range(3), 3, "opens")) == [0, 1, 2]
    assert not capsys.readouterr().out
    monkeypatch.setattr(progress_lines, "SECONDS", 0.05)
    for _ in progress_lines.counted(range(2), 2, "opens videos"):
        time.sleep(0.2)
    lines = capsys.readouterr().out.splitlines()
    assert "opens videos: 0 of 2" in lines and "opens videos: 1 of 2" in lines


def test_the_estimate_of_flow_leaves_the_compiling_batch_out(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    progress = pace.FlowProgress(10, 1000)
    assert progress.line(12.0) == (
        "prepare: 0 of 10 videos; the first batch of flow compiles, 12 s so far"
    )
    now[0] += 60  # compiles
    progress.pairs_done(100)
    assert progress.line(60.0) == "prepare: 0 of 10 videos, 100 of 1000 pairs"
    now[0] += 10
    progress.pairs_done(100)
    progress.video_done()
    assert progress.line(70.0) == "prepare: 1 of 10 videos, 10.0 pairs/s, 80 s left"
