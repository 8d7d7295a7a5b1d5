"""All stages in one process: from a folder of videos, `--videos=DIR`, to a page of pictures."""

from __future__ import annotations

import importlib
import itertools
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from absl import flags

from launch import boot, config_flags
from videolstm_jax.config import STREAMS, RunConfig, change
from videolstm_jax.errors import ConfigError
from videolstm_jax.presets import configured, differences, for_cell

if TYPE_CHECKING:
    from videolstm_jax.types import Dataset

_VIDEOS = flags.DEFINE_string(
    "videos", None, "Short for --data.videos: the folder that holds the class folders."
)
_CELLS = flags.DEFINE_list(
    "cells", None, "Short for --pipeline.cells: cells to train on RGB; the last one is fused."
)
DRY_RUN = flags.DEFINE_boolean(
    "dry_run", False, "Print the single commands that this stands for, run nothing."
)


class Step(NamedTuple):
    """One stage with the configuration it runs under."""

    stage: str
    cfg: RunConfig


def plan(cfg: RunConfig) -> list[Step]:
    """The stages of a walk, in order; each could be given alone as `python -m launch.<stage>`.

    Raises:
      ConfigError: a setting that names one run or cell, where a walk has several.
    """
    for name in ("name", "model__cell", "data__stream", "fuse__runs"):
        if name in differences(cfg) or (
            name == "model__cell" and cfg.model.cell != RunConfig().model.cell
        ):
            raise ConfigError(
                f"--{name.replace('__', '.')} belongs to one run; a walk takes --pipeline.cells and "
                "--pipeline.flow_cell, and names its runs itself"
            )
    from videolstm_jax.core.cells import find_cell  # imports JAX, which --help does not need

    streams = [change(cfg, data__stream=stream) for stream in ("rgb", "flow")]
    if (
        cfg.flow.online
    ):  # one extraction of both streams; the nearest neighbour has no flow to compare
        steps = [
            Step("prepare", cfg),
            *(Step("fit_convnet", here) for here in streams),
            Step("extract", cfg),
        ]
    else:
        steps = [Step("prepare", cfg), Step("nearest", cfg)]
        steps += [Step(stage, here) for here in streams for stage in ("fit_convnet", "extract")]
    runs = [for_cell(cfg, cell, "rgb") for cell in cfg.pipeline.cells] + [
        for_cell(cfg, cfg.pipeline.flow_cell, "flow")
    ]
    for run in _with_grafted(cfg, runs):
        steps += [Step("train", run), Step("evaluate", run)]
        if find_cell(run.model.cell).attends:
            steps.append(Step("localize", run))
    pair = (runs[-2].run_name, runs[-1].run_name)
    steps.append(Step("fuse", change(cfg, fuse__runs=pair, fuse__name=f"{pair[0]}+{pair[1]}")))
    steps.append(Step("report", cfg))
    return steps


def _with_grafted(cfg: RunConfig, runs: list[RunConfig]) -> list[RunConfig]:
    """The runs in order, each after those it is grafted from, which are grafted as their preset
    says.
    """
    from videolstm_jax.core.cells import CELLS  # imports JAX, which --help does not need

    order: dict[str, RunConfig] = {}
    cells = {*CELLS, *cfg.pipeline.cells, cfg.pipeline.flow_cell}
    sources = {}
    for cell, stream in itertools.product(cells, STREAMS):
        run_name = change(RunConfig(), model__cell=cell, data__stream=stream).run_name
        sources[run_name] = (cell, stream)

    def add(run: RunConfig) -> None:
        for graft in run.train.graft:
            name, _, part = graft.partition(":")
            if name not in sources or not part:
                raise ConfigError(
                    f'train.graft has {graft!r}; expected "cell-stream:part" in a walk, such as '
                    "convlstm-flow:cell.motion"
                )
            cell, stream = sources[name]
            own = configured(
                cfg.preset, cell
            ).train.graft  # with the caller's, a source would be its own source
            source = change(for_cell(cfg, cell, stream), train__graft=own)
            if part == "cell.motion":  # the layer must have the size of the place it is grafted to
                source = change(source, model__kernel=run.model.motion_kernel)
            add(source)
        order.setdefault(run.run_name, run)

    for run in runs:
        add(run)
    return list(order.values())


def commands(cfg: RunConfig) -> str:
    """The single commands that a walk stands for, one a line."""
    return "\n".join(config_flags.command(step.stage, step.cfg) for step in plan(cfg))


def cost(steps: Sequence[Step], dataset: Dataset) -> str:
    """A table of what the stages that learn will cost on this device, and all of them together."""
    costs, pace = (
        importlib.import_module(f"videolstm_jax.{name}") for name in ("train.cost", "flow.pace")
    )
    runs = [step.cfg for step in steps if step.stage == "train"]
    measured = costs.measured(runs[0], runs, dataset)
    found = [
        (_label(step), costs.estimate(step.stage, step.cfg, dataset, measured)) for step in steps
    ]
    rows = [(label, *row) for label, row in found if row]
    rows.append(("together", *map(sum, zip(*(row[1:] for row in rows), strict=True))))
    lines = [
        f"  {label:24s} {pace.duration(seconds):>8s} {pace.size(disk):>10s}"
        for label, seconds, disk in rows
    ]
    return "\n".join(
        [
            "about, from nothing, at this device's speed just now; compiling and reading videos come on top:",
            *lines,
        ]
    )


def run(cfg: RunConfig) -> None:
    """Runs every stage of the plan and prints what each will cost, and what it took."""
    steps, seconds = plan(cfg), []
    for number, step in enumerate(steps, 1):
        label = _label(step)
        print(f"\n[{number}/{len(steps)}] {label}", flush=True)
        began = time.perf_counter()
        told = (
            {"told": lambda listed: print(cost(steps, listed), flush=True)}
            if step.stage == "prepare"
            else {}
        )
        path = importlib.import_module(f"videolstm_jax.stages.{step.stage}").run(step.cfg, **told)
        seconds.append((label, time.perf_counter() - began))
    width = max(len(label) for label, _ in seconds)
    print("\n" + "\n".join(f"{label:{width}s} {took:8.1f} s" for label, took in seconds))
    print(
        f"{'all stages':{width}s} {sum(took for _, took in seconds):8.1f} s\n\nthe page of pictures: {path}"
    )


def _label(step: Step) -> str:
    if step.stage == "fit_convnet" or (step.stage == "extract" and not step.cfg.flow.online):
        return f"{step.stage} {step.cfg.data.stream}"
    if step.stage in ("train", "evaluate", "localize"):
        return f"{step.stage} {step.cfg.run_name}"
    return step.stage


def with_short_flags(cfg: RunConfig) -> RunConfig:
    """The configuration with `--videos` and `--cells` taken in."""
    if _VIDEOS.value is not None:
        cfg = change(cfg, data__videos=_VIDEOS.value)
    if _CELLS.value is not None:
        cfg = change(cfg, pipeline__cells=tuple(_CELLS.value))
    return cfg


def main(cfg: RunConfig) -> None:
    """Applies the short flags, and walks or says what a walk would do."""
    cfg = with_short_flags(cfg)
    if DRY_RUN.value:
        print(commands(cfg))
    else:
        run(cfg)


if __name__ == "__main__":
    boot.launch(main, preset="small")
