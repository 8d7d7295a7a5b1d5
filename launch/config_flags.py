"""Flags made from the config dataclasses: `--preset=NAME` and `--section.field=value`, one way to say a setting."""

from __future__ import annotations

import dataclasses
import difflib
import re
import sys
import typing
from collections.abc import Iterator
from typing import Any

from absl import flags

from videolstm_jax.config import ConfigError, RunConfig
from videolstm_jax.presets import PRESETS, configured

_DOES_NOT_MATTER = {"preset"}


def settings() -> Iterator[tuple[str, type, Any]]:
    """Every setting as ("section.field" or "field", type, default), in the order of the dataclasses."""
    default = RunConfig()
    for top in dataclasses.fields(RunConfig):
        value = getattr(default, top.name)
        if dataclasses.is_dataclass(value):
            hints = typing.get_type_hints(type(value))
            for leaf in dataclasses.fields(value):
                yield f"{top.name}.{leaf.name}", hints[leaf.name], getattr(value, leaf.name)
        elif top.name not in _DOES_NOT_MATTER:
            yield top.name, type(value), value


def define(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines `--preset` and a flag for every setting; the help shows the paper's default."""
    about = "; ".join(f"{name}: {preset.about}" for name, preset in PRESETS.items())
    flags.DEFINE_string("preset", "paper", f"Named settings. {about}", flag_values=values)
    for name, kind, default in settings():
        text = f"{name}, {_default_text(default)} in the paper preset"
        if kind is bool:
            flags.DEFINE_boolean(name, None, text, flag_values=values)
        elif kind is int:
            flags.DEFINE_integer(name, None, text, flag_values=values)
        elif kind is float:
            flags.DEFINE_float(name, None, text, flag_values=values)
        elif kind is str:
            flags.DEFINE_string(name, None, text, flag_values=values)
        else:
            flags.DEFINE_list(name, None, text + " (separated by commas)", flag_values=values)
    for name in ("preset", *(name for name, _, _ in settings())):  # so that --help shows them, not --helpfull alone
        values.register_key_flag_for_module(sys.argv[0], values[name])


def chosen(values: flags.FlagValues = flags.FLAGS) -> dict[str, Any]:
    """The settings given on the command line, as `section__field: value`.

    Raises:
      ConfigError: a value of the wrong kind in a list.
    """
    given = {}
    for name, kind, _ in settings():
        flag = values[name]
        if flag.present:
            given[name.replace(".", "__")] = flag.value if flag.value is None else _cast(name, kind, flag.value)
    return given


def config(values: flags.FlagValues = flags.FLAGS) -> RunConfig:
    """The configuration that the command line asks for.

    Raises:
      ConfigError: an unknown preset (with the nearest name), or a setting that cannot be used.
    """
    preset = values["preset"].value
    if preset not in PRESETS:
        near = difflib.get_close_matches(preset, PRESETS, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ConfigError(f"there is no preset {preset!r}{hint}; expected one of {', '.join(PRESETS)}")
    return configured(preset, **chosen(values))


def command(stage: str, cfg: RunConfig) -> str:
    """The command line that gives a launcher exactly this configuration, saying only what its preset does not."""
    base = configured(cfg.preset, cfg.model.cell)
    words = [f"python -m launch.{stage}", f"--preset={cfg.preset}"]
    if cfg.model.cell != RunConfig().model.cell:
        words.append(f"--model.cell={cfg.model.cell}")
    for name, _, _ in settings():
        old, new = _get(base, name), _get(cfg, name)
        if old != new:
            words.append(f"--{name}={_shell(new)}")
    return " ".join(words)


def pretty(cfg: RunConfig) -> str:
    """The resolved configuration, a section a line, with what differs from the preset marked by a star."""
    base, lines = configured(cfg.preset, cfg.model.cell), [f"preset {cfg.preset} (* = set on the command line)"]
    sections: dict[str, list[str]] = {}
    for name, _, _ in settings():
        section, _, leaf = name.rpartition(".")
        star = "*" if _get(cfg, name) != _get(base, name) else ""
        sections.setdefault(section or "run", []).append(f"{star}{leaf}={_default_text(_get(cfg, name))}")
    return "\n".join(lines + [f"  {section:9s} {' '.join(words)}" for section, words in sections.items()])


def _get(cfg: RunConfig, name: str) -> Any:
    section, _, leaf = name.rpartition(".")
    return getattr(getattr(cfg, section) if section else cfg, leaf)


def _default_text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value) if value != "" else "''"


def _shell(value: Any) -> str:
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if re.fullmatch(r"[\w.,:/+=@%-]*", text) else "'" + text.replace("'", "'\\''") + "'"


def _cast(name: str, kind: Any, value: Any) -> Any:
    if typing.get_origin(kind) is not tuple:
        return value
    item = typing.get_args(kind)[0]
    try:
        return tuple(item(word) for word in value if word != "")
    except ValueError as error:
        raise ConfigError(
            f"--{name}={','.join(value)}: {error}; expected {item.__name__}s separated by commas") from error
