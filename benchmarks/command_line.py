"""The command lines of all benchmarks: parsers with the options that they share."""

from __future__ import annotations

import argparse
import glob

from benchmarks import record


def page_parser(about: str) -> argparse.ArgumentParser:
    """Returns a parser without options, for a program that measures nothing and writes a page.

    Args:
      about: the program's docstring, which `--help` shows as it is.
    """
    return argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def parser(about: str, *, name: str = "", repeats: int = 0) -> argparse.ArgumentParser:
    """Returns a parser of --name and --out, and --repeats where it is given.

    Args:
      about: the benchmark's docstring, which `--help` shows as it is.
      name: default name of the results; without one `--name` is required. A benchmark may add more
        to the name of the file, such as the device.
      repeats: default number of repetitions; 0 where a benchmark does not repeat.
    """
    # The results name the program that was started, and not the checkout at its end.
    record.stamp()
    options = page_parser(about)
    name_help = "of the results; a part of their file's name"
    if name:
        name_help += f"; default: {name}"
    options.add_argument("--name", required=not name, default=name, help=name_help)
    options.add_argument(
        "--out",
        default=str(record.RESULTS),
        help="folder of the results; default: benchmarks/results",
    )
    if repeats:
        options.add_argument(
            "--repeats", type=int, default=repeats, help=f"of each measurement; default: {repeats}"
        )
    return options


def finished_runs(options: argparse.ArgumentParser) -> argparse.Namespace:
    """Adds --work and --runs to a parser and parses the command line.

    Args:
      options: of `parser`, with the benchmark's own options.

    Returns:
      The parsed options; `folders` are the work folders, `runs` a list of names.
    """
    options.add_argument(
        "--work",
        required=True,
        help="a work folder, or a pattern of several whose videos are pooled",
    )
    options.add_argument("--runs", required=True, help="names of runs, separated by commas")
    values = options.parse_args()
    # Sorted, since the order of a pattern's matches differs from one file system to the next.
    values.folders = sorted(glob.glob(values.work))
    values.runs = values.runs.split(",")
    if not values.folders:
        options.error(
            f"--work={values.work} matches no folder; expected the work folder of a finished "
            "pipeline"
        )
    return values


def question(about: str) -> str:
    """Returns the first sentence of a benchmark's docstring, which is its question."""
    return " ".join(about.split("\n\n")[0].split())
