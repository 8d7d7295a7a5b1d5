"""What every benchmark records: the device's name, and the figures as a file of
benchmarks/results/.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import pathlib
import platform
from typing import Any

from videolstm_jax import files

RESULTS = pathlib.Path(__file__).parent / "results"


def processor() -> str:
    """The processor's name and how many cores it has."""
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()


def device() -> str:
    """The name of the accelerator that JAX computes on, or of the processor."""
    import jax  # here, since some benchmarks measure code that runs without it

    return processor() if jax.default_backend() == "cpu" else jax.devices()[0].device_kind


def save(name: str, found: dict[str, Any], folder: str | os.PathLike = RESULTS) -> None:
    """Prints the figures and writes them to `<folder>/<name>.json`."""
    text = json.dumps(found, indent=1) + "\n"
    path = pathlib.Path(folder) / f"{name}.json"
    files.write_bytes(path, text.encode())
    print(f"{text}wrote {path}")


def finished_runs(about: str, parser: argparse.ArgumentParser | None = None) -> argparse.Namespace:
    """What a benchmark of finished runs is asked for: `name`, work `folders` and `runs`, with what
    the parser adds.
    """
    parser = parser or argparse.ArgumentParser()
    parser.description, parser.formatter_class = about, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--name", required=True, help="of the file in results/")
    parser.add_argument(
        "--work",
        required=True,
        help="a work folder, or a pattern of several whose videos are pooled",
    )
    parser.add_argument("--runs", required=True, help="names of runs, separated by commas")
    asked = parser.parse_args()
    asked.folders, asked.runs = sorted(glob.glob(asked.work)), asked.runs.split(",")
    if not asked.folders:
        parser.error(
            f"--work={asked.work} matches no folder; expected the work folder of a finished walk"
        )
    return asked


def question(about: str) -> str:
    """The first sentence of a benchmark's docstring: what it asks."""
    return " ".join(about.split("\n\n")[0].split())
