"""What a setting may be: the error, and the checks that every dataclass of settings makes of its fields."""

from __future__ import annotations


class ConfigError(ValueError):
    """A setting that cannot be used: the message names the field, what was found and what was expected."""


def one_of(owner: object, name: str, allowed: tuple) -> None:
    found = getattr(owner, name)
    if found not in allowed:
        choices = ", ".join(map(repr, allowed))
        raise ConfigError(f"{type(owner).__name__}.{name} is {found!r}; expected one of {choices}")


def within(owner: object, low: float, high: float, *names: str) -> None:
    for name in names:
        found = getattr(owner, name)
        if not low <= found <= high:
            raise ConfigError(f"{type(owner).__name__}.{name} is {found!r}; expected {low} to {high}")


def at_least(owner: object, low: float, *names: str) -> None:
    for name in names:
        found = getattr(owner, name)
        if not found >= low:
            raise ConfigError(f"{type(owner).__name__}.{name} is {found!r}; expected at least {low}")
