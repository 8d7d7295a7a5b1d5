"""config.json, the record of how a model was trained: written and read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from etils import epath

from videolstm_jax.files import PathLike, bytes_sha256, read_existing, write_json
from videolstm_jax.json_records import json_record, parse_record
from videolstm_jax.sealed_json import decode_json
from videolstm_jax.workdir.layout import LAYOUT, require_layout

if TYPE_CHECKING:
    from videolstm_jax.config import RunConfig

METRICS = "metrics.jsonl"
"""What a training logs, in its folder."""

METRICS_SHA256 = "metrics_sha256"
"""The field of config.json with the digest of that file."""


def save_config(folder: PathLike, cfg: RunConfig, **resolved: Any) -> None:
    """Writes config.json, the record of how a model was trained.

    Args:
      folder: of the run or of the backbone.
      cfg: the resolved configuration, written as `config`; the settings that the user gave are
        written as `overrides`, by the names of their flags.
      **resolved: values that were only known at run time, such as sizes and class names.
    """
    config = dataclasses.asdict(cfg)
    # By the names of their flags, which people search for; keywords of Python cannot hold a dot.
    overrides = {}
    for path, setting in config.pop("overrides").items():
        overrides[path.replace("__", ".")] = setting
    record = {"layout": LAYOUT, "config": config, "overrides": overrides, **resolved}
    metrics = epath.Path(folder) / METRICS
    # It grows line by line while the model is trained, so it has no seal of its own.
    if metrics.exists():
        record[METRICS_SHA256] = bytes_sha256(metrics.read_bytes())
    write_json(epath.Path(folder) / "config.json", record, sealed=True)


def load_config(folder: PathLike, made_by: str = "") -> dict[str, Any]:
    """Reads config.json of a run or of a backbone, see `save_config`.

    Raises:
      FileError: the file is missing (`made_by` names the stage that writes it), is not JSON, was
        written by another version, or does not have the settings that stages take from it.
    """
    path = epath.Path(folder) / "config.json"
    data = read_existing(path, made_by=made_by)
    record = require_layout(path, decode_json(data, path))
    parse_record(data, _ConfigRecord, path)
    return record


@json_record()
@dataclasses.dataclass(frozen=True)
class _DataSettings:
    """What stages take of the section `data` in config.json; earlier versions lack some fields."""

    stream: str = ""
    source: str = ""
    fps: float = 0.0
    fit: str = "squash"
    feature_dtype: str = "float16"


@json_record()
@dataclasses.dataclass(frozen=True)
class _Settings:
    """What stages take of the settings in config.json."""

    data: _DataSettings = dataclasses.field(default_factory=_DataSettings)


@json_record()
@dataclasses.dataclass(frozen=True)
class _ConfigRecord:
    """What every stage relies on in config.json; the rest is checked where it is used."""

    config: _Settings = dataclasses.field(default_factory=_Settings)
    overrides: dict[str, Any] = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] = ()
    attends: bool = False
    warnings: tuple[str, ...] = ()
