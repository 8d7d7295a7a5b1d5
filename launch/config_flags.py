"""Flags made from the config dataclasses: `--preset=NAME` and `--section.field=value`, one way to
say a setting.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import sys
import typing
from collections.abc import Iterator
from typing import Any

from absl import flags

from videolstm_jax.config import RunConfig, as_text, flatten
from videolstm_jax.errors import ConfigError
from videolstm_jax.presets import PRESETS, configured


def flag_kinds() -> Iterator[tuple[str, Any]]:
    """Every flag as ("section.field" or "field", type), in the order of the dataclasses."""
    default = RunConfig()
    for path in flatten(default):
        section, _, leaf = path.rpartition("__")
        owner = type(getattr(default, section)) if section else RunConfig
        yield path.replace("__", "."), typing.get_type_hints(owner)[leaf]


def define(values: flags.FlagValues = flags.FLAGS, *, preset: str = "paper") -> None:
    """Defines `--preset` and a flag for every setting; the help is what the dataclass says of the
    field.
    """
    about = "; ".join(f"{name}: {entry.about}" for name, entry in PRESETS.items())
    flags.DEFINE_string("preset", preset, f"Named settings. {about}.", flag_values=values)
    says = _docstrings()
    for name, kind in flag_kinds():
        text = says.get(name, name)
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
    for name in (
        "preset",
        *(name for name, _ in flag_kinds()),
    ):  # so that --help shows them, not --helpfull alone
        values.register_key_flag_for_module(sys.argv[0], values[name])


def chosen(values: flags.FlagValues = flags.FLAGS) -> dict[str, Any]:
    """The settings given on the command line, as `section__field: value`.

    Raises:
      ConfigError: a value of the wrong kind in a list.
    """
    given = {}
    for name, kind in flag_kinds():
        flag = values[name]
        if flag.present:
            given[name.replace(".", "__")] = (
                flag.value if flag.value is None else _cast(name, kind, flag.value)
            )
    return given


def config(values: flags.FlagValues = flags.FLAGS) -> RunConfig:
    """The configuration that the command line asks for.

    Raises:
      ConfigError: an unknown preset (with the nearest name), or a setting that cannot be used.
    """
    return configured(values["preset"].value, **chosen(values))


def pretty(cfg: RunConfig) -> str:
    """The resolved configuration, a section a line, with what the user gave marked by a star."""
    sections: dict[str, list[str]] = {}
    for path, value in flatten(cfg).items():
        section, _, leaf = path.rpartition("__")
        star = "*" if path in cfg.overrides else ""
        text = as_text(value) or "''"
        sections.setdefault(section or "run", []).append(f"{star}{leaf}={text}")
    lines = [f"preset {cfg.preset} (* = given)"]
    for section, assignments in sections.items():
        lines.append(f"  {section:9s} {' '.join(assignments)}")
    return "\n".join(lines)


def _docstrings() -> dict[str, str]:
    """What the dataclasses say below each field, which Python itself forgets."""
    owners = {"": RunConfig} | {
        name + ".": type(value)
        for name, value in vars(RunConfig()).items()
        if dataclasses.is_dataclass(value)
    }
    said = {}
    for prefix, owner in owners.items():
        body = ast.parse(inspect.getsource(owner)).body[0].body
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign):
                default = ast.unparse(field.value)
                words = [text.value.value] if _is_text(text) else []
                if "default_factory" not in default:
                    words.append(f"Paper preset: {default}.")
                said[prefix + field.target.id] = " ".join(words)
    return said


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _cast(name: str, kind: Any, value: Any) -> Any:
    if typing.get_origin(kind) is not tuple:
        return value
    item = typing.get_args(kind)[0]
    try:
        return tuple(item(word) for word in value if word != "")
    except ValueError as error:
        raise ConfigError(
            f"--{name}={','.join(value)}: {error}; expected {item.__name__}s separated by commas"
        ) from error
