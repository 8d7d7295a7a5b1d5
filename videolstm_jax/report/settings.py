"""The section on settings: what each stage saved in its config.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from videolstm_jax.report import tables
from videolstm_jax.report.page import Section


def section(configs: Mapping[str, Mapping[str, Any]]) -> Section:
    """Shows the settings in which models differ, and each config.json with its sha256, folded.

    Args:
      configs: name -> the contents of config.json, settings under `config`.
    """
    empty = Section("settings", "How it was made")
    if not configs:
        notice = "No stage has saved its settings yet; fit_convnet and train do."
        return empty._replace(notices=(notice,))
    settings = {}
    folded = []
    for name, config in configs.items():
        settings[name] = config.get("config", {})
        # The digest is of the contents: layout and order of the file do not matter.
        text = json.dumps(_shortened(config), indent=1, sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
        folded.append((f"Settings of {name} (sha256 {digest[:12]})", text))
    complete = empty._replace(folded=tuple(folded))
    table = page_setting_differences(settings)
    if table is None:
        return complete
    return complete._replace(tables=(table,))


def _shortened(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the number of training videos in place of their names: there may be 10,000."""
    short_config = dict(config)
    if short_config.get("trained_on"):
        count = len(short_config["trained_on"]["videos"])
        short_config["trained_on"] = {**short_config["trained_on"], "videos": f"{count} names"}
    return short_config


_BASELINES = {"nearest-motion": "flow", "nearest-size": "width, height, length"}
"""What the baselines of the stage `nearest` compare; they have no config.json."""


def page_text_of_inputs(name: str, config: Mapping[str, Any] | None) -> str:
    """Names the streams that a model reads, from its name and its config.json."""
    # A backbone reads the stream that its name ends with. Only recurrent models may read two.
    if name == "convnet-rgb":
        return "RGB"
    if name.startswith("convnet-"):
        return "flow"
    if name in _BASELINES:
        return _BASELINES[name]
    config = config or {}
    stream = config.get("config", {}).get("data", {}).get("stream")
    if stream is None:
        return ""
    if stream == "flow":
        return "flow"
    reads_motion = config.get("layers", {}).get("motion") is not None
    if reads_motion:
        # Spaces that do not break keep the three parts on one line of the table.
        return "RGB\u00a0+\u00a0flow"
    return "RGB"


def _flat_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flattens nested settings to `section.field` -> JSON text."""
    fields: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            fields |= _flat_settings(value, f"{prefix}{name}.")
        else:
            fields[prefix + name] = json.dumps(value, ensure_ascii=False)
    return fields


def page_setting_differences(configs: Mapping[str, Mapping[str, Any]]) -> tables.Table | None:
    """Lists the settings in which runs differ, a column for each run; None where they are equal."""
    runs = list(map(_flat_settings, configs.values()))
    fields = sorted(set().union(*runs))
    rows = []
    for field in fields:
        # A run may lack a setting, such as that of a cell which only its own package has.
        values = [settings.get(field, tables.ABSENT) for settings in runs]
        if len(set(values)) > 1:
            rows.append((field, *values))
    if not rows:
        return None
    return tables.plain_page_table("Settings in which the runs differ", ("Setting", *configs), rows)
