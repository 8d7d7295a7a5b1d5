"""All stages in order: the plan of a pipeline, its commands, its cost and its run."""

from __future__ import annotations

import importlib
import shlex
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from videolstm_jax.cluster import team
from videolstm_jax.cluster.first_process import run_in_first
from videolstm_jax.config import STREAMS, RunConfig, change
from videolstm_jax.config.checks import short_name
from videolstm_jax.core.cells import CELLS, find_cell
from videolstm_jax.errors import ConfigError
from videolstm_jax.heartbeat import Heartbeat
from videolstm_jax.presets import Settings, configured
from videolstm_jax.quantities import duration_text, size_text

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.types import Dataset

_OF_ONE_RUN = ("name", "model__cell", "data__stream", "fuse__runs", "eval__part")
"""Settings that a pipeline of several runs decides itself."""
TOGETHER = ("prepare", "fit_convnet", "train", "evaluate")
"""The stages that several processes run together."""
SHARDED = ("extract",)
"""The stages of which each of several processes does its share alone."""


class Step(NamedTuple):
    """One stage with the configuration it runs under."""

    stage: str
    cfg: RunConfig

    @property
    def label(self) -> str:
        """The stage, with its stream or its run where the pipeline calls it several times."""
        if self.stage == "evaluate" and self.cfg.eval.part == "valid":
            return f"evaluate {self.cfg.run_name} (valid)"
        if self.stage in ("train", "evaluate", "localize"):
            return f"{self.stage} {self.cfg.run_name}"
        both_streams_at_once = self.stage == "extract" and self.cfg.flow.online
        if self.stage in ("fit_convnet", "extract") and not both_streams_at_once:
            return f"{self.stage} {self.cfg.data.stream}"
        return self.stage


# ---- the plan ------------------------------------------------------------------------------------


def plan(cfg: RunConfig) -> list[Step]:
    """The stages of a pipeline, in order; each can also be given as a command of its own.

    Args:
      cfg: made by `configured` or `change`; its overrides reach every stage and every run.

    Raises:
      ConfigError: an override that names one run or cell, where a pipeline has several.
    """
    settings = Settings.of(cfg)
    _refuse_settings_of_one_run(settings)
    # A mistake in a name is reported before any work is done.
    for cell in pipeline_cells(cfg):
        find_cell(cell)
    runs = []
    for cell in cfg.pipeline.cells:
        runs.append(settings.for_cell(cell, "rgb"))
    runs.append(settings.for_cell(cfg.pipeline.flow_cell, "flow"))
    # The last cell on RGB, and the cell on flow.
    fused = runs[-2:]
    steps = [Step("prepare", cfg), *_feature_steps(cfg, settings)]
    for run_cfg in _with_graft_sources(settings, runs):
        steps.append(Step("train", run_cfg))
        steps.append(Step("evaluate", run_cfg))
        # The weights of a fusion are searched on the validation scores of the runs in it.
        if cfg.fuse.search and not cfg.fuse.validation and run_cfg in fused:
            steps.append(Step("evaluate", change(run_cfg, eval__part="valid")))
        if find_cell(run_cfg.model.cell).attends:
            steps.append(Step("localize", run_cfg))
    steps.append(Step("fuse", _fuse_config(cfg, runs)))
    steps.append(Step("report", cfg))
    return steps


def _refuse_settings_of_one_run(settings: Settings) -> None:
    for name in _OF_ONE_RUN:
        if name in settings.overrides:
            raise ConfigError(
                f"--{name.replace('__', '.')} belongs to one run; a pipeline takes "
                "--pipeline.cells and --pipeline.flow_cell, and names its runs itself"
            )


def _feature_steps(cfg: RunConfig, settings: Settings) -> list[Step]:
    """The stages that make the features of both streams, and the baselines without a network."""
    steps = [Step("nearest", cfg)]
    for stream in STREAMS:
        stream_cfg = settings.for_stream(stream).config()
        steps.append(Step("fit_convnet", stream_cfg))
        if not cfg.flow.online:
            steps.append(Step("extract", stream_cfg))
    # Where flow is not stored, one pass over the videos makes the features of both streams.
    if cfg.flow.online:
        steps.append(Step("extract", cfg))
    return steps


def _fuse_config(cfg: RunConfig, runs: Sequence[RunConfig]) -> RunConfig:
    """Fuses the last cell on RGB with the cell on flow: the two streams of Sec. 5.5."""
    fused = (runs[-2].run_name, runs[-1].run_name)
    fuse_name = cfg.overrides.get("fuse__name", "+".join(fused))
    # `Workdir.scores` finds a file of scores by this name; a run's own would be hidden.
    if any(run_cfg.run_name == fuse_name for run_cfg in runs):
        raise ConfigError(f"fuse.name is {fuse_name!r}, the name of a run; expected another name")
    return change(cfg, fuse__runs=fused, fuse__name=fuse_name)


def pipeline_cells(cfg: RunConfig) -> tuple[str, ...]:
    """The names of all cells that a pipeline trains for its own sake."""
    return (*cfg.pipeline.cells, cfg.pipeline.flow_cell)


def _with_graft_sources(settings: Settings, runs: Sequence[RunConfig]) -> list[RunConfig]:
    """The runs in order, each after the runs that its parameters are grafted from."""
    ordered: dict[str, RunConfig] = {}

    def add(run_cfg: RunConfig) -> None:
        for graft in run_cfg.train.graft:
            add(graft_source(settings, run_cfg, graft))
        ordered.setdefault(run_cfg.run_name, run_cfg)

    for run_cfg in runs:
        add(run_cfg)
    return list(ordered.values())


def graft_source(settings: Settings, run_cfg: RunConfig, graft: str) -> RunConfig:
    """The run that one entry of `train.graft` takes parameters from."""
    name, _, part = graft.partition(":")
    cell_name, _, stream = name.rpartition("-")
    # By their short names, which the folders of runs have.
    cells = {}
    for cell in (*CELLS, *pipeline_cells(settings.config())):
        cells[short_name(cell)] = cell
    if cell_name not in cells or stream not in STREAMS or not part:
        raise ConfigError(
            f'train.graft has {graft!r}; expected "cell-stream:part" in a pipeline, such as '
            "convlstm-flow:cell.motion"
        )
    cell = cells[cell_name]
    # A graft given by the user is meant for the runs of the pipeline. A source keeps the grafts of
    # its preset; with the user's, it could be its own source.
    own_grafts = configured(settings.preset, cell).train.graft
    source = settings.override(train__graft=own_grafts)
    if part == "cell.motion" and find_cell(cell).layers.motion is None:
        # The only LSTM of the source replaces the motion LSTM, so it must have the same kernel.
        kernel = _motion_kernel(settings, run_cfg, name)
        source = source.override(model__kernel=kernel)
    return source.for_cell(cell, stream)


def _motion_kernel(settings: Settings, run_cfg: RunConfig, source_name: str) -> int:
    """The kernel of the motion LSTM of a run, which the source of a graft must have too.

    A contradicting kernel is refused. To ignore it would break the rule that a setting reaches
    every run, and to keep it would fail only after the source is trained.
    """
    kernel = run_cfg.model.motion_kernel
    given = settings.overrides.get("model__kernel", kernel)
    if given != kernel:
        raise ConfigError(
            f"model.kernel is {given}, but {source_name} becomes the motion LSTM of "
            f"{run_cfg.run_name}, whose model.motion_kernel is {kernel}; expected the same value: "
            f"leave out --model.kernel, give --model.motion_kernel={given}, or change --train.graft"
        )
    return kernel


# ---- the commands --------------------------------------------------------------------------------


def command(stage: str, cfg: RunConfig, program: str = "videolstm ") -> str:
    """The command line that gives a stage exactly this configuration: its preset and its overrides.

    Args:
      stage: its name.
      cfg: made by `configured` or `change`.
      program: what stands before the name of the stage.

    Raises:
      ConfigError: the configuration does not follow from its preset and overrides.
    """
    return f"{program}{stage} {shlex.join(Settings.of(cfg).arguments())}"


def commands(cfg: RunConfig, program: str = "videolstm ") -> str:
    """The single commands that a pipeline stands for, one a line."""
    lines = []
    for step in plan(cfg):
        lines.append(command(step.stage, step.cfg, program))
    return "\n".join(lines)


# ---- the run -------------------------------------------------------------------------------------


def run(cfg: RunConfig) -> epath.Path | None:
    """Runs every stage of the plan, and prints what each will cost and what it took.

    Several processes run a stage together where it can be shared. Process 0 runs the others.

    Returns:
      The page of pictures; None in processes other than the first.

    Raises:
      ConfigError, FileError, VideoError: as the stages do.
    """
    steps = plan(cfg)
    _check_batches(steps)
    seconds: list[tuple[str, float]] = []
    for number, step in enumerate(steps, 1):
        print(f"\n[{number}/{len(steps)}] {step.label}", flush=True)
        began = time.perf_counter()
        path = _run_step(step, steps)
        seconds.append((step.label, time.perf_counter() - began))
    _print_times(seconds)
    print(f"\nthe page of pictures: {path}")
    return path


def _print_times(seconds: Sequence[tuple[str, float]]) -> None:
    """Prints a line for each stage, and the sum."""
    head = "all stages"
    rows = [*seconds, (head, sum(taken for _, taken in seconds))]
    width = max(len(label) for label, _ in rows)
    print()
    for label, taken in rows:
        print(f"{label:{width}s} {taken:8.1f} s")


def _check_batches(steps: Sequence[Step]) -> None:
    """Raises ConfigError where a batch cannot be shared by the devices."""
    # Now, before the videos are decoded: the stages themselves notice it hours later.
    mesh = importlib.import_module("videolstm_jax.train.mesh")
    for step in steps:
        settings = step.cfg.train
        if step.stage == "fit_convnet":
            mesh.data_mesh(settings.devices, step.cfg.convnet.batch, settings.shards)
        if step.stage == "train":
            mesh.data_mesh(settings.devices, step.cfg.data.batch, settings.shards)


def _run_step(step: Step, steps: Sequence[Step]) -> epath.Path | None:
    """Runs one stage; `prepare` prints the cost of all as soon as it has listed the videos."""
    # Imported when it is needed: a plan alone does not wait for TensorFlow.
    stage = importlib.import_module(f"videolstm_jax.stages.{step.stage}")
    processes = team.current()
    run_stage = partial(stage.run, step.cfg)
    if step.stage == "prepare":
        run_stage = partial(run_stage, on_listed=partial(_print_cost, steps))
    if step.stage in SHARDED:
        shards = importlib.import_module("videolstm_jax.features.shards")
        own = shards.Shard(processes.index + 1, processes.count)
        run_stage = partial(run_stage, shard=own)
    if step.stage not in TOGETHER + SHARDED:
        return run_in_first(step.label, run_stage)
    path = run_stage()
    # The next stage reads what process 0, or the last shard, writes at the end of this one.
    processes.meet(f"the end of {step.label}")
    return path


def _print_cost(steps: Sequence[Step], dataset: Dataset) -> None:
    print(cost(steps, dataset), flush=True)


def cost(steps: Sequence[Step], dataset: Dataset) -> str:
    """A table of what the stages that learn will cost on this device, and all of them together."""
    costs = importlib.import_module("videolstm_jax.train.cost")
    runs = [step.cfg for step in steps if step.stage == "train"]
    with Heartbeat(lambda seconds: f"measures the speed of this device, {seconds:.0f} s so far"):
        measured_pace = costs.measure_pace(runs[0], runs, dataset)
    lines = [
        "about, from nothing, at this device's speed just now; compiling and reading videos come "
        "on top:"
    ]

    def add_line(label: str, seconds: float, disk: int) -> None:
        lines.append(f"  {label:24s} {duration_text(seconds):>8s} {size_text(disk):>10s}")

    # Stages that learn nothing have no line: they take seconds.
    total_seconds, total_disk = 0.0, 0
    for step in steps:
        estimate = costs.estimate_stage_cost(step.stage, step.cfg, dataset, measured_pace)
        if estimate is None:
            continue
        add_line(step.label, *estimate)
        total_seconds += estimate.seconds
        total_disk += estimate.disk
        if step.stage == "extract" and step.cfg.data.mirrored:
            # A line of its own, since one setting saves it.
            filmed = change(step.cfg, data__mirrored=False)
            without = costs.estimate_stage_cost(step.stage, filmed, dataset, measured_pace)
            seconds = estimate.seconds - without.seconds
            add_line("  of it data.mirrored", seconds, estimate.disk - without.disk)
    add_line("together", total_seconds, total_disk)
    return "\n".join(lines)
