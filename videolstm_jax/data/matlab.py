"""Reads MATLAB files up to version 7 into dicts, lists and arrays."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from etils import epath
from scipy import io as scipy_io


class BadMatlab(ValueError):
    """A .mat file that cannot be read: the message says why."""


def load(path: str) -> dict[str, Any]:
    """Reads every variable of a .mat file: structs as dicts, arrays of structs and cells as lists.

    Raises:
      BadMatlab: the file is cut short, is no such file, or is of version 7.3, which is another format.
    """
    data = epath.Path(path).read_bytes()
    if b"HDF5" in data[:600] or b"MATLAB 7.3" in data[:128]:
        raise BadMatlab("is a MATLAB 7.3 file (HDF5); expected an older one: save(.., '-v7')")
    try:
        found = scipy_io.loadmat(io.BytesIO(data))
    except Exception as error:  # SciPy raises several kinds for one cause: the bytes are not a whole .mat file
        raise BadMatlab(f"is not a whole MATLAB file: {type(error).__name__}: {error}") from error
    return {name: _plain(value) for name, value in found.items() if not name.startswith("__")}


def rows(value: Any) -> list:
    """An array of structs or a cell as a list, also where MATLAB left away the array around a single one."""
    return value if isinstance(value, list) else [] if isinstance(value, np.ndarray) and not value.size else [value]


def number(value: Any) -> int:
    """A whole number that MATLAB keeps as a matrix of one.

    Raises:
      ValueError: there is more than one value, or it is not whole.
    """
    (found,) = np.asarray(value, float).ravel().tolist()
    if found != int(found):
        raise ValueError(f"{found} is not a whole number")
    return int(found)


def text(value: Any) -> str:
    """A line of text that MATLAB keeps as an array of one.

    Raises:
      ValueError: there is more than one line, or it is not text.
    """
    (found,) = np.ravel(value).tolist()
    if not isinstance(found, str):
        raise ValueError(f"a {type(found).__name__}; expected text")
    return found


def _plain(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        made = [{name: _plain(one[name]) for name in value.dtype.names} for one in value.ravel()]
        return made[0] if len(made) == 1 else made
    return [_plain(one) for one in value.ravel()] if value.dtype == object else value
