"""Turns the many kinds of errors that orbax raises into one that names the folder and the cause."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from videolstm_jax.errors import FileError
from videolstm_jax.files import system_error_text

if TYPE_CHECKING:
    from etils import epath


class DamagedCheckpoint(FileError):
    """A checkpoint that is not what was saved; the message names the step and the damage."""


@contextlib.contextmanager
def orbax_checkpoint_error(folder: epath.Path, problem: str) -> Iterator[None]:
    """Turns any error into a FileError "FOLDER: PROBLEM: cause"."""
    try:
        yield
    # Orbax and tensorstore raise many kinds of errors; the user needs the folder and the cause.
    except Exception as error:
        raise FileError(f"{folder}: {problem}: {_cause(error)}") from error


@contextlib.contextmanager
def checkpoint_damage(place: epath.Path, problem: str) -> Iterator[None]:
    """Turns an error of reading a checkpoint into a DamagedCheckpoint "PLACE: PROBLEM: cause"."""
    try:
        yield
    # These say nothing about the checkpoint, which may be sound.
    except (PermissionError, MemoryError) as error:
        raise FileError(f"{place}: {problem}: {_cause(error)}") from error
    # Any other: damaged files make orbax fail in many ways, from a missing key to a bad checksum.
    except Exception as error:
        # A message of orbax may have many lines; the first one names the cause.
        cause = _cause(error).partition("\n")[0]
        raise DamagedCheckpoint(f"{place}: {problem}: {cause}") from error


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
    # Behind the cause it repeats all of its settings, a thousand characters of them.
    cause, _, _ = str(error).partition(" [tensorstore_spec=")
    return f"{type(error).__name__}: {cause}"
