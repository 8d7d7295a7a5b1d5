"""Files that are written whole or not at all, and read with an error that names them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from etils import epath

from videolstm_jax.errors import FileError

PathLike = str | os.PathLike

# A bucket answers each question in tens of milliseconds, so many are asked at the same time.
_THREADS = 16

T = TypeVar("T")


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[epath.Path]:
    """Yields a path to write to, which replaces `path` when the block ends without an error.

    A reader finds the old file or the new one, never half of it.

    Raises:
      OSError: it cannot be written; `filename` is `path`, which the system leaves out where a disk
        is full.
    """
    path = epath.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, because a rename is atomic within one file system only. The name is random
    # and not that of the process: containers that share a folder may share process numbers too.
    beside = path.parent / f".{path.name}.part-{secrets.token_hex(8)}"
    try:
        yield beside
        beside.replace(path)
    except OSError as error:
        raise _naming(error, path, instead_of=beside) from error
    finally:
        # On a disk that fails, removing may fail too; the first error is the one to show.
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def write_bytes(path: PathLike, data: bytes) -> None:
    """Writes a file whole or not at all."""
    with replacing(path) as beside:
        beside.write_bytes(data)


def append_bytes(path: PathLike, data: bytes) -> None:
    """Appends to a file in one write.

    Raises:
      OSError: it cannot be written; `filename` is `path`.
    """
    path = epath.Path(path)
    try:
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise _naming(error, path) from error


def _naming(error: OSError, path: epath.Path, instead_of: PathLike = "") -> OSError:
    """The same error with the path of the file, where it names none or only `instead_of`."""
    if error.errno is None or error.filename not in (None, os.fspath(instead_of)):
        return error
    return OSError(error.errno, os.strerror(error.errno), os.fspath(path))


def write_json(path: PathLike, value: Any) -> None:
    """Writes JSON with sorted keys, whole or not at all."""
    # JSON has no NaN: Python would write one, and other programs could not read the file.
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


def write_jsonl(path: PathLike, rows: Iterable[dict]) -> None:
    """Writes one JSON object a line, whole or not at all."""
    lines = [json.dumps(row, allow_nan=False) + "\n" for row in rows]
    write_bytes(path, "".join(lines).encode())


def json_sha256(value: Any) -> str:
    """The sha256 of a value that JSON can hold; the order of keys does not matter."""
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return bytes_sha256(text.encode())


def bytes_sha256(data: bytes) -> str:
    """The sha256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def read_json(path: PathLike, made_by: str = "") -> Any:
    """Reads JSON.

    Raises:
      FileError: the file is absent (`made_by` names the stage that writes it) or is not JSON.
    """
    path = _existing(path, made_by)
    return _parsed(path.read_bytes(), path)


def read_jsonl(path: PathLike, made_by: str = "") -> list[dict]:
    """Reads one JSON object a line; see `read_json`."""
    path = _existing(path, made_by)
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        rows.append(_parsed(line, f"{path}:{number}"))
    return rows


def _parsed(data: bytes, where: PathLike) -> Any:
    try:
        return json.loads(data.decode())
    # ValueError: also of text that is not UTF-8. RecursionError: of brackets without end.
    except (ValueError, RecursionError) as error:
        raise FileError(f"{where}: not JSON: {error}") from error


def write_arrays(path: PathLike, **arrays: np.ndarray) -> None:
    """Writes arrays as .npz without pickling; the same arrays give the same bytes."""
    # Into memory first: a bucket's file cannot be written at several places, as a zip needs.
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue())


def read_arrays(
    path: PathLike, *names: str, made_by: str = "", optional: Collection[str] = ()
) -> tuple[np.ndarray, ...]:
    """Reads the named arrays of an .npz file; those of the `optional` ones that it lacks are None.

    Raises:
      FileError: the file is absent, damaged, holds objects, or lacks an array.
    """
    path = _existing(path, made_by)
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            missing = sorted(set(names) - set(file) - set(optional), key=names.index)
            if missing:
                raise FileError(f"{path}: has {sorted(file)}, lacks {missing}")
            return tuple(map(file.get, names))
    except FileError:
        raise
    # zipfile and numpy raise errors of many kinds for one cause: the bytes are not an .npz.
    except Exception as error:
        raise FileError(f"{path}: cannot be read as arrays: {error}") from error


def system_error_text(error: OSError) -> str:
    """Describes an error of the operating system: its paths, its cause and its number."""
    paths = [str(path) for path in (error.filename, error.filename2) if path is not None]
    cause = f"{error.strerror or error} (errno {error.errno})"
    return f"{' and '.join(paths)}: {cause}" if paths else cause


def file_size(path: epath.Path) -> int | None:
    """Bytes of a file; None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if status.is_directory:
        return None
    return status.length


def side_by_side(function: Callable[[Any], T], items: Sequence[Any]) -> list[T]:
    """Calls `function` on each item in several threads; results are in the order of the items."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(function, items))


def _existing(path: PathLike, made_by: str) -> epath.Path:
    path = epath.Path(path)
    if not path.exists():
        origin = ""
        if made_by:
            origin = f"; the stage {made_by} writes it"
        raise FileError(f"{path} is missing{origin}")
    return path
