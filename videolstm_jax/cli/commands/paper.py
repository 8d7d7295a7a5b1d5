"""`videolstm paper`: the numbers of the paper by name, from their list to a table of results."""

from __future__ import annotations

import importlib
import shutil
from typing import Any

from absl import flags

from videolstm_jax.cli import boot
from videolstm_jax.cli.commands.pipeline import short_flags
from videolstm_jax.cli.commands.sweep import seeds_of_flag
from videolstm_jax.config import RunConfig
from videolstm_jax.files import write_bytes
from videolstm_jax.lock.file_writer import file_writer
from videolstm_jax.paper import listing, rows
from videolstm_jax.paper.request import Request, paper_request_of
from videolstm_jax.paper.row_names import find_paper_rows
from videolstm_jax.paper.selection import (
    paper_selection_notes,
    require_paper_weights,
    select_paper_rows,
)
from videolstm_jax.presets import Settings

__all__ = ["define_flags", "main", "short_flags"]


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines what is done with the rows that the names stand for, and with which data."""
    _define_actions(flag_values)
    _define_inputs(flag_values)
    _define_cluster(flag_values)


def _define_actions(flag_values: flags.FlagValues) -> None:
    for name, text in (
        ("list", "Print the rows and the paper's numbers; one row in full."),
        ("show", "Print finished runs beside the paper's numbers, and draw Figure 4."),
        ("plan", "Print the stages and their cost, and run nothing."),
    ):
        flags.DEFINE_boolean(name, False, text, flag_values=flag_values)
    # On by default: a row of UCF101 may take days, which nobody should begin without knowing.
    flags.DEFINE_boolean(
        "cost", True, "Print the cost of a plan before it runs.", flag_values=flag_values
    )
    flags.DEFINE_float(
        "teraflops",
        0.0,
        "Cost on a device that sustains so many TFLOP/s; 0 times this one.",
        lower_bound=0.0,
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "as",
        None,
        ["shell", "slurm", "jobset"],
        "Write the plan as a script, and run nothing.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output",
        "",
        "The script, or the drawing of Figure 4; empty is a file in the work folder.",
        flag_values=flag_values,
    )


def _define_inputs(flag_values: flags.FlagValues) -> None:
    for name, text in (
        ("videos", "The folder of UCF101."),
        ("hmdb51", "The folder of HMDB51."),
        ("idt", "Scores of iDT to take, .npz; {dataset} and {split} are those of a row."),
        ("objects", "Scores of objects to take, .npz, as --idt."),
    ):
        flags.DEFINE_string(name, "", text, flag_values=flag_values)
    # One, since the paper does not speak of repetitions.
    flags.DEFINE_list("seeds", ["0"], "Seeds of the recurrent models.", flag_values=flag_values)
    flags.DEFINE_boolean(
        "select_on_test",
        False,
        "Choose checkpoints on the test list, as the authors; results are marked.",
        flag_values=flag_values,
    )


def _define_cluster(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_integer(
        "gpus", 1, "GPUs of each task of a cluster.", lower_bound=0, flag_values=flag_values
    )
    for name, default, text in (
        ("sbatch", "", "More options for sbatch, such as '--time=24:00:00'."),
        ("image", "videolstm:latest", "The image of a JobSet's containers."),
        ("claim", "videolstm", "The volume claim of a JobSet, mounted at /data."),
    ):
        flags.DEFINE_string(name, default, text, flag_values=flag_values)


def main(cfg: RunConfig, names: list[str]) -> None:
    """Lists, shows, plans, writes or runs rows."""
    values = flags.FLAGS
    chosen = find_paper_rows(names)
    width = shutil.get_terminal_size().columns
    # Before the request is made: a list needs no videos, and shows what a request could name.
    if values["list"].value:
        if len(chosen) == 1:
            print(listing.paper_row_text(chosen[0], cfg.preset, width=width))
        else:
            print(listing.paper_rows_text(chosen, width=width))
        return
    request = _request(cfg)
    if values["show"].value:
        _show(chosen, request, width)
    else:
        _plan(request, names)


def _request(cfg: RunConfig) -> Request:
    values = flags.FLAGS
    videos, external = {}, {}
    for dataset, folder in (("ucf101", cfg.data.videos), ("hmdb51", values["hmdb51"].value)):
        if folder:
            videos[dataset] = folder
    for name in rows.EXTERNAL:
        if values[name].value:
            external[name] = values[name].value
    return paper_request_of(
        cfg,
        videos=videos,
        seeds=seeds_of_flag(values["seeds"].value),
        on_test=values["select_on_test"].value,
        external=external,
    )


def _show(chosen: list[rows.Row], request: Request, width: int) -> None:
    # Imported only now: reading results needs NumPy, which --list does not.
    results = importlib.import_module("videolstm_jax.paper.results")
    showing = importlib.import_module("videolstm_jax.paper.showing")
    collected = results.collect_paper_results(chosen, request)
    print(showing.paper_results_text(collected, request, _command(request), width=width))
    curves = []
    for row in chosen:
        if row.measure != "accuracy":
            curves.append(row)
    # Matplotlib is imported only where there is something to draw.
    if curves:
        figure4 = importlib.import_module("videolstm_jax.paper.figure4")
        target = flags.FLAGS["output"].value or f"{request.root}/figure4"
        for path in figure4.draw_figure4(curves, request, target):
            print(f"wrote {path}")


def _command(request: Request) -> list[str]:
    """The words of the command that makes rows, without their names."""
    arguments = Settings(request.settings.preset, request.settings.overrides).arguments()
    # These have no setting: they belong to the request.
    values = flags.FLAGS
    for name in ("hmdb51", "idt", "objects"):
        if values[name].value:
            arguments.append(f"--{name}={values[name].value}")
    if request.seeds != (0,):
        arguments.append(f"--seeds={','.join(map(str, request.seeds))}")
    if request.on_test:
        arguments.append("--select_on_test")
    *program, last = boot.command_program_name().split()
    # `python -m launch.` has no space before the name of the command.
    if last.endswith("."):
        return [*program, f"{last}paper", *arguments]
    return [*program, last, "paper", *arguments]


def _plan(request: Request, names: list[str]) -> None:
    values = flags.FLAGS
    selection = select_paper_rows(names, request)
    is_printed_only = values["plan"].value and not values["as"].value
    if not is_printed_only:
        # Before the cost is estimated, which takes a while.
        require_paper_weights(selection.rows, request)
    # Imported only now: plans import JAX, which --help and --list do not need.
    plan = importlib.import_module("videolstm_jax.paper.plan")
    tasks = plan.plan_paper_rows(selection.rows, request)
    _print_plan(tasks, len(selection.rows))
    for note in paper_selection_notes(selection, request):
        print(note, flush=True)
    if values["as"].value:
        _write_script(tasks, request, names)
    elif not values["plan"].value:
        importlib.import_module("videolstm_jax.paper.execute").run_paper_tasks(tasks)
        # The command ends with what it was started for: the numbers beside the paper's.
        print()
        _show(selection.rows, request, shutil.get_terminal_size().columns)


def _print_plan(tasks: list[Any], count: int) -> None:
    """Prints the tasks of some rows, and what they will cost."""
    print(f"{len(tasks)} stages for {count} rows", flush=True)
    if flags.FLAGS["cost"].value:
        costs = importlib.import_module("videolstm_jax.paper.costs")
        teraflops = flags.FLAGS["teraflops"].value
        print(
            costs.paper_cost_text(costs.paper_task_costs(tasks, teraflops), teraflops), flush=True
        )
    else:
        for task in tasks:
            print(f"  {task.name}")


def _write_script(tasks: list[Any], request: Request, names: list[str]) -> None:
    values = flags.FLAGS
    scripts = importlib.import_module("videolstm_jax.paper.scripts")
    kind = values["as"].value
    # The title names jobs and a file, so it has no slash.
    title = "-".join(names).replace("/", "-") or "paper"
    cluster = scripts.Cluster(
        title,
        values["gpus"].value,
        values["sbatch"].value,
        values["image"].value,
        values["claim"].value,
    )
    path = values["output"].value or f"{request.root}/{title}{scripts.SUFFIXES[kind]}"
    with file_writer(path, "paper"):
        write_bytes(path, scripts.SCRIPTS[kind](tasks, cluster).encode())
    print(f"wrote {path}")
