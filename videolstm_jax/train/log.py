"""What training says while it runs: metrics.jsonl for good, one line of progress on the terminal
for now.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from etils import epath

from videolstm_jax.files import write_bytes

if TYPE_CHECKING:
    from videolstm_jax.files import PathLike


class MetricsLog:
    """metrics.jsonl: one JSON object a line, each with its `step`; values only, no times, so reruns
    write the same.
    """

    def __init__(self, path: PathLike, *, step: int):
        """Opens the file to go on after `step`: lines of later steps, or cut short by a crash, are
        dropped.
        """
        self.path = epath.Path(path)
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
        kept = [line for line in lines if line.endswith(b"\n") and _step_of(line) <= step]
        if kept != lines or not self.path.exists():
            write_bytes(self.path, b"".join(kept))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Appends one line in one write."""
        line = json.dumps({"step": step, **values}, allow_nan=False) + "\n"
        with self.path.open("ab") as file:
            file.write(line.encode())


class Progress:
    """`step 40/200  loss 2.31  8.1 steps/s  20 s left`: rewritten in place on a terminal, in plain
    lines elsewhere.
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
        """Begins to count units at `start`; a terminal is written to at most once in `every`
        seconds.
        """
        self._unit = unit
        self._total, self._start, self._every = total, start, every
        self._out = out or sys.stdout
        self._terminal = self._out.isatty()
        self._begun = self._shown = time.monotonic()

    def show(self, step: int, values: Mapping[str, float], *, logged: bool) -> None:
        """Reports a step; off a terminal only those that are `logged`, and on one every step,
        throttled.
        """
        now = time.monotonic()
        last = step == self._total
        if not (last or (now - self._shown >= self._every if self._terminal else logged)):
            return
        self._shown = now
        rate = (step - self._start) / max(now - self._begun, 1e-9)
        said = "  ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())
        left = _span((self._total - step) / rate)
        line = f"{self._unit} {step}/{self._total}  {said}  {rate:.3g} {self._unit}s/s  {left} left"
        ends = ("\r\x1b[2K", "\n" if last else "") if self._terminal else ("", "\n")
        print(ends[0] + line, end=ends[1], file=self._out, flush=True)

    def note(self, text: str) -> None:
        """Prints a line of its own."""
        print(("\r\x1b[2K" if self._terminal else "") + text, file=self._out, flush=True)


def _step_of(line: bytes) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return float("inf")  # not a line of ours: dropped


def _span(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02d} min"
        if hours
        else f"{minutes} min {seconds:02d} s"
        if minutes
        else f"{seconds} s"
    )
