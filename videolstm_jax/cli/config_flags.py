"""Flags made from the dataclasses of settings: `--preset=NAME` and `--section.field=value`."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from absl import flags

from videolstm_jax.config import RunConfig, flat_settings, setting_text
from videolstm_jax.config.setting import setting_fields_with_help
from videolstm_jax.errors import ConfigError
from videolstm_jax.presets import PRESETS, Settings


class Flag(typing.NamedTuple):
    """One setting as a flag: "section.field" or "field", its type, default and help text.

    Only `--helpfull` shows those that are `advanced`.
    """

    name: str
    kind: Any
    default: Any
    text: str
    advanced: bool = False

    @property
    def path(self) -> str:
        """The setting as `configured` takes it, `section__field`."""
        return self.name.replace(".", "__")


def setting_flags() -> Iterator[Flag]:
    """The flags of all settings of a run, in the order of the dataclasses."""
    default = RunConfig()
    for section in dataclasses.fields(default):
        value = getattr(default, section.name)
        if dataclasses.is_dataclass(value):
            for flag in record_flags(type(value)):
                yield flag._replace(name=f"{section.name}.{flag.name}")
        elif "help" in section.metadata:
            yield _flag(RunConfig, section)


def record_flags(owner: type) -> Iterator[Flag]:
    """The flags of one dataclass of settings, named after its fields."""
    for field in setting_fields_with_help(owner):
        yield _flag(owner, field)


def _flag(owner: type, field: dataclasses.Field) -> Flag:
    kind = typing.get_type_hints(owner)[field.name]
    metadata = field.metadata
    return Flag(field.name, kind, field.default, metadata["help"], metadata["advanced"])


# ---- defining ------------------------------------------------------------------------------------


def define_all_flags(values: flags.FlagValues, *, preset: str = "paper") -> None:
    """Defines `--preset` and a flag for every setting of a run."""
    descriptions = [f"{name}: {entry.about}" for name, entry in PRESETS.items()]
    text = f"Named settings. {'; '.join(descriptions)}."
    flags.DEFINE_string("preset", preset, text, flag_values=values)
    for flag in setting_flags():
        # The default is that of the preset and of the cell, which no flag has.
        define_flag(values, flag._replace(default=None))


_DEFINE = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def define_flag(values: flags.FlagValues, flag: Flag) -> None:
    """Defines one flag."""
    if flag.kind in _DEFINE:
        _DEFINE[flag.kind](flag.name, flag.default, flag.text, flag_values=values)
        return
    # The other settings are tuples. absl has lists of texts only; `_cast` reads their items.
    default = None if flag.default is None else list(flag.default)
    text = f"{flag.text} (separated by commas)"
    flags.DEFINE_list(flag.name, default, text, flag_values=values)


# ---- reading -------------------------------------------------------------------------------------


def _overrides_of_flags(values: flags.FlagValues) -> dict[str, Any]:
    """The settings given on the command line, as `section__field: value`.

    Raises:
      ConfigError: a value of the wrong kind in a list.
    """
    settings = {}
    for flag, value in present_flags(values, setting_flags()):
        settings[flag.path] = value
    return settings


def present_flags(
    values: flags.FlagValues, candidates: typing.Iterable[Flag]
) -> Iterator[tuple[Flag, Any]]:
    """Those of the flags that stand on the command line, with their values.

    Raises:
      ConfigError: a value of the wrong kind in a list.
    """
    for flag in candidates:
        if values[flag.name].present:
            yield flag, _cast(flag, values[flag.name].value)


def config_of_flags(values: flags.FlagValues, more: Mapping[str, Any] | None = None) -> RunConfig:
    """The configuration that the command line asks for.

    Args:
      values: the parsed flags.
      more: settings given by other flags than those of `define_all_flags`, such as `--videos`.

    Raises:
      ConfigError: an unknown preset (with the nearest name), or a setting that cannot be used.
    """
    return Settings(
        values["preset"].value, {**_overrides_of_flags(values), **(more or {})}
    ).config()


def _cast(flag: Flag, value: Any) -> Any:
    """A list of the command line as the tuple that the setting is; other values as they are."""
    if typing.get_origin(flag.kind) is not tuple or value is None:
        return value
    item = typing.get_args(flag.kind)[0]
    # A comma at the end, or --data.classes= for none at all, leaves an empty text.
    texts = filter(None, value)
    try:
        return tuple(map(item, texts))
    except ValueError as error:
        raise ConfigError(
            f"--{flag.name}={','.join(value)}: {error}; expected {item.__name__}s separated by "
            "commas"
        ) from error


def record_of_flags(values: flags.FlagValues, owner: type) -> Any:
    """A record of settings such as `PredictConfig`, from the flags of `record_flags`.

    Raises:
      ConfigError: a value that cannot be used.
    """
    settings = {}
    for flag, value in present_flags(values, record_flags(owner)):
        settings[flag.name] = value
    return owner(**settings)


# ---- printing ------------------------------------------------------------------------------------


def command_config_text(cfg: RunConfig) -> str:
    """The resolved configuration, a section a line; a star marks what the user gave."""
    sections: dict[str, list[str]] = {}
    for path, value in flat_settings(cfg).items():
        section, _, name = path.rpartition("__")
        text = setting_text(value) or "''"
        assignment = f"{name}={text}"
        if path in cfg.overrides:
            assignment = f"*{assignment}"
        sections.setdefault(section or "run", []).append(assignment)
    lines = [f"preset {cfg.preset} (* = given)"]
    for section, assignments in sections.items():
        lines.append(f"  {section:9s} {' '.join(assignments)}")
    return "\n".join(lines)
