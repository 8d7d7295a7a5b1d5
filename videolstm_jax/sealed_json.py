"""JSON as text: encoded with a seal if wished, and decoded with an error that names the file.

A seal is a field with the digest of all others. It finds damage that leaves valid JSON, such as a
flipped bit in a number. `files` writes and reads the files themselves.
"""

from __future__ import annotations

import hashlib
import json
import operator
import os
from typing import Any

from videolstm_jax.errors import FileError

PathLike = str | os.PathLike

SEAL = "content_sha256"
"""The field of a sealed JSON object that holds the digest of its other fields."""

# Letters of the seal's name that may be damaged; see `_has_seal`.
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
    if not isinstance(record, dict) or not _has_seal(record):
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


def _has_seal(record: dict[str, Any]) -> bool:
    """Whether an object has a seal, or had one until letters of its name were damaged."""
    # An object without a seal is read as it is, so a flipped bit in the name of the seal would hide
    # one in the content. Of pairs of bits in an index of a few videos, one in a hundred is so.
    for name in record:
        damaged = sum(map(operator.ne, name, SEAL))
        if len(name) == len(SEAL) and damaged <= _DAMAGED_LETTERS:
            return True
    return False
