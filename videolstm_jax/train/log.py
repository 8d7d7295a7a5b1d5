"""What training writes while it runs: metrics.jsonl, and one line of progress on the terminal."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from etils import epath

from videolstm_jax.durable import sync
from videolstm_jax.errors import FileError
from videolstm_jax.files import append_bytes, write_bytes
from videolstm_jax.progress_lines import CLEAR_LINE, SECONDS

if TYPE_CHECKING:
    from videolstm_jax.files import PathLike


class MetricsLog:
    """metrics.jsonl: one JSON object a line, each with its `step`.

    It holds values only and no times, so that a training that is repeated writes the same bytes.
    """

    def __init__(self, path: PathLike, *, step: int, sha256: str = ""):
        """Opens the file to continue after a step.

        Args:
          path: of the file.
          step: lines of later steps are dropped.
          sha256: of the lines up to the step, as `sha256` was then; empty where it is not known.

        Raises:
          FileError: the lines are others.
        """
        self.path = epath.Path(path)
        lines = []
        if self.path.exists():
            lines = self.path.read_bytes().splitlines(keepends=True)
        valid = []
        for line in lines:
            # A process that was killed may have logged steps after its last checkpoint, which will
            # be made again, and may have left half a line.
            if line.endswith(b"\n") and _step_of(line) <= step:
                valid.append(line)
        self._digest = hashlib.sha256(b"".join(valid))
        # Before anything is written: a damaged line would be dropped as one of a later step is.
        if sha256 and self.sha256 != sha256:
            self._lines_differ(step)
        # Not rewritten where nothing is dropped: a reader may have it open.
        if valid != lines or not self.path.exists():
            write_bytes(self.path, b"".join(valid))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Appends one line in one write."""
        # NaN is no JSON, and most readers refuse the whole file for it.
        line = json.dumps({"step": step, **values}, allow_nan=False) + "\n"
        append_bytes(self.path, line.encode())
        self._digest.update(line.encode())

    @property
    def sha256(self) -> str:
        """The digest of all lines."""
        return self._digest.hexdigest()

    def sync(self) -> None:
        """Waits until the disk has the lines; a checkpoint that names their digest needs them."""
        # Somebody may have removed the file while the training runs; its next line makes it anew.
        with contextlib.suppress(FileNotFoundError):
            sync(self.path)

    def _lines_differ(self, step: int) -> None:
        """Refuses a damaged file, and prints a line where it is gone: the training is not."""
        if self.path.exists():
            raise FileError(
                f"{self.path}: its lines up to step {step} are not those that the training wrote; "
                "put back a copy, or remove it to go on without them"
            )
        text = f"warning: {self.path} is missing: its lines up to step {step} are lost"
        print(text, file=sys.stderr, flush=True)


def last_logged_training_step(path: PathLike) -> int:
    """The highest step in a metrics.jsonl; 0 where there is none, or no such file."""
    path = epath.Path(path)
    if not path.exists():
        return 0
    steps = [0]
    for line in path.read_bytes().splitlines():
        step = _step_of(line)
        # Half a line that a killed process has left says nothing.
        if step < math.inf:
            steps.append(int(step))
    return max(steps)


class ProgressLine:
    """One line, such as `step 40/200  loss 2.31  8.1 steps/s  20 s left`.

    A terminal shows it rewritten in place. Elsewhere each report is a line of its own.
    """

    def __init__(
        self,
        total: int,
        start: int,
        *,
        out: TextIO | None = None,
        every: float = 0.5,
        unit: str = "step",
    ):
        """Begins to count.

        Args:
          total: the number of the last unit.
          start: units that were done before.
          out: where to print; None is standard output.
          every: a terminal is written to at most once in so many seconds.
          unit: what is counted.
        """
        self._unit = unit
        self._total, self._start, self._every = total, start, every
        self._out = out or sys.stdout
        self._terminal = self._out.isatty()
        self._begun = self._shown = time.monotonic()
        self._compiled = False

    def show(self, step: int, values: Mapping[str, float], *, logged: bool) -> None:
        """Reports a step: on a terminal where `every` has passed.

        Off a terminal where it is `logged`, or five seconds after the last line.
        """
        now, last = time.monotonic(), step == self._total
        if not self._compiled and not last:
            # The first unit compiles. The rate is that of the others, which come after it.
            self._compiled, self._start, self._begun = True, step, now
        silent = now - self._shown
        due = logged or silent >= SECONDS
        if self._terminal:
            # A line that changes at every step cannot be read.
            due = silent >= self._every
        if not due and not last:
            return
        self._shown = now
        line = f"{self._unit} {step}/{self._total}  {training_metrics_text(values, '  ')}"
        counted = step - self._start
        if counted:
            rate = counted / max(now - self._begun, 1e-9)
            left = _duration((self._total - step) / rate)
            line += f"  {rate:.3g} {self._unit}s/s  {left} left"
        end = "\n"
        if self._terminal:
            line = CLEAR_LINE + line
            # Without the line's end the next report is written over this one; the last one stays.
            end = "\n" if last else ""
        print(line, end=end, file=self._out, flush=True)

    def note(self, text: str) -> None:
        """Prints a line of its own."""
        if self._terminal:
            text = CLEAR_LINE + text
        print(text, file=self._out, flush=True)


def training_metrics_text(values: Mapping[str, float], separator: str) -> str:
    """Names and values in one line, such as `valid accuracy 0.52`."""
    texts = []
    for name, value in values.items():
        texts.append(f"{name.replace('_', ' ')} {value:.4g}")
    return separator.join(texts)


def _step_of(line: bytes) -> float:
    """The step of a line; infinity, later than any step, for a line that is not ours."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf
    # A text, or NaN, could not be compared with the number of a step.
    return step if isinstance(step, int) else math.inf


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    if minutes:
        return f"{minutes} min {seconds:02d} s"
    return f"{seconds} s"
