"""How a setting is declared: its default, its sentence for `--help`, and what its value may be."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from typing import Any

from videolstm_jax.errors import ConfigError


def setting(
    default: Any,
    text: str,
    *,
    choices: tuple[str, ...] = (),
    path: bool = False,
    address: bool = False,
    required: str = "",
    advanced: bool = False,
) -> Any:
    """A field of a dataclass of settings.

    Args:
      default: the value of the paper preset.
      text: what the setting does. The first sentence stands alone in the short help of a command,
        so it is one line; further sentences give the details.
      choices: all values that are allowed, where they are few words.
      path: the value names a file or a folder, where `~` stands for the home folder.
      address: the path may also be an address on the network, such as rtsp://HOST/PATH.
      required: for a value that must not be empty, what is expected in its place.
      advanced: few users change it, so that only `--helpfull` shows it.
    """
    metadata = {
        "help": text,
        "choices": choices,
        "path": path,
        "address": address,
        "required": required,
        "advanced": advanced,
    }
    return dataclasses.field(default=default, metadata=metadata)


def sentence(text: str) -> str:
    """The first sentence of a help text."""
    # The full stops of "Sec. 5.2" and "Eq. (7)" end no sentence.
    first, *_ = re.split(r"(?<=(?<!\bSec)(?<!\bEq)\.) ", text, maxsplit=1)
    return first


def fields_with_help(owner: Any) -> Iterator[dataclasses.Field]:
    """The settings of a dataclass, or of one of its records; sections of settings are left out."""
    for field in dataclasses.fields(owner):
        if "help" in field.metadata:
            yield field


_BUCKETS = ("gs", "s3", "az", "hf")
"""Schemes of paths that etils opens."""
_OF_COMMANDS = ("PredictConfig", "BundleConfig", "OverlayConfig")
"""Records that are no section of a run: each has the flags of one command."""


def setting_name(owner: object, field: str) -> str:
    """The name of a setting in messages: "model.dropout" for the field of a ModelConfig.

    It is the flag without its dashes, and the name in a configuration in Python. One word, such as
    "side", could be misread in a sentence, so a setting of a single command keeps its dashes.
    """
    record = type(owner).__name__
    if record in _OF_COMMANDS:
        return f"--{field}"
    if record == "RunConfig":
        return field
    return f"{record.removesuffix('Config').lower()}.{field}"


def check_settings(owner: object) -> None:
    """Checks the fields of a record by how `setting` declares them, and expands `~` in its paths.

    Raises:
      ConfigError: a value is not one of its choices, or is empty and required.
    """
    for field in fields_with_help(owner):
        value, choices = getattr(owner, field.name), field.metadata["choices"]
        name = setting_name(owner, field.name)
        if choices and value not in choices:
            listed = ", ".join(map(repr, choices))
            raise ConfigError(f"{name} is {value!r}; expected one of {listed}")
        if field.metadata["required"] and not value:
            raise ConfigError(f"{name} is empty; expected {field.metadata['required']}")
        if field.metadata["path"]:
            if not field.metadata["address"]:
                _check_no_address(name, value)
            # The record is frozen once it is made; this is still a part of making it.
            object.__setattr__(owner, field.name, _with_home(value))


def _check_no_address(name: str, value: str | tuple[str, ...]) -> None:
    """Raises ConfigError for an address that neither a file system nor a bucket has."""
    for path in (value,) if isinstance(value, str) else value:
        scheme = re.match(r"(\w+)://", path)
        if scheme and scheme[1] not in _BUCKETS:
            raise ConfigError(
                f"{name} is {path!r}; expected a path, or a bucket such as gs://NAME/FOLDER. Only "
                "`videolstm predict --video` reads addresses"
            )


def _with_home(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    if isinstance(value, tuple):
        return tuple(map(os.path.expanduser, value))
    return os.path.expanduser(value)
