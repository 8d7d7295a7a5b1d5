"""JSON as text: encoded with a seal if wished, and decoded with an error that names the file.

A seal is a field with the digest of all others. It finds damage that leaves valid JSON, such as a
flipped bit in a number. A file of one object a line has one seal for all lines, in its first one.
`files` writes and reads the files themselves.
"""

from __future__ import annotations

import hashlib
import json
import operator
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from videolstm_jax.errors import FileError

PathLike = str | os.PathLike

SEAL = "content_sha256"
"""The field of a sealed JSON object that holds the digest of its other fields."""
ROWS_SEAL = "rows_sha256"
"""The field in the first line of a sealed file of rows that holds the digest of all lines."""

# Letters of a seal's name that may be damaged; see `_seal_fields`.
_DAMAGED_LETTERS = 2


# ---- encoding ------------------------------------------------------------------------------------


def encode_json(record: Any, *, sealed: bool = False) -> bytes:
    """Encodes JSON with sorted keys and a line break at the end.

    Args:
      record: the seal of an object that has one is made anew.
      sealed: whether an object gets the field `SEAL`, by which `parse_json` notices damage.
    """
    if sealed or (isinstance(record, dict) and SEAL in record):
        record = record | {SEAL: _seal_of(record)}
    # JSON has no NaN: Python would write one, and other programs could not read the file.
    text = json.dumps(record, indent=1, sort_keys=True, allow_nan=False)
    return f"{text}\n".encode()


def encode_rows(rows: Iterable[dict[str, Any]], *, sealed: bool = False) -> bytes:
    """Encodes one JSON object a line.

    Args:
      rows: of which none has the field `ROWS_SEAL`.
      sealed: whether the first row gets that field, by which `check_rows_seal` notices damage.
    """
    rows = list(rows)
    # JSON has no NaN, see `encode_json`.
    lines = [json.dumps(row, allow_nan=False).encode() + b"\n" for row in rows]
    if sealed and rows:
        # In the first line and not behind the last: a file that is cut anywhere then still has it,
        # and every line stays a row for programs that pass over fields they do not know.
        first = rows[0] | {ROWS_SEAL: _seal_of_rows(rows[0], lines[1:])}
        lines[0] = json.dumps(first).encode() + b"\n"
    return b"".join(lines)


def _seal_of_rows(first: dict[str, Any], other_lines: Sequence[bytes]) -> str:
    """The digest of all rows: the first by its fields, the other lines by their bytes."""
    # By bytes, since files of tubes are long, and encoding all rows again would double the time.
    sha256 = hashlib.sha256(json_sha256(first).encode())
    for line in other_lines:
        sha256.update(line)
    return sha256.hexdigest()


def json_sha256(record: Any) -> str:
    """The sha256 of a value that JSON can hold; the order of keys does not matter."""
    text = json.dumps(record, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _seal_of(record: dict[str, Any]) -> str:
    """The digest of all fields but the seal."""
    sealed_fields = dict(record)
    sealed_fields.pop(SEAL, None)
    return json_sha256(sealed_fields)


# ---- decoding ------------------------------------------------------------------------------------


def parse_json(encoded: bytes, where: PathLike) -> Any:
    """Decodes JSON; `where` names the file, and the line, in messages.

    Raises:
      FileError: it is not JSON, an object has a key twice, or the content is not that of its seal.
    """
    record = decode_json(encoded, where)
    check_seal(record, where)
    return record


def decode_json(encoded: bytes, where: PathLike) -> Any:
    """Decodes JSON as `parse_json`, and leaves `check_seal` to the caller."""
    try:
        return json.loads(encoded.decode(), object_pairs_hook=_object)
    # ValueError: also of text that is not UTF-8. RecursionError: of brackets without end.
    except (ValueError, RecursionError) as error:
        raise FileError(f"{where}: not JSON: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object from its fields, of which none may be there twice."""
    fields: dict[str, Any] = {}
    for name, field in pairs:
        # Python would take the last one. Two values of one field are a file edited by mistake.
        if name in fields:
            raise ValueError(f"the key {name!r} is there twice")
        fields[name] = field
    return fields


def check_seal(record: Any, where: PathLike) -> None:
    """Raises FileError where a sealed object is not the one that was written."""
    if not isinstance(record, dict) or not _seal_fields(record, SEAL):
        return
    if not _is_digest(record.get(SEAL), lambda: _seal_of(record)):
        raise FileError(
            f"{where}: its content does not agree with its field {SEAL}: it is damaged, or was "
            "edited by hand; run the stage that wrote it again, or remove that field to keep an "
            "edit"
        )


def check_rows_seal(lines: Sequence[bytes], where: PathLike) -> None:
    """Raises FileError where sealed rows are not the ones that were written.

    Args:
      lines: of the file, with their ends, each of which can be decoded.
      where: names the file in the message.
    """
    if not lines:
        return
    first = decode_json(lines[0], where)
    if not isinstance(first, dict) or not _seal_fields(first, ROWS_SEAL):
        return
    seal = first.pop(ROWS_SEAL, None)
    if not _is_digest(seal, lambda: _seal_of_rows(first, lines[1:])):
        raise FileError(
            f"{where}: its lines do not agree with the field {ROWS_SEAL} of the first one: it is "
            "damaged, or was edited by hand; run the stage that wrote it again, or remove that "
            "field to keep an edit"
        )


def _is_digest(seal: Any, digest: Callable[[], str]) -> bool:
    """Whether a seal is the digest of the content that was read."""
    try:
        return seal == digest()
    except ValueError:  # an infinity, which no sealed file was written with
        return False


def _seal_fields(record: dict[str, Any], seal: str) -> list[str]:
    """The fields of an object that are its seal, or were it until letters of it were damaged."""
    # An object without a seal is read as it is, so a flipped bit in the name of the seal would hide
    # one in the content. Of pairs of bits in an index of a few videos, one in a hundred is so.
    names = []
    for name in record:
        damaged = sum(map(operator.ne, name, seal))
        if len(name) == len(seal) and damaged <= _DAMAGED_LETTERS:
            names.append(name)
    return names
