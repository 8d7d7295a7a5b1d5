"""Every setting of the project: one frozen dataclass a subject, checked where it is made.

The defaults are the `paper` preset: the text to the letter, silent points filled plainly (see
docs/decisions.md).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from videolstm_jax.config.checks import at_least, cell_names
from videolstm_jax.config.inputs import STREAMS, ConvNetConfig, DataConfig, FlowConfig
from videolstm_jax.config.results import (
    EvalConfig,
    FuseConfig,
    LocalizeConfig,
    OverlayConfig,
    PredictConfig,
    ReportConfig,
)
from videolstm_jax.config.training import ModelConfig, OptimConfig, TrainConfig
from videolstm_jax.errors import ConfigError

__all__ = [
    "STREAMS",
    "ConfigError",
    "ConvNetConfig",
    "DataConfig",
    "EvalConfig",
    "FlowConfig",
    "FuseConfig",
    "LocalizeConfig",
    "ModelConfig",
    "OptimConfig",
    "OverlayConfig",
    "PredictConfig",
    "ReportConfig",
    "RunConfig",
    "TrainConfig",
    "PipelineConfig",
    "change",
]


@dataclass(frozen=True)
class PipelineConfig:
    """Which models a walk through all stages trains."""

    cells: tuple[str, ...] = ("videolstm",)
    """Cells trained on RGB (with flow as the motion input of the motion cells); the last one is
    fused.
    """
    flow_cell: str = "videolstm"
    """The cell trained on flow features, to fuse with: both halves of "RGB input and optical flow
    input" (Sec. 5.5).
    """

    def __post_init__(self) -> None:
        cell_names(self, "cells", *self.cells)
        cell_names(self, "flow_cell", self.flow_cell)
        if not self.cells or len(set(self.cells)) != len(self.cells):
            raise ConfigError(
                f"PipelineConfig.cells is {self.cells}; expected one or more different cells"
            )


@dataclass(frozen=True)
class RunConfig:
    """One run: everything a stage needs to know."""

    name: str = ""
    """Names the run's folder; empty means "<cell>-<stream>"."""
    preset: str = "paper"
    workdir: str = "work"
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    convnet: ConvNetConfig = field(default_factory=ConvNetConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    eval: EvalConfig = field(default_factory=EvalConfig)
    fuse: FuseConfig = field(default_factory=FuseConfig)
    localize: LocalizeConfig = field(default_factory=LocalizeConfig)
    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    report: ReportConfig = field(default_factory=ReportConfig)

    def __post_init__(self) -> None:
        at_least(self, 0, "seed")
        if not self.workdir:
            raise ConfigError("RunConfig.workdir is empty; expected a folder")
        if self.train.keep == "best" and not self.data.validation:
            raise ConfigError(
                "train.keep is 'best' but data.validation is 0; expected a share of groups to hold out"
            )

    @property
    def run_name(self) -> str:
        """The folder of this run under `runs/`."""
        if self.name:
            return self.name
        # A colon separates a run from its part in --train.graft, so no name of a run has one.
        cell = self.model.cell.replace(":", ".")
        return f"{cell}-{self.data.stream}"


def change(cfg: RunConfig, **settings: object) -> RunConfig:
    """The same run with other settings, given as `section__field=value` or `field=value`.

    Raises:
      ConfigError: a section or field that does not exist.
    """
    sections: dict[str, dict[str, object]] = {}
    top: dict[str, object] = {}
    for path, value in settings.items():
        section, _, name = path.rpartition("__")
        owner = getattr(cfg, section, None) if section else cfg
        if not dataclasses.is_dataclass(owner) or name not in {
            f.name for f in dataclasses.fields(owner)
        }:
            raise ConfigError(f"there is no setting {path.replace('__', '.')}")
        (sections.setdefault(section, {}) if section else top)[name] = value
    replaced = {
        name: dataclasses.replace(getattr(cfg, name), **values) for name, values in sections.items()
    }
    return dataclasses.replace(cfg, **replaced, **top)
