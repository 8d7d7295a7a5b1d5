"""What a plan will cost: frames, disk and hours on this device, of each task and together."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from videolstm_jax.config import change
from videolstm_jax.paper.execute import is_paper_task_finished
from videolstm_jax.paper.plan import PlannedStage
from videolstm_jax.progress_lines import ProgressLines
from videolstm_jax.quantities import duration_text, size_text
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

if TYPE_CHECKING:
    from videolstm_jax.train.cost import Pace

FRAMES = 188
"""Frames of an average video of UCF101: about 2,500,000 in 13,320 (docs/costs.md). HMDB51's clips
are taken to be as long until `prepare` has counted their frames."""


class _Size(NamedTuple):
    """Published sizes of a split: classes, training and test videos."""

    classes: int
    train: int
    test: int


# Counts of the official lists, see docs/datasets.md.
_SIZES: Mapping[str, _Size] = MappingProxyType(
    {
        "ucf101-1": _Size(101, 9537, 3783),
        "ucf101-2": _Size(101, 9586, 3734),
        "ucf101-3": _Size(101, 9624, 3696),
        "hmdb51-1": _Size(51, 3570, 1530),
        "hmdb51-2": _Size(51, 3570, 1530),
        "hmdb51-3": _Size(51, 3570, 1530),
    }
)


class PlannedCost(NamedTuple):
    """The cost of one task from nothing; a finished one has no more to spend."""

    task: PlannedStage
    frames: int
    seconds: float
    disk: int
    finished: bool


def dataset_of_paper_place(workdir: str) -> tuple[Dataset, bool]:
    """The videos of a work folder, or as many of the published split with frames of average length.

    Returns:
      The data set, and whether it is that of `prepare`.
    """
    work = Workdir(workdir)
    # The lists may be cut for a trial, and are then what the stages will read.
    if work.dataset.exists():
        return load_dataset(work.dataset), True
    size = _SIZES[work.path.name]
    videos = []
    for part, count in (("train", size.train), ("test", size.test)):
        for index in range(count):
            # In turn, so that every class has videos.
            label = index % size.classes
            name = f"{label}/{part}{index}"
            videos.append(Video(name, "", label, part, "", FRAMES, 240, 320, 25.0))
    return Dataset(tuple(map(str, range(size.classes))), tuple(videos)), False


def paper_task_costs(tasks: Sequence[PlannedStage], teraflops: float = 0.0) -> list[PlannedCost]:
    """Estimates what every task will cost.

    Args:
      tasks: of a plan.
      teraflops: 10^12 operations a second that the device sustains, from which the time of counted
        operations follows; 0 times this device instead.
    """
    datasets: dict[str, Dataset] = {}
    # A dict keeps the order of the plan and each folder once, which a set would not.
    for task in tasks:
        workdir = task.step.cfg.workdir
        if workdir not in datasets:
            datasets[workdir], _ = dataset_of_paper_place(workdir)
    with ProgressLines(lambda seconds: f"estimates the cost, {seconds:.0f} s so far"):
        paces = _paces(tasks, datasets, teraflops)
    costs = []
    for task in tasks:
        workdir = task.step.cfg.workdir
        costs.append(_task_cost(task, datasets[workdir], paces[workdir], teraflops))
    return costs


def _paces(
    tasks: Sequence[PlannedStage], datasets: Mapping[str, Dataset], teraflops: float
) -> dict[str, Pace]:
    """The speed of a device on the models of each work folder: measured, or from its operations.

    Args:
      tasks: of a plan.
      datasets: of its work folders, by their paths.
      teraflops: as for `paper_task_costs`.
    """
    # Imported here: these bring JAX, for which a list of rows need not wait.
    if teraflops:
        flops = importlib.import_module("videolstm_jax.train.flops")
        pace_of = partial(flops.pace_of_teraflops, teraflops)
    else:
        pace_of = importlib.import_module("videolstm_jax.train.cost").measure_pace
    by_workdir, by_models = {}, {}
    for workdir, dataset in datasets.items():
        configs, runs, models = [], [], []
        for task in tasks:
            cfg = task.step.cfg
            if cfg.workdir != workdir:
                continue
            configs.append(cfg)
            if task.step.stage == "train":
                runs.append(cfg)
                models.append(cfg.model)
        # Models of as many classes are timed once, whatever the split: timing takes minutes.
        key = (len(dataset.classes), tuple(models))
        if key not in by_models:
            # One stands for the folder, whose stages differ in streams and cells only.
            by_models[key] = pace_of(configs[0], runs, dataset)
        by_workdir[workdir] = by_models[key]
    return by_workdir


def _task_cost(task: PlannedStage, dataset: Dataset, pace: Pace, teraflops: float) -> PlannedCost:
    """Estimates what one task will cost."""
    estimates = importlib.import_module("videolstm_jax.train.cost")
    rates = importlib.import_module("videolstm_jax.paper.rates")
    cfg, stage = task.step.cfg, task.step.stage
    # The number of devices of this machine says nothing of another one.
    if teraflops and not cfg.train.devices:
        cfg = change(cfg, train__devices=1)
    estimate = rates.measured_paper_stage_cost(stage, cfg, dataset)
    if estimate is None:
        estimate = estimates.estimate_training_cost(stage, cfg, dataset, pace)
    frames = sum(dataset.frames.values())
    return PlannedCost(task, frames, estimate.seconds, estimate.disk, is_paper_task_finished(task))


def paper_cost_text(costs: Sequence[PlannedCost], teraflops: float = 0.0) -> str:
    """A table of the tasks of a plan, and the sums of each work folder and of all.

    Args:
      costs: of `paper_task_costs`.
      teraflops: that were given to it.
    """
    lines = [*_stage_lines(costs), "", *_folder_lines(costs)]
    device = "one such device as this, as busy as it was"
    if teraflops:
        device = f"one device that sustains {teraflops:g} TFLOP/s"
    text = (
        f"From nothing, on {device}. prepare, idt, objects, localize and fuse have rates that were "
        "measured on a processor of two cores (docs/paper.md). Not included: compiling, reading "
        "videos in the other stages, Fisher vectors and SVMs."
    )
    lines += textwrap.wrap(text, 80)
    return "\n".join(lines)


def _stage_lines(costs: Sequence[PlannedCost]) -> list[str]:
    """A line for each task, and one for all that are not finished."""
    width = max(len(cost.task.name) for cost in costs)
    lines = [f"{'stage':{width}s} {'time':>8s} {'disk':>10s}"]
    seconds, disk = 0.0, 0
    for cost in costs:
        # What is finished has been paid for, and its estimate would only be misread.
        if cost.finished:
            lines.append(f"{cost.task.name:{width}s} finished")
            continue
        # A stage that is too short to be estimated has no number, and not "0 s".
        time_text, disk_text = "-", "-"
        if cost.seconds:
            time_text = duration_text(cost.seconds)
        if cost.disk:
            disk_text = size_text(cost.disk)
        lines.append(f"{cost.task.name:{width}s} {time_text:>8s} {disk_text:>10s}")
        seconds += cost.seconds
        disk += cost.disk
    lines.append(f"{'together':{width}s} {duration_text(seconds):>8s} {size_text(disk):>10s}")
    return lines


def _folder_lines(costs: Sequence[PlannedCost]) -> list[str]:
    """A line for each work folder: how many videos and frames it has, and how that is known."""
    # A dict keeps the order of the plan and each folder once.
    workdirs: dict[str, None] = {}
    for cost in costs:
        workdirs[cost.task.step.cfg.workdir] = None
    lines = []
    for workdir in workdirs:
        dataset, counted = dataset_of_paper_place(workdir)
        frames = sum(dataset.frames.values())
        source = f"published videos of {FRAMES} frames, assumed"
        if counted:
            source = "counted by prepare"
        lines.append(f"{workdir}: {len(dataset.videos)} videos, {frames:,} frames ({source})")
    return lines
