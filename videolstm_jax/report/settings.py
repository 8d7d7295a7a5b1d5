"""How every model was made: the settings that its stage saved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from videolstm_jax.report import tables
from videolstm_jax.report.page import Section


def section(configs: Mapping[str, Mapping[str, Any]]) -> Section:
    """The settings in which models differ as a table, and each config.json whole, folded, with its
    sha256.

    Args:
      configs: name -> what config.json holds, settings under `config`.
    """
    empty = Section("settings", "How it was made")
    if not configs:
        return empty._replace(
            missing=("No stage has saved its settings yet; fit_convnet and train do.",)
        )
    differ = tables.differences(
        {name: config.get("config", {}) for name, config in configs.items()}
    )
    folded = []
    for name, config in configs.items():
        text = json.dumps(config, indent=1, sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
        folded.append((f"Settings of {name} (sha256 {digest[:12]})", text))
    return empty._replace(tables=(differ,) if differ else (), folded=tuple(folded))


def reads(name: str, config: dict | None) -> str:
    """A few words on what a model reads, from its configuration."""
    if name.startswith("convnet-"):
        return "RGB" if name.endswith("rgb") else "flow"
    config = config or {}
    stream = config.get("config", {}).get("data", {}).get("stream")
    if stream is None:
        return ""
    if stream == "flow":
        return "flow"
    reads_motion = config.get("layers", {}).get("motion") is not None
    return "RGB\u00a0+\u00a0flow" if reads_motion else "RGB"
