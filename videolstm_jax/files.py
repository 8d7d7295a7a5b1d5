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

from videolstm_jax.durable import sync
from videolstm_jax.errors import ConfigError, FileError

PathLike = str | os.PathLike

# A bucket answers each question in tens of milliseconds, so many are asked at the same time.
_THREADS = 16

SEAL = "content_sha256"
"""The field of a sealed JSON object that holds the digest of its other fields."""

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
    beside = path.parent / f".{path.name}.part-{secrets.token_hex(8)}"
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


def write_bytes(path: PathLike, data: bytes, *, durable: bool = False) -> None:
    """Writes a file whole or not at all; `durable` as of `replacing`."""
    with replacing(path, durable=durable) as beside:
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


def write_json(path: PathLike, value: Any, *, sealed: bool = False, durable: bool = True) -> None:
    """Writes JSON with sorted keys, whole or not at all, also after a loss of power.

    Args:
      path: the file.
      value: to write; the seal of an object that has one is made anew.
      sealed: whether an object gets the field `SEAL`, by which `parse_json` notices damage.
      durable: see `replacing`.
    """
    if sealed or (isinstance(value, dict) and SEAL in value):
        value = value | {SEAL: _seal_of(value)}
    # JSON has no NaN: Python would write one, and other programs could not read the file.
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    write_bytes(path, f"{text}\n".encode(), durable=durable)


def _seal_of(record: dict[str, Any]) -> str:
    """The digest of all fields but the seal."""
    content = dict(record)
    content.pop(SEAL, None)
    return json_sha256(content)


def write_jsonl(path: PathLike, rows: Iterable[dict]) -> None:
    """Writes one JSON object a line, whole or not at all, also after a loss of power."""
    lines = [json.dumps(row, allow_nan=False) + "\n" for row in rows]
    write_bytes(path, "".join(lines).encode(), durable=True)


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
    return parse_json(read_existing(path, made_by), path)


def read_jsonl(path: PathLike, made_by: str = "") -> list[dict]:
    """Reads one JSON object a line; see `read_json`."""
    rows = []
    for number, line in enumerate(read_existing(path, made_by).splitlines(), 1):
        rows.append(parse_json(line, f"{path}:{number}"))
    return rows


def parse_json(data: bytes, where: PathLike) -> Any:
    """Decodes JSON; `where` names the file, and the line, in messages.

    Raises:
      FileError: it is not JSON, an object has a key twice, or the content is not that of its seal.
    """
    value = decode_json(data, where)
    check_seal(value, where)
    return value


def decode_json(data: bytes, where: PathLike) -> Any:
    """Decodes JSON as `parse_json`, and leaves `check_seal` to the caller."""
    try:
        return json.loads(data.decode(), object_pairs_hook=_object)
    # ValueError: also of text that is not UTF-8. RecursionError: of brackets without end.
    except (ValueError, RecursionError) as error:
        raise FileError(f"{where}: not JSON: {error}") from error


def _is_seal(name: str) -> bool:
    """Whether a field is the seal, or was until a letter or two of its name were damaged."""
    if len(name) != len(SEAL):
        return False
    return sum(a != b for a, b in zip(name, SEAL, strict=True)) <= 2


def check_seal(record: Any, where: PathLike) -> None:
    """Raises FileError where a sealed object is not the one that was written."""
    if not isinstance(record, dict) or not any(map(_is_seal, record)):
        return
    try:
        is_sound = record.get(SEAL) == _seal_of(record)
    except ValueError:  # an infinity, which no sealed file was written with
        is_sound = False
    if not is_sound:
        raise FileError(
            f"{where}: its content does not agree with its field {SEAL}: it is damaged, or was "
            "edited by hand; run the stage that wrote it again, or remove that field to keep an "
            "edit"
        )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object from its fields, of which none may be there twice."""
    content = dict(pairs)
    # Python would take the last one. Two values of one field are a file edited by mistake.
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
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
    data = read_existing(path, made_by)
    # zipfile and numpy raise errors of many kinds for one cause: the bytes are not an .npz.
    with (
        reading(path, "cannot be read as arrays", Exception),
        np.load(io.BytesIO(data), allow_pickle=False) as file,
    ):
        missing = sorted(set(names) - set(file) - set(optional), key=names.index)
        if missing:
            raise FileError(f"has {sorted(file)}, lacks {missing}")
        # An optional array whose name is damaged must not count as absent. A zip has each name
        # twice, and reading a member compares them.
        if not set(file) <= set(names) and file.zip.testzip():
            raise FileError("is damaged")
        return tuple(map(file.get, names))


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
        raise FileError(f"{where}: {cause}" if where else cause) from error
