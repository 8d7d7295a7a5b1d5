"""`python -m benchmarks.real_data TASK ..`: see the docstring of the package."""

from __future__ import annotations

import importlib
import json
import pathlib
from collections.abc import Mapping

import jax

from benchmarks import command_line, real_data, record
from benchmarks.real_data import page, rows

TASKS: Mapping[str, str] = {
    "ucf101_fc6": "",
    "ut_interaction": "",
    "ut_vgg16": "weights",
    "ut_flow_backbones": "",
    "ut_fit": "",
    "ucf24_tubes": "boxes",
}
"""Each task, and the option that it needs beside --data and --workdir."""


def main() -> None:
    """Runs a task and writes its results, or prints the tables of a result file."""
    parser = command_line.parser(real_data.__doc__, name="real_data")
    parser.add_argument("task", choices=(*TASKS, "table", "page"))
    parser.add_argument(
        "--data", required=True, help="folder of the data; table, page: a result file"
    )
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="begin no training after so many"
    )
    parser.add_argument("--workdir", default="", help="folder of everything that is computed")
    parser.add_argument("--weights", default="", help="ut_vgg16: file of the VGG-16")
    parser.add_argument("--boxes", default="", help="ucf24_tubes: file of the true tubes")
    options = parser.parse_args()
    if options.task == "table":
        print_tables(options.data)
        return
    if options.task == "page":
        page.write(pathlib.Path(options.data))
        # Its orderings are of the same files.
        page.write_orderings(pathlib.Path(options.data).parent)
        return
    if not options.workdir:
        parser.error("--workdir is missing; expected the folder of everything that is computed")
    extra = {}
    needed = TASKS[options.task]
    if needed:
        extra[needed] = getattr(options, needed)
        if not extra[needed]:
            parser.error(f"--{needed} is missing; {options.task} reads this file")
    task = importlib.import_module(f"benchmarks.real_data.{options.task}")
    # The folds and seeds of a row have the same shapes, so each program is compiled once.
    jax.config.update("jax_compilation_cache_dir", f"{options.workdir}/compiled")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    figures = task.run(options.data, options.workdir, minutes=options.minutes, **extra)
    name = f"{options.name}_{options.task}"
    question = command_line.question(task.__doc__)
    figures = {"question": question, **figures}
    figures["rows"] = rows.as_record(figures["rows"])
    record.save(name, figures, options.out)
    print_tables(f"{options.out}/{name}.json")


def print_tables(path: str) -> None:
    """Prints the accuracies of a result file, and the paired differences of its pairs."""
    figures = json.loads(pathlib.Path(path).read_text())
    of_file = rows.rows_of(figures["rows"])
    print(rows.accuracy_table(of_file))
    if "pairs" in figures:
        print(f"\n{rows.difference_table(of_file, figures['pairs'])}")


if __name__ == "__main__":
    main()
