"""Folds a preset and the user's own settings into the configuration of a run."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from videolstm_jax.config import ConvNetConfig, RunConfig, change, flat_settings, setting_text
from videolstm_jax.errors import ConfigError
from videolstm_jax.presets.table import PRESETS

# Frozen, so that all configurations may start from the same one.
_DEFAULT = RunConfig()


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings a user asked for: a preset, and what was given on top of it.

    The overrides are kept as they were given, never recovered from a configuration. A configuration
    is folded from them for each cell and stream anew: the defaults, the preset's settings, its
    column for the cell, its columns for the stream and the backbone, then every override.
    """

    preset: str = "paper"
    overrides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """`section__field: value` or `field: value`; they win also where they equal a default."""

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        if self.preset not in PRESETS:
            hint = ""
            for nearest in difflib.get_close_matches(self.preset, PRESETS, 1):
                hint = f" (did you mean {nearest}?)"
            raise ConfigError(
                f"there is no preset {self.preset!r}{hint}; expected one of {', '.join(PRESETS)}"
            )

    @classmethod
    def of(cls, cfg: RunConfig) -> Settings:
        """The settings that a configuration was folded from.

        Raises:
          ConfigError: the configuration was not made by `Settings`, `configured` or `change`, or
            `change` gave it another cell without the preset's column for that cell. Its settings
            would be lost on the way to another cell.
        """
        settings = cls(cfg.preset, cfg.overrides)
        folded, actual = flat_settings(settings.config()), flat_settings(cfg)
        for path, value in actual.items():
            if folded[path] != value:
                raise ConfigError(
                    f"{path.replace('__', '.')} is {value!r}, which neither the preset "
                    f"{cfg.preset!r} nor an override gives; expected a configuration made by "
                    "`configured` and `change`"
                )
        return settings

    def override(self, **settings: Any) -> Settings:
        """The same, with more settings on top, given as `section__field=value`."""
        return dataclasses.replace(self, overrides={**self.overrides, **settings})

    def arguments(self) -> list[str]:
        """The command-line arguments that give these settings."""
        arguments = [f"--preset={self.preset}"]
        for path, value in self.overrides.items():
            arguments.append(f"--{path.replace('__', '.')}={setting_text(value)}")
        return arguments

    def config(self) -> RunConfig:
        """The configuration for the cell that the overrides name, or for the default cell.

        Raises:
          ConfigError: an unknown setting, or a value that cannot be used.
        """
        preset = PRESETS[self.preset]
        default = _DEFAULT
        cell = self.overrides.get("model__cell", default.model.cell)
        stream = self.overrides.get("data__stream", default.data.stream)
        values = {**preset.settings, **preset.cells.get(cell, {}), **preset.streams.get(stream, {})}
        backbone = {**values, **self.overrides}.get("convnet__backbone", default.convnet.backbone)
        if backbone != "vgg":
            values.update(preset.frozen)
        # These settings belong together: another input of the user's keeps the box of the preset.
        box_input = self.overrides.get("localize__input", "foreground")
        if backbone == "lite0" and stream == "rgb" and box_input == "foreground":
            values.update(preset.lite0_rgb)
        cfg = change(default, **{**values, **self.overrides})
        return dataclasses.replace(cfg, preset=self.preset, overrides=dict(self.overrides))

    def for_cell(self, cell: str, stream: str) -> RunConfig:
        """The configuration of one run: the preset's column for this cell, then every override.

        Args:
          cell: one of the six, or "package.module:ATTRIBUTE".
          stream: "rgb" or "flow", which the cell's input is read from.
        """
        return self.override(model__cell=cell).for_stream(stream).config()

    def for_stream(self, stream: str) -> Settings:
        """The settings of one stream of a pipeline.

        `convnet.backbone` of a pipeline is that of the RGB stream. The flow stream has
        `pipeline.flow_backbone`, and where that is empty the preset's: a function of the user's own
        reads frames of three channels, so it must not reach the flow stream by itself.
        """
        settings = self.override(data__stream=stream)
        if stream == self.overrides.get("data__stream", _DEFAULT.data.stream):
            return settings
        overrides = dict(settings.overrides)
        overrides.pop("convnet__backbone", None)
        flow_backbone = settings.config().pipeline.flow_backbone
        if stream == "flow" and flow_backbone:
            overrides["convnet__backbone"] = flow_backbone
        return dataclasses.replace(self, overrides=overrides)


def configured(preset: str, cell: str | None = None, **settings: Any) -> RunConfig:
    """The configuration of a preset for one cell, with the caller's settings on top.

    Args:
      preset: a name in PRESETS.
      cell: the cell to train; None takes `model__cell` of the settings, or the default one.
      **settings: given as `section__field=value` or `field=value`.

    Raises:
      ConfigError: an unknown preset or setting, or a value that cannot be used.
    """
    if cell is not None:
        settings["model__cell"] = cell
    return Settings(preset, settings).config()


def convnet_of(cfg: RunConfig, stream: str) -> ConvNetConfig:
    """The settings of the backbone of any stream, from the configuration of one of them.

    Args:
      cfg: of a stage.
      stream: "rgb" or "flow".
    """
    settings = Settings(cfg.preset, cfg.overrides)
    # A configuration that was put together by hand has one section for both streams.
    if stream == cfg.data.stream or settings.config().convnet != cfg.convnet:
        return cfg.convnet
    return settings.for_stream(stream).config().convnet
