"""The settings that the boxes of a run are made with, from its map.json or config.json."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from etils import epath

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.json_records import json_record, read_record
from videolstm_jax.workdir.config_json import load_config
from videolstm_jax.workdir.layout import Workdir


# A setting of a later version is passed over: it changes nothing that is known here.
@json_record()
@dataclass(frozen=True)
class _LocalizedRun:
    """What is read of map.json."""

    settings: LocalizeConfig


@json_record()
@dataclass(frozen=True)
class _RunSettings:
    """What is read of the settings that a run was trained with."""

    localize: LocalizeConfig = field(default_factory=LocalizeConfig)


@json_record()
@dataclass(frozen=True)
class _TrainedRun:
    """What is read of config.json."""

    config: _RunSettings


def run_has_measures(folder: epath.Path) -> bool:
    """Whether the folder of a run has map.json; a warning is printed where only that was lost."""
    measures = folder / "map.json"
    # The boxes of these tubes may be of other settings than those of the training.
    if not measures.exists() and (folder / "tubes.jsonl").exists():
        warn_of_lost_run_result(f"{measures} is missing beside tubes.jsonl")
    return measures.exists()


def warn_of_lost_run_result(loss: str) -> None:
    """Prints which result of `localize` was lost; pages and pictures are made without it."""
    print(f"warning: {loss}; the stage localize writes both", file=sys.stderr)


def localize_settings_of_run(work: Workdir, name: str) -> LocalizeConfig:
    """The settings that the boxes of a run are made with.

    Those of the last `localize` (map.json); else those that the run was trained with (config.json).

    Raises:
      FileError: neither file is there, or it does not hold such settings.
    """
    folder = work.run(name)
    if run_has_measures(folder):
        return read_record(folder / "map.json", _LocalizedRun).settings
    # Refuses a run of an earlier layout.
    load_config(folder, made_by="train")
    return read_record(folder / "config.json", _TrainedRun).config.localize
