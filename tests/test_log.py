"""metrics.jsonl survives a crash and a resume; progress is short."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.errors import FileError
from videolstm_jax.train import log as log_module
from videolstm_jax.train.log import MetricsLog, ProgressLine


def _steps(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_lines_are_appended_and_reread(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, step=0)
    log.write(10, {"loss": 0.1, "accuracy": 2 / 3})
    log.write(20, {"loss": 1e-30})
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows == [{"step": 10, "loss": 0.1, "accuracy": 2 / 3}, {"step": 20, "loss": 1e-30}]


@settings(max_examples=25, deadline=None)
@given(written=st.integers(0, 8), resumed=st.integers(0, 10), torn=st.integers(0, 12))
def test_resuming_drops_later_and_torn_lines(tmp_path_factory, written, resumed, torn):
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    log = MetricsLog(path, step=0)
    for step in range(1, written + 1):
        log.write(step, {"loss": 0.5})
    with path.open("ab") as file:
        file.write(b'{"step": 1, "loss": 0.5}\n'[:torn])
    again = MetricsLog(path, step=resumed)
    assert _steps(path) == list(range(1, min(written, resumed) + 1))
    again.write(resumed + 1, {"loss": 0.5})
    assert _steps(path)[-1] == resumed + 1


def test_lines_that_the_training_did_not_write_are_refused(tmp_path, capsys):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, step=0)
    log.write(10, {"loss": 0.25})
    sha256 = log.sha256
    log.write(20, {"loss": 0.5})
    sound = path.read_bytes()
    # Of a number, of a line that is none any more, and of the end of the file.
    for damaged in (sound.replace(b"0.25", b"0.35"), sound.replace(b"}", b"]", 1), sound[:5]):
        path.write_bytes(damaged)
        with pytest.raises(FileError, match=r"metrics\.jsonl: its lines up to step 10 are not"):
            MetricsLog(path, step=10, sha256=sha256)
        assert path.read_bytes() == damaged
    path.write_bytes(sound)
    assert MetricsLog(path, step=10, sha256=sha256).sha256 == sha256
    assert capsys.readouterr().err == ""
    path.unlink()
    MetricsLog(path, step=10, sha256=sha256)
    assert "metrics.jsonl is missing: its lines up to step 10 are lost" in capsys.readouterr().err


def test_progress_off_a_terminal_prints_logged_steps_only():
    out = io.StringIO()
    progress = ProgressLine(4, 0, out=out)
    for step in range(1, 5):
        progress.show(step, {"loss": 1.25, "gradient_norm": 0.5}, logged=step % 2 == 0)
    lines = out.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["2/4", "4/4"]
    assert "loss 1.25" in lines[0] and "gradient norm 0.5" in lines[0] and "steps/s" in lines[0]
    assert lines[-1].endswith("0 s left") and "\r" not in out.getvalue()


def test_the_rate_leaves_the_first_step_out(monkeypatch):
    """It compiles. Off a terminal a line comes after five silent seconds too."""
    now = [0.0]
    monkeypatch.setattr(log_module.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    progress = ProgressLine(5, 0, out=out)
    for step, seconds in enumerate((100.0, 2.0, 2.0, 2.0, 2.0), 1):
        now[0] += seconds
        progress.show(step, {"loss": 1.0}, logged=False)
    lines = out.getvalue().splitlines()
    assert lines == [
        "step 1/5  loss 1",
        "step 4/5  loss 1  0.5 steps/s  2 s left",
        "step 5/5  loss 1  0.5 steps/s  0 s left",
    ]


def test_progress_on_a_terminal_rewrites_one_line_and_is_throttled():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    progress = ProgressLine(50, 0, out=out, every=3600)
    for step in range(1, 51):
        progress.show(step, {"loss": 1.0}, logged=True)
    assert (
        out.getvalue().count("\r") == 1
        and out.getvalue().endswith("\n")
        and "step 50/50" in out.getvalue()
    )
