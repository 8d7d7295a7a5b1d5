"""Turns the many kinds of errors that orbax raises into one that names the folder and the cause."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from videolstm_jax.errors import FileError
from videolstm_jax.files import system_error_text

if TYPE_CHECKING:
    from etils import epath


@contextlib.contextmanager
def as_file_error(folder: epath.Path, problem: str) -> Iterator[None]:
    """Turns any error into a FileError "FOLDER: PROBLEM: cause"."""
    try:
        yield
    # Orbax and tensorstore raise many kinds of errors; the user needs the folder and the cause.
    except Exception as error:
        raise FileError(f"{folder}: {problem}: {_cause(error)}") from error


@contextlib.contextmanager
def naming_older(folder: epath.Path, step: int, older: Collection[int]) -> Iterator[None]:
    """Adds to an error about a damaged checkpoint how to go on from one of the older ones."""
    try:
        yield
    except FileError as error:
        if not older:
            raise
        raise FileError(
            f"{error}; remove {folder / str(step)} to go on from step {max(older)}"
        ) from error


def _cause(error: Exception) -> str:
    """The cause of an error of orbax; where the system has refused something, its own text."""
    # "No space left on device" says more than the name of the class.
    if isinstance(error, OSError) and error.errno is not None:
        return system_error_text(error)
    # Tensorstore writes the system's number into a message of several hundred characters.
    code = re.search(r"os_error_code='(\d+)'", str(error))
    if code:
        number = int(code[1])
        return system_error_text(OSError(number, os.strerror(number)))
    return f"{type(error).__name__}: {error}"
