"""The stages of a pipeline in order, each with its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from videolstm_jax.config import STREAMS, RunConfig, change
from videolstm_jax.config.checks import short_cell_setting
from videolstm_jax.core.cells import CELLS, find_cell
from videolstm_jax.errors import ConfigError
from videolstm_jax.presets import Settings, configured

_OF_ONE_RUN = ("name", "model__cell", "data__stream", "fuse__runs", "eval__part")
"""Settings that a pipeline of several runs decides itself."""


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
    # All runs would get the same name or cell, and write into one folder.
    for name in _OF_ONE_RUN:
        if name in settings.overrides:
            raise ConfigError(
                f"--{name.replace('__', '.')} belongs to one run; a pipeline takes "
                "--pipeline.cells and --pipeline.flow_cell, and names its runs itself"
            )


def _feature_steps(cfg: RunConfig, settings: Settings) -> list[Step]:
    """The stages that make the features of both streams, and the baselines without a network."""
    # First of all: if size or length give the class away, the user sees it before hours of work.
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
    # Named after its runs by default, so that fusions of other cells lie side by side.
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
        # Sources first, and theirs before them: a training needs the checkpoints of its sources.
        for graft in run_cfg.train.graft:
            add(pipeline_graft_source(settings, run_cfg, graft))
        # A run of the pipeline that is a source too is trained once.
        ordered.setdefault(run_cfg.run_name, run_cfg)

    for run_cfg in runs:
        add(run_cfg)
    return list(ordered.values())


def pipeline_graft_source(settings: Settings, run_cfg: RunConfig, graft: str) -> RunConfig:
    """The run that one entry of `train.graft` takes parameters from."""
    name, _, part = graft.partition(":")
    cell_name, _, stream = name.rpartition("-")
    # By their short names, which the folders of runs have.
    cells = {}
    for cell in (*CELLS, *pipeline_cells(settings.config())):
        cells[short_cell_setting(cell)] = cell
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
    user_kernel = settings.overrides.get("model__kernel", kernel)
    if user_kernel != kernel:
        raise ConfigError(
            f"model.kernel is {user_kernel}, but {source_name} becomes the motion LSTM of "
            f"{run_cfg.run_name}, whose model.motion_kernel is {kernel}; expected the same value: "
            f"leave out --model.kernel, give --model.motion_kernel={user_kernel}, or change "
            "--train.graft"
        )
    return kernel
