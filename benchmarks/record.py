"""The results of all benchmarks: a file of figures with the name of the device."""

from __future__ import annotations

import datetime
import functools
import json
import os
import pathlib
import platform
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from videolstm_jax import files

RESULTS = pathlib.Path(__file__).parent / "results"


def processor() -> str:
    """Returns the processor's name and how many cores it has."""
    path = pathlib.Path("/proc/cpuinfo")
    # Only Linux has this file, and only some kinds of processors have a name in it.
    if not path.exists():
        return platform.processor()
    names = []
    for line in path.read_text().splitlines():
        if line.startswith("model name"):
            names.append(line.split(":", 1)[1].strip())
    if not names:
        return platform.processor()
    return f"{names[0]}, {len(names)} cores"


def device() -> str:
    """Returns the name of the accelerator that JAX computes on, or of the processor."""
    import jax  # here, since some benchmarks measure code that runs without it

    if jax.default_backend() == "cpu":
        return processor()
    return jax.devices()[0].device_kind


def commit() -> str:
    """Returns the commit of the checkout, marked where files differ from it."""
    git = ("git", "-C", str(RESULTS.parent))
    answers = []
    for arguments in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain")):
        process = subprocess.run((*git, *arguments), capture_output=True, text=True, check=False)
        # A source archive has no history.
        if process.returncode:
            return "unknown"
        answers.append(process.stdout.strip())
    name, changes = answers
    return f"{name} with changes" if changes else name


def stamp() -> dict[str, str]:
    """Returns the date and the commit of this program, as they were when it first asked.

    `command_line.parser` asks at the start. Hours later the checkout may be of another commit,
    which did not make the figures.
    """
    return dict(_first_stamp())


@functools.cache
def _first_stamp() -> Mapping[str, str]:
    return {"date": datetime.date.today().isoformat(), "commit": commit()}


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
    """Returns the rows of a file of JSON lines; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def add_row(file: TextIO, row: dict[str, Any]) -> None:
    """Writes a row at the end of a file of JSON lines, so that a run that is stopped keeps it."""
    file.write(json.dumps(row) + "\n")
    file.flush()


def add_trials(
    path: pathlib.Path, trials: Iterable[tuple[str, dict[str, Any] | None]]
) -> list[dict[str, Any]]:
    """Writes a row for each trial as it is made, with date and commit, and prints it.

    Args:
      path: of a file of JSON lines.
      trials: the row of each, made when it is asked for; None for one that could not be made, which
        the text before it says.

    Returns:
      The rows.
    """
    rows = []
    now = stamp()
    with path.open("a") as file:
        for text, row in trials:
            if row is None:
                print(text, flush=True)
                continue
            rows.append(row | now)
            add_row(file, rows[-1])
            print(f"{text}: {json.dumps(row)}", flush=True)
    return rows


def save(name: str, figures: dict[str, Any], folder: str | os.PathLike = RESULTS) -> None:
    """Prints figures and writes them to `<folder>/<name>.json`.

    Args:
      name: of the file.
      figures: the device, and the date and the commit of the program's start, are added where they
        are absent; figures of several programs have their own.
      folder: where the file is written.
    """
    # Without the date and the commit nobody could tell which program made the figures.
    about = stamp()
    if "device" not in figures:
        about = {"device": device()} | about
    figures = about | figures
    text = json.dumps(figures, indent=1) + "\n"
    path = pathlib.Path(folder) / f"{name}.json"
    files.write_bytes(path, text.encode())
    print(f"{text}wrote {path}")
