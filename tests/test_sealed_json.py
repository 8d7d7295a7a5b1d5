"""A seal finds changed content, also where letters of the seal's own name were damaged."""

import json

import pytest

from videolstm_jax.errors import FileError
from videolstm_jax.sealed_json import SEAL, encode_json, parse_json

RECORD = {"label": 3, "name": "a/0"}


def renamed_seal(letters: int) -> dict:
    """A sealed record of another label, of whose seal the first letters are damaged."""
    fields = json.loads(encode_json(RECORD, sealed=True))
    digest = fields.pop(SEAL)
    return fields | {"label": 2, "X" * letters + SEAL[letters:]: digest}


def test_a_sealed_record_is_read_with_its_seal():
    fields = parse_json(encode_json(RECORD, sealed=True), "file")
    assert fields == RECORD | {SEAL: fields[SEAL]}
    changed = encode_json(fields | {"label": 2})
    assert parse_json(changed, "file")["label"] == 2, "encoding seals an edit of a sealed record"


@pytest.mark.parametrize("letters", [0, 1, 2])
def test_a_damaged_name_does_not_switch_the_seal_off(letters):
    with pytest.raises(FileError, match=r"^file: its content does not agree with its field"):
        parse_json(json.dumps(renamed_seal(letters)).encode(), "file")


def test_another_name_is_no_seal():
    fields = renamed_seal(3)
    assert parse_json(json.dumps(fields).encode(), "file") == fields
    shorter = RECORD | {SEAL[:-1]: "0"}
    assert parse_json(json.dumps(shorter).encode(), "file") == shorter


def test_a_number_that_json_cannot_hold_is_damage():
    encoded = encode_json(RECORD, sealed=True).replace(b"3", b"1e999", 1)
    with pytest.raises(FileError, match="does not agree"):
        parse_json(encoded, "file")
