"""Files that are written whole or not at all, and read with an error that names them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from etils import epath

from videolstm_jax.durable import sync
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.numpy_files import open_numpy
from videolstm_jax.sealed_json import (
    ROWS_SEAL,
    PathLike,
    check_rows_seal,
    encode_json,
    encode_rows,
    parse_json,
)

# In the name of a file that is being written.
_TOKEN_BYTES = 8
_UNFINISHED = re.compile(rf"\.(?P<target>.+)\.part-[0-9a-f]{{{2 * _TOKEN_BYTES}}}")

# File systems allow 255 bytes, and a file is first written under its name with 40 more.
LONGEST_NAME = 200
"""Bytes of the name of a class or of a video: the files of results are named after it."""

# A bucket answers each question in tens of milliseconds, so many are asked at the same time.
_THREADS = 16

T = TypeVar("T")


@contextlib.contextmanager
def replacing(path: PathLike, *, durable: bool = False) -> Iterator[epath.Path]:
    """Yields a path to write to, which replaces `path` when the block ends without an error.

    A reader finds the old file or the new one, never half of it.

    Args:
      path: the file.
      durable: whether this holds after a loss of power too; it costs two waits for the disk.

    Raises:
      OSError: it cannot be written; `filename` is `path`, which the system leaves out where a disk
        is full.
    """
    path = epath.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, because a rename is atomic within one file system only. The name is random
    # and not that of the process: containers that share a folder may share process numbers too.
    beside = path_beside(path)
    try:
        yield beside
        # The content must be on the disk before the name is: a system may write the rename first,
        # and after a loss of power the name would stand for an empty file.
        if durable:
            sync(beside)
        beside.replace(path)
        if durable:
            sync(path.parent)
    except OSError as error:
        raise _naming(error, path, instead_of=beside) from error
    finally:
        # On a disk that fails, removing may fail too; the first error is the one to show.
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def path_beside(path: epath.Path) -> epath.Path:
    """The path of a file while it is written, which no two processes share."""
    return path.parent / f".{path.name}.part-{secrets.token_hex(_TOKEN_BYTES)}"


def unfinished_target(path: epath.Path) -> epath.Path | None:
    """The file that `replacing` was writing to a path; None where the path is of another kind."""
    match = _UNFINISHED.fullmatch(path.name)
    if match is None:
        return None
    return path.parent / match["target"]


def write_bytes(path: PathLike, encoded: bytes, *, durable: bool = False) -> None:
    """Writes a file whole or not at all; `durable` as of `replacing`."""
    with replacing(path, durable=durable) as beside:
        beside.write_bytes(encoded)


def append_bytes(path: PathLike, encoded: bytes) -> None:
    """Appends to a file in one write.

    Raises:
      OSError: it cannot be written; `filename` is `path`.
    """
    path = epath.Path(path)
    try:
        with path.open("ab") as file:
            file.write(encoded)
    except OSError as error:
        raise _naming(error, path) from error


def _naming(error: OSError, path: epath.Path, instead_of: PathLike = "") -> OSError:
    """The same error with the path of the file, where it names none or only `instead_of`."""
    # Errors of buckets have no number. Those that name another file are about that file.
    if error.errno is None or error.filename not in (None, os.fspath(instead_of)):
        return error
    return OSError(error.errno, os.strerror(error.errno), os.fspath(path))


def write_json(path: PathLike, record: Any, *, sealed: bool = False, durable: bool = True) -> None:
    """Writes JSON with sorted keys, whole or not at all, also after a loss of power.

    Args:
      path: the file.
      record: to write; the seal of an object that has one is made anew.
      sealed: whether an object gets the seal, by which `read_json` notices damage.
      durable: see `replacing`.
    """
    write_bytes(path, encode_json(record, sealed=sealed), durable=durable)


def write_jsonl(path: PathLike, rows: Iterable[dict], *, sealed: bool = False) -> None:
    """Writes one JSON object a line, whole or not at all, also after a loss of power.

    Args:
      path: the file.
      rows: to write.
      sealed: whether the first row gets a seal of all, by which `read_jsonl` notices damage. Files
        that grow cannot have it.
    """
    # As one text, and not line by line: a file that is cut at a line break would look whole.
    write_bytes(path, encode_rows(rows, sealed=sealed), durable=True)


def bytes_sha256(encoded: bytes) -> str:
    """The sha256 of some bytes, in hexadecimal."""
    return hashlib.sha256(encoded).hexdigest()


def read_json(path: PathLike, made_by: str = "") -> Any:
    """Reads JSON.

    Raises:
      FileError: the file is absent (`made_by` names the stage that writes it) or is not JSON.
    """
    return parse_json(read_existing(path, made_by), path)


def read_json_object(path: PathLike, made_by: str = "") -> dict[str, Any]:
    """Reads JSON that is one object, whose fields the caller checks; see `read_json`."""
    return _object(read_json(path, made_by), path)


def read_jsonl(path: PathLike, made_by: str = "") -> list[dict]:
    """Reads one JSON object a line; see `read_json`."""
    return parse_jsonl(read_existing(path, made_by), path)


def parse_jsonl(encoded: bytes, path: PathLike) -> list[dict]:
    """Decodes one JSON object a line; `path` names the file in messages."""
    rows = []
    lines = encoded.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        rows.append(_object(parse_json(line, where), where))
    check_rows_seal(lines, path)
    if rows:
        # It is of these lines in this order, so it would be wrong in another file.
        rows[0].pop(ROWS_SEAL, None)
    return rows


def _object(content: Any, where: PathLike) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise FileError(f"{where}: the content is a {type(content).__name__}; expected an object")
    return content


def write_arrays(path: PathLike, /, *, durable: bool = False, **arrays: np.ndarray) -> None:
    """Writes arrays as .npz without pickling; the same arrays give the same bytes.

    Args:
      path: the file.
      durable: as of `replacing`.
      **arrays: by name.
    """
    # Into memory first: a bucket's file cannot be written at several places, as a zip needs.
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue(), durable=durable)


def read_arrays(
    path: PathLike, *names: str, made_by: str = "", optional: Collection[str] = ()
) -> tuple[np.ndarray, ...]:
    """Reads the named arrays of an .npz file; those of the `optional` ones that it lacks are None.

    Raises:
      FileError: the file is absent, damaged, holds objects, or lacks an array.
    """
    encoded = read_existing(path, made_by)
    # zipfile and numpy raise errors of many kinds for one cause: the bytes are not an .npz.
    with (
        reading(path, "cannot be read as arrays", Exception),
        open_numpy(io.BytesIO(encoded)) as file,
    ):
        present = file.headers.keys()
        missing = sorted(set(names) - present - set(optional), key=names.index)
        if missing:
            raise FileError(f"has {sorted(present)}, lacks {missing}")
        # An optional array whose name is damaged must not count as absent. A zip has each name
        # twice, and reading a member compares them.
        if not present <= set(names) and file.archive and file.archive.zip.testzip():
            raise FileError("is damaged")
        arrays = []
        for name in names:
            arrays.append(file.read(name) if name in present else None)
        return tuple(arrays)


def system_error_text(error: OSError) -> str:
    """Describes an error of the operating system: its paths, its cause and its number."""
    # Two of them where a file is renamed or linked; none where no file is at fault.
    paths = []
    for path in (error.filename, error.filename2):
        if path is not None:
            paths.append(str(path))
    cause = f"{error.strerror or error} (errno {error.errno})"
    if not paths:
        return cause
    return f"{' and '.join(paths)}: {cause}"


def call_in_threads(function: Callable[[Any], T], arguments: Sequence[Any]) -> list[T]:
    """Calls `function` on each argument in several threads; results are in their order."""
    with ThreadPoolExecutor(_THREADS) as pool:
        # A list, so that an error of any call is raised here and not where the result is first
        # read.
        return list(pool.map(function, arguments))


def read_existing(path: PathLike, made_by: str = "") -> bytes:
    """Reads a file that must be there.

    Raises:
      FileError: it is missing; `made_by` names the stage that writes it.
    """
    path = epath.Path(path)
    if not path.exists():
        origin = ""
        if made_by:
            origin = f"; the stage {made_by} writes it"
        raise FileError(f"{path} is missing{origin}")
    return path.read_bytes()


@contextlib.contextmanager
def reading(where: object, summary: str = "", *damage: type[Exception]) -> Iterator[None]:
    """Turns what goes wrong inside the block into one FileError that begins with the file's name.

    Args:
      where: the file, and the place in it, which opens the message; empty where a caller adds it.
      summary: what the file is not, such as "not a whole ViPER file"; it opens the description of
        an error in `damage`. Empty where these are sentences, as of a pure function that is
        given the content.
      *damage: what Python or a library raises for a damaged file. A FileError, and a ConfigError of
        settings in the file, are always taken.

    Raises:
      FileError: one of these was raised; it is the cause.
    """
    try:
        yield
    except (ConfigError, FileError, *damage) as error:
        # Our own errors are sentences. Others may say as little as "'labels'", of a KeyError.
        cause = str(error)
        if summary and not isinstance(error, (ConfigError, FileError)):
            cause = f"{summary}: {type(error).__name__}: {error}"
        if where:
            cause = f"{where}: {cause}"
        raise FileError(cause) from error
