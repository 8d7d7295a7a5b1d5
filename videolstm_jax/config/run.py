"""All settings of one run together, and how some of them are changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from videolstm_jax.config.checks import (
    check_setting_at_least,
    check_setting_backbone,
    check_setting_cell_names,
    check_setting_file_names,
    short_cell_setting,
)
from videolstm_jax.config.convnet import ConvNetConfig
from videolstm_jax.config.inputs import DataConfig, FlowConfig
from videolstm_jax.config.results import EvalConfig, FuseConfig, LocalizeConfig, ReportConfig
from videolstm_jax.config.setting import check_settings, require_setting, setting
from videolstm_jax.config.shallow import IdtConfig, ObjectsConfig
from videolstm_jax.config.training import ModelConfig, OptimConfig, TrainConfig
from videolstm_jax.errors import ConfigError


@dataclass(frozen=True)
class PipelineConfig:
    """Which models a pipeline trains."""

    cells: tuple[str, ...] = setting(
        ("videolstm",),
        "Cells to train on RGB; the last one is fused. Cells with motion read the flow features "
        "too.",
    )
    flow_cell: str = setting(
        "videolstm",
        'Cell to train on flow features, and to fuse with. The two are the "RGB input and '
        'optical flow input" of Sec. 5.5.',
    )
    # Networks with published ImageNet weights read RGB; flow needs one that is trained on flow.
    flow_backbone: str = setting(
        "",
        "Backbone of the flow stream, as `convnet.backbone` names that of RGB. Empty takes the "
        "preset's.",
        advanced=True,
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        if self.flow_backbone:
            check_setting_backbone(self, "flow_backbone", self.flow_backbone)
        check_setting_cell_names(self, "cells", *self.cells)
        check_setting_cell_names(self, "flow_cell", self.flow_cell)
        # Runs are folders named after their cells, so two cells must not share a name either.
        names = {short_cell_setting(cell) for cell in self.cells}
        fits = bool(self.cells) and len(names) == len(self.cells)
        require_setting(
            fits, "pipeline.cells", self.cells, "one or more cells with different names"
        )


@dataclass(frozen=True)
class RunConfig:
    """One run: everything that a stage needs."""

    name: str = setting("", 'Name of the run\'s folder; empty means "<cell>-<stream>".')
    # Not by `setting`: it is no setting of its own, but where the values of all others come from.
    preset: str = "paper"
    workdir: str = setting(
        "work",
        "The work folder that all stages read and write.",
        path=True,
        required="a folder",
    )
    seed: int = setting(0, "Seed of every random number.")
    resume: str = setting(
        "auto",
        "Whether a training goes on from its checkpoint, auto, must or never. "
        "`auto`: if there is one; `must`: a folder without one is refused; `never`: a folder with "
        "one is refused.",
        choices=("auto", "must", "never"),
    )
    break_lock: bool = setting(
        False,
        "Write to a folder although another process has its lock. Only for a lock whose process "
        "does not run any more; docs/pipeline.md says when a lock is taken over by itself.",
        advanced=True,
    )
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
    idt: IdtConfig = field(default_factory=IdtConfig)
    objects: ObjectsConfig = field(default_factory=ObjectsConfig)
    # The values that the user gave on top of the preset, by `section__field`. They record only
    # where values come from, so they do not count when two configurations are compared.
    overrides: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        # NumPy's generators refuse negative seeds, hours later and without the name of the setting.
        check_setting_at_least(self, 0, "seed")
        check_setting_file_names(self, "name")
        # The best checkpoint is chosen on the validation list, so there must be one.
        if self.train.keep == "best" and not self.data.validation:
            raise ConfigError(
                "train.keep is 'best' but data.validation is 0; expected a share of groups to hold "
                "out"
            )

    @property
    def run_name(self) -> str:
        """The folder of this run under `runs/`."""
        return self.name or f"{short_cell_setting(self.model.cell)}-{self.data.stream}"


# Fields of RunConfig that say where its settings come from.
_NOT_SETTINGS = ("preset", "overrides")


def flat_settings(cfg: RunConfig) -> dict[str, Any]:
    """Every setting as `section__field: value` or `field: value`, in the dataclasses' order."""
    values: dict[str, Any] = {}
    for section in dataclasses.fields(cfg):
        value = getattr(cfg, section.name)
        if dataclasses.is_dataclass(value):
            for leaf in dataclasses.fields(value):
                values[f"{section.name}__{leaf.name}"] = getattr(value, leaf.name)
        elif section.name not in _NOT_SETTINGS:
            values[section.name] = value
    return values


def setting_text(value: Any) -> str:
    """A setting as it is written on a command line."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)


def change(cfg: RunConfig, **settings: Any) -> RunConfig:
    """The same run with other settings, which are remembered as the user's own.

    Args:
      cfg: the configuration to start from; its preset stays.
      **settings: given as `section__field=value` or `field=value`.

    Raises:
      ConfigError: a setting that does not exist, or a value that cannot be used.
    """
    # Two underscores, because a keyword of Python cannot hold the dot of `model.cell`.
    current = flat_settings(cfg)
    sections: dict[str, dict[str, Any]] = {}
    replaced: dict[str, Any] = {}
    for path, value in settings.items():
        if path not in current:
            raise ConfigError(f"there is no setting {path.replace('__', '.')}")
        section, _, name = path.rpartition("__")
        if section:
            sections.setdefault(section, {})[name] = value
        else:
            replaced[name] = value
    # A section is made anew, so that its checks see all its new values together.
    for section, values in sections.items():
        replaced[section] = dataclasses.replace(getattr(cfg, section), **values)
    # The whole run is checked once more, because some settings exclude those of other sections.
    return dataclasses.replace(cfg, **replaced, overrides={**cfg.overrides, **settings})
