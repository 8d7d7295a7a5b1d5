"""How a setting is declared: its default, its sentence for `--help`, and what its value may be."""

from __future__ import annotations

import dataclasses
import functools
import numbers
import os
import re
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
    # In the metadata of the field, so that `--help` and the checks read it from the same place.
    metadata = {
        "help": text,
        "choices": choices,
        "path": path,
        "address": address,
        "required": required,
        "advanced": advanced,
    }
    return dataclasses.field(default=default, metadata=metadata)


def setting_sentence(text: str) -> str:
    """The first sentence of a help text."""
    # The full stops of "Sec. 5.2" and "Eq. (7)" end no sentence.
    first, *_ = re.split(r"(?<=(?<!\bSec)(?<!\bEq)\.) ", text, maxsplit=1)
    return first


def setting_fields_with_help(owner: Any) -> tuple[dataclasses.Field, ...]:
    """The settings of a dataclass, or of one of its records; sections of settings are left out."""
    if isinstance(owner, type):
        return _fields_of_class(owner)
    return _fields_of_class(type(owner))


# Kept, because every record that is made is checked by them.
@functools.cache
def _fields_of_class(record: type) -> tuple[dataclasses.Field, ...]:
    return tuple(field for field in dataclasses.fields(record) if "help" in field.metadata)


# Schemes of paths that etils opens.
_BUCKETS = ("gs", "s3", "az", "hf")
# Records that are no section of a run: each has the flags of one command.
_OF_COMMANDS = ("PredictConfig", "BundleConfig", "OverlayConfig")


def require_setting(fits: bool, name: str, value: object, expected: str) -> None:
    """Raises ConfigError unless a value fits: every refusal of one setting has this form.

    Args:
      fits: whether the value can be used.
      name: of the setting, from `setting_name`.
      value: of the setting, or the item of a list that is checked.
      expected: what may stand there.
    """
    if not fits:
        raise ConfigError(f"{name} is {value!r}; expected {expected}")


def setting_name(owner: object, field: str) -> str:
    """The name of a setting in messages: "model.dropout" for the field of a ModelConfig.

    It is the flag without its dashes, and the name in a configuration in Python. One word, such as
    "side", could be misread in a sentence, so a setting of a single command keeps its dashes.
    """
    return _name_in_class(type(owner).__name__, field)


@functools.cache
def _name_in_class(record: str, field: str) -> str:
    if record in _OF_COMMANDS:
        return f"--{field}"
    if record == "RunConfig":
        return field
    return f"{record.removesuffix('Config').lower()}.{field}"


def check_settings(owner: object) -> None:
    """Checks the fields of a record by how `setting` declares them, and expands `~` in its paths.

    Raises:
      ConfigError: a value is not one of its choices, is no whole number where one is declared, or
        is empty and required.
    """
    for field in setting_fields_with_help(owner):
        value = getattr(owner, field.name)
        choices = field.metadata["choices"]
        name = setting_name(owner, field.name)
        if choices:
            listed = ", ".join(map(repr, choices))
            require_setting(value in choices, name, value, f"one of {listed}")
        # A file of settings may have 8.0 or true here, which no array can have as a size. A type is
        # text in modules with postponed annotations.
        if field.type == "int":
            is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
            require_setting(is_whole, name, value, "a whole number")
        # "is empty" reads better than "is ''", which a shell's user may not have written.
        if field.metadata["required"] and not value:
            raise ConfigError(f"{name} is empty; expected {field.metadata['required']}")
        if field.metadata["path"]:
            if not field.metadata["address"]:
                _check_no_address(name, value)
            # The record is frozen once it is made; this is still a part of making it.
            object.__setattr__(owner, field.name, _with_home(value))


def _check_no_address(name: str, value: str | tuple[str, ...]) -> None:
    """Raises ConfigError for an address that neither a file system nor a bucket has."""
    paths = value
    if isinstance(value, str):
        paths = (value,)
    expected = "a path, or a bucket such as gs://NAME/FOLDER. Only `videolstm predict --video` "
    expected += "reads addresses"
    for path in paths:
        # etils raises a KeyError for any other scheme, later and without the setting's name.
        scheme = re.match(r"(\w+)://", path)
        require_setting(scheme is None or scheme[1] in _BUCKETS, name, path, expected)


def _with_home(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """Expands `~`, which a shell leaves as it is after `--flag=`."""
    if isinstance(value, tuple):
        return tuple(map(os.path.expanduser, value))
    return os.path.expanduser(value)
