"""The single commands that a pipeline stands for."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from videolstm_jax.pipeline.steps import plan
from videolstm_jax.presets import Settings

if TYPE_CHECKING:
    from videolstm_jax.config import RunConfig


def pipeline_stage_command(stage: str, cfg: RunConfig, program: str = "videolstm ") -> str:
    """The command line that gives a stage exactly this configuration: its preset and its overrides.

    Args:
      stage: its name.
      cfg: made by `configured` or `change`.
      program: what stands before the name of the stage.

    Raises:
      ConfigError: the configuration does not follow from its preset and overrides.
    """
    return f"{program}{stage} {shlex.join(Settings.of(cfg).arguments())}"


def pipeline_commands(cfg: RunConfig, program: str = "videolstm ") -> str:
    """The single commands that a pipeline stands for, one a line."""
    lines = []
    for step in plan(cfg):
        lines.append(pipeline_stage_command(step.stage, step.cfg, program))
    return "\n".join(lines)
