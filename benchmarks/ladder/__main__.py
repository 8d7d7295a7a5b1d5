"""`python -m benchmarks.ladder TASK ..`: see the docstring of the package."""

from __future__ import annotations

import argparse
import pathlib
import time
from typing import Any

import jax

from benchmarks import command_line, ladder, record
from benchmarks.ladder import published, real_sets, reasons, sets, tables, variants
from benchmarks.ladder.runs import RUNS, SEEDS, ladder_rows, names_of_test, train_all
from benchmarks.real_data.rows import as_record
from videolstm_jax.workdir.layout import Workdir

TASKS = ("stick", "reasons", "flow", "published", *real_sets.REAL_SETS, "table")


def main() -> None:
    """Runs a task and writes its results, or prints the tables of the result files."""
    options = _options()
    if options.task == "table":
        _print_tables(options)
        return
    # Seeds of a row have the same shapes, so each program is compiled once.
    jax.config.update("jax_compilation_cache_dir", f"{options.workdir}/compiled")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
    stop = time.monotonic() + 60 * options.minutes
    if options.task == "stick":
        figures = _run_sets(options, stop)
    elif options.task == "reasons":
        for name in reasons.RUNS:
            sets.make_features(name, options.workdir, options.demo)
        figures = reasons.run(options.workdir, stop)
    elif options.task in real_sets.REAL_SETS:
        figures = real_sets.run(options.task, options.data, options.workdir, stop)
    elif options.task == "published":
        seeds = published.SEEDS[: options.seeds]
        figures = published.run(options.workdir, options.demo, seeds, stop)
    else:
        sets.make_features("hard", options.workdir, options.demo)
        figures = variants.run(sets.settings_of("hard", options.workdir), stop)
    about = {**record.stamp(), "question": command_line.question(ladder.__doc__)}
    figures = {**about, **figures}
    record.save(f"{options.name}_{options.task}", figures, options.out)
    _print_tables(options)


def _print_tables(options: argparse.Namespace) -> None:
    """Prints the tables of all result files, and writes them into the page where one is named."""
    of_results = tables.of_folder(pathlib.Path(options.out))
    for name, table in of_results.items():
        print(f"## {name}\n\n{table}\n")
    if options.page:
        page = pathlib.Path(options.page)
        page.write_text(tables.filled(page.read_text(), of_results))


def _options() -> argparse.Namespace:
    parser = command_line.parser(ladder.__doc__, name="ladder")
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--workdir", default="", help="folder of everything that is computed")
    parser.add_argument(
        "--data", default="", help="folder of a set of real videos, with videos/<Class>/"
    )
    parser.add_argument(
        "--demo",
        default="work/demo",
        help="folder of a finished `make demo`",
    )
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin no training after so many"
    )
    parser.add_argument(
        "--sets", nargs="+", default=list(RUNS), choices=list(RUNS), help="of `stick`; default: all"
    )
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="of each model; default: all")
    parser.add_argument("--page", default="", help="a page whose marked tables are made anew")
    options = parser.parse_args()
    if options.task != "table" and not options.workdir:
        parser.error("--workdir is missing; expected the folder of everything that is computed")
    if options.task in real_sets.REAL_SETS and not options.data:
        parser.error(f"--data is missing; expected the folder of {options.task}")
    return options


def _run_sets(options: argparse.Namespace, stop: float) -> dict[str, Any]:
    """Trains the ladder on each set, and returns the rows of all sets that have features."""
    workdir = options.workdir
    for name in options.sets:
        sets.make_features(name, workdir, options.demo)
        settings = sets.settings_of(name, workdir)
        seeds = SEEDS[: options.seeds]
        train_all(RUNS[name], [settings], seeds, stop, read_outs=(variants.AS_SET.name,))
    rows_of_set, videos = {}, []
    for name in RUNS:
        settings = sets.settings_of(name, workdir)
        # A set that was left out of this call may have been computed before.
        if not Workdir(settings.overrides["workdir"]).dataset.exists():
            continue
        videos = names_of_test([settings])
        rows_of_set[name] = as_record(ladder_rows(RUNS[name], [settings]))
    return {
        "settings": sets.TRAINING,
        "sets": {name: sets.SETS[name].settings for name in RUNS},
        "channels": sets.CHANNELS,
        # Both sets have the same names: a clip depends on its number, not on its background.
        "videos": videos,
        "rows": rows_of_set,
    }


if __name__ == "__main__":
    main()
