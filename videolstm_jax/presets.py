"""Named settings: the paper to the letter, its authors' code, our own best guess, and small sizes
for a laptop.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from videolstm_jax.config import RunConfig, change
from videolstm_jax.errors import ConfigError


class Preset(NamedTuple):
    """Settings by name: `settings` for every cell, and `cells` for those cells that differ."""

    about: str
    settings: Mapping[str, Any]
    cells: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


_MEAN_START = {"model__start": "mean"}
_TWO_DROPOUTS = {"model__dropout": 0.5, "model__hidden_dropout": 0.5}

_AUTHORS = {
    "model__init": "fan_in",
    "model__motion_kernel": 1,
    "data__order": "epochs",
    "data__short_clips": "count",
    "data__validation": 0.0,
    "eval__segment_rule": "authors",
    "train__steps": 22_500,
    "train__graft": (
        "convlstm-flow:cell.motion",
        "convalstm-rgb:cell.top",
        "convalstm-rgb:cell.attend",
    ),
    "pipeline__flow_cell": "convalstm",
}

_MODERN = {
    "data__feature_scale": "std",
    "data__order": "epochs",
    "data__validation": 0.1,
    "model__forget_bias": 1.0,
    "model__dropout": 0.5,
    "optim__name": "adam",
    "optim__learning_rate": 1e-3,
    "optim__clip": 1.0,
    "train__keep": "best",
    "flow__percentile": 99.0,
    "localize__box": "moments",
    "localize__input": "weighted_features",
    "localize__sigma": 0.0,  # the Gaussian would only add its own variance to the moments
}

_SMALL = _MODERN | {
    "data__validation": 0.0,
    "train__keep": "last",
    "eval__states": "hidden",
    "data__frames": 16,
    "data__batch": 16,
    "flow__width": 0,
    "flow__height": 0,
    "flow__image": "png",
    "convnet__image_size": 56,
    "convnet__widths": (16, 32, 64),
    "convnet__depths": (1, 1, 2),
    "convnet__dense": (128,),
    "convnet__head": "pooled",
    "convnet__norm": "group",
    "convnet__optimizer": "adam",
    "convnet__learning_rate": 2e-3,
    "convnet__batch": 32,
    "convnet__steps": 500,
    "convnet__shift": 0.1,
    "convnet__pixel_scale": 1 / 58,
    "model__hidden": 48,
    "model__attention": 48,
    "model__head": 128,
    "optim__schedule": "cosine",
    "train__steps": 150,
    "train__save_every": 50,
    "train__log_every": 10,
}

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "paper": Preset("the text to the letter; silent points filled causally and plainly", {}),
        "authors": Preset(
            "what the authors' released code does, where it differs from the text",
            _AUTHORS,
            {
                "lstm": _TWO_DROPOUTS | {"train__graft": ()},
                "convlstm": {"train__graft": ()},
                "alstm": _MEAN_START | _TWO_DROPOUTS | {"train__graft": ()},
                "convalstm": _MEAN_START | {"train__graft": ()},
                "motion_alstm": _MEAN_START | _TWO_DROPOUTS | {"train__graft": ()},
                "videolstm": _MEAN_START,
            },
        ),
        "modern": Preset("our best guess until measured, at the paper's size", _MODERN),
        "small": Preset(
            "modern, at 56 x 56 pixels and 48 hidden channels: trains from nothing on a laptop",
            _SMALL,
        ),
        "demo": Preset(
            "small, on the built-in stick actions",
            _SMALL
            | {
                "data__source": "stick_actions",
                "data__difficulty": "easy",
                "pipeline__cells": ("alstm", "videolstm"),
            },
        ),
        "research": Preset(
            "small, on a larger and harder set of stick actions",
            _SMALL
            | {
                "data__source": "stick_actions",
                "data__difficulty": "hard",
                "data__clips_per_class": 100,
                "data__test_clips_per_class": 25,
                "convnet__steps": 1000,
                "train__steps": 300,
                "pipeline__cells": ("alstm", "convalstm", "videolstm"),
            },
        ),
    }
)


def configured(preset: str, cell: str | None = None, **settings: Any) -> RunConfig:
    """The settings of a preset for one cell, with the caller's own on top, given as
    `section__field=value`.

    Raises:
      ConfigError: an unknown preset, cell or setting.
    """
    if preset not in PRESETS:
        raise ConfigError(f"there is no preset {preset!r}; expected one of {', '.join(PRESETS)}")
    cell = cell or settings.get("model__cell", RunConfig().model.cell)
    chosen = PRESETS[preset]
    layers = {
        **chosen.settings,
        **chosen.cells.get(cell, {}),
        "preset": preset,
        "model__cell": cell,
        **settings,
    }
    return change(RunConfig(), **layers)


def settings(cfg: RunConfig) -> Iterator[tuple[str, Any]]:
    """Every setting of a configuration as ("section__field" or "field", value), in the order of the
    dataclasses.
    """
    for field in dataclasses.fields(cfg):
        value = getattr(cfg, field.name)
        if dataclasses.is_dataclass(value):
            yield from (
                (f"{field.name}__{leaf.name}", getattr(value, leaf.name))
                for leaf in dataclasses.fields(value)
            )
        else:
            yield field.name, value


def differences(cfg: RunConfig) -> dict[str, Any]:
    """The settings that are not those of the configuration's preset for its cell."""
    base = dict(settings(configured(cfg.preset, cfg.model.cell)))
    return {name: value for name, value in settings(cfg) if value != base[name]}


def for_cell(cfg: RunConfig, cell: str, stream: str) -> RunConfig:
    """The same settings for another cell and stream: its preset's own column, with what the caller
    changed on top.
    """
    return configured(cfg.preset, cell, **{**differences(cfg), "data__stream": stream})
