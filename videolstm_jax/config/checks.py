"""The checks that the dataclasses of settings make of their own fields."""

from __future__ import annotations

import math
import re

from videolstm_jax.config.setting import require_setting, setting_name


def check_setting_within(owner: object, low: float, high: float, *names: str) -> None:
    """Raises ConfigError where one of these fields lies outside [low, high], or is no number."""
    for name in names:
        value = getattr(owner, name)
        # A NaN fails every comparison, so it is refused too.
        require_setting(low <= value <= high, setting_name(owner, name), value, f"{low} to {high}")


def check_setting_at_least(owner: object, low: float, *names: str) -> None:
    """Raises ConfigError where one of these fields is below `low`, infinite, or no number."""
    for name in names:
        value = getattr(owner, name)
        # The upper comparison refuses infinity, and with it what no later code could count to.
        fits = low <= value < math.inf
        require_setting(fits, setting_name(owner, name), value, f"a number from {low} up")


def check_setting_sizes(owner: object, *names: str) -> None:
    """Raises ConfigError where one of these lists of sizes is empty or holds one below 1."""
    for name in names:
        values = getattr(owner, name)
        fits = bool(values) and min(values) >= 1
        require_setting(fits, setting_name(owner, name), values, "one or more sizes from 1 up")


# A letter, digit or _ first: a name with a dash first looks like a flag, one with a dot is hidden.
_FILE_NAME = re.compile(r"\w[\w.+-]{0,199}")


def check_setting_file_names(owner: object, *names: str) -> None:
    """Raises ConfigError where one of these fields cannot be a part of the names of files.

    A `/` or `..` in it would lead out of the work folder. An empty name is the default.
    """
    expected = "letters, digits and _ - . + only, at most 200, the first a letter, digit or _"
    for name in names:
        value = getattr(owner, name)
        fits = not value or _FILE_NAME.fullmatch(value)
        require_setting(fits, setting_name(owner, name), value, expected)


def check_setting_cell_names(owner: object, name: str, *values: str) -> None:
    """Raises ConfigError where one of the values of the field `name` cannot name a cell.

    Only the form is checked, "cell" or "package.module:ATTRIBUTE": which cells exist is known to
    `core.find_cell`, and a configuration is made without JAX.
    """
    expected = "the name of a cell, or package.module:ATTRIBUTE"
    for value in values:
        fits = value.isidentifier() or _names_attribute(value)
        require_setting(fits, setting_name(owner, name), value, expected)


BACKBONES = ("vgg", "lite0")
"""The image networks of this project."""


def check_setting_backbone(owner: object, name: str, value: str) -> None:
    """Raises ConfigError where the value of the field `name` cannot name a backbone.

    Of a function of the user's own only the form is checked, "package.module:ATTRIBUTE".
    """
    fits = value in BACKBONES or _names_attribute(value)
    expected = f"one of {', '.join(BACKBONES)}, or package.module:ATTRIBUTE"
    require_setting(fits, setting_name(owner, name), value, expected)


def _names_attribute(value: str) -> bool:
    """Whether a value has the form "package.module:ATTRIBUTE"."""
    module, colon, attribute = value.partition(":")
    parts = [*module.split("."), attribute]
    return bool(colon) and all(part.isidentifier() for part in parts)


def short_cell_setting(cell: str) -> str:
    """The name of a cell in the names of folders: "videolstm", or that of a cell's attribute.

    `my_package.gru:CONV_GRU` becomes "conv_gru". An attribute called `CELL` names nothing, so that
    `my_package.gru:CELL` is named after its module, "gru".
    """
    # Lower case, since some file systems take `GRU` and `gru` for one folder, and others for two.
    module, _, attribute = cell.rpartition(":")
    if module and attribute.lower() == "cell":
        return module.rpartition(".")[2].lower()
    if module:
        return attribute.lower()
    return cell
