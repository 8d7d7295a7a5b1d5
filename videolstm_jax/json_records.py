"""Decodes JSON files into typed records, and refuses all others with the file, line and field.

A record is a NamedTuple, or a frozen dataclass with the decorator `json_record`. Its annotations
say what each field may hold, with bounds from `annotated_types`, such as `Annotated[int, Ge(0)]`.
What no annotation can say is checked in `__post_init__`, which raises ValueError.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike, read_existing
from videolstm_jax.sealed_json import check_rows_seal, check_seal, decode_json

if TYPE_CHECKING:
    import pydantic

T = TypeVar("T")

# Characters of a value that a message quotes: enough to find it, and still one line.
_LONGEST = 60
# The words of messages, by the names that Pydantic gives to its errors; others have its own words.
_EXPECTED = {
    "bool_type": "true or false",
    "dataclass_type": "an object",
    "dict_type": "an object",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "int_type": "a whole number",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "list_type": "a list",
    "literal_error": "one of {expected}",
    "multiple_of": "a whole number",
    "string_too_short": "text that is not empty",
    "string_type": "text",
    "too_long": "at most {max_length} items",
    "too_short": "at least {min_length} items",
    "tuple_type": "a list",
}
# NaN is no JSON and infinity (1e400) no measurement. Strict: true is no number, "1" neither.
_STRICT = {"strict": True, "allow_inf_nan": False}


def json_record(*, unknown: Literal["forbid", "ignore"] = "ignore") -> Any:
    """Decorates a frozen dataclass that is read from JSON.

    Args:
      unknown: whether fields that the record does not have are refused, or passed over, since a
        later version may write more fields.
    """

    def decorate(kind: type[T]) -> type[T]:
        # Pydantic reads this attribute. So no module of records has to import it.
        kind.__pydantic_config__ = _STRICT | {"extra": unknown, "alias_generator": _name_in_json}
        return kind

    return decorate


def _name_in_json(field: str) -> str:
    # Python does not allow the name `class`, so the field is `class_`.
    return field.removesuffix("_")


def read_record(path: PathLike, kind: type[T], made_by: str = "") -> T:
    """Reads a JSON file as one record.

    Args:
      path: of the file.
      kind: of the record, or a type of several, such as `dict[str, Video]`.
      made_by: the stage that writes the file.

    Raises:
      FileError: the file is absent, is not JSON, or a field is missing or of another kind.
    """
    return parse_record(read_existing(path, made_by), kind, path)


def read_records(path: PathLike, kind: type[T], made_by: str = "") -> Iterator[tuple[str, T]]:
    """Reads one record a line; yields "file:line" and the record, see `read_record`.

    Raises:
      FileError: as of `read_record`; after the last line, where the lines are not those that the
        file was sealed with.
    """
    lines = read_existing(path, made_by).splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        yield where, parse_record(line, kind, where)
    # Last, as in `parse_record`: a field that cannot be right says more.
    check_rows_seal(lines, path)


def parse_record(data: bytes, kind: type[T], where: PathLike) -> T:
    """Decodes the bytes of one record; `where` names the file, and the line, in messages.

    Raises:
      FileError: it is not JSON, or a field is missing or of another kind.
    """
    import pydantic  # a third of a second, which no command needs that reads no record

    # Both parsers read the bytes. Python's refuses a key that is there twice, where the other would
    # take the last; the other refuses half a surrogate pair, which no file could be written with.
    value = decode_json(data, where)
    try:
        record = _decoder(kind).validate_json(data)
    except pydantic.ValidationError as error:
        raise FileError(f"{where}: {_problem(error)}") from error
    # Last: a field that cannot be right says more than a seal that does not agree.
    check_seal(value, where)
    return record


@functools.cache
def _decoder(kind: Any) -> pydantic.TypeAdapter:
    """Makes the decoder of a type, which takes longer than its use."""
    import pydantic

    # A dataclass has its own configuration, and another one beside it would be refused.
    if hasattr(kind, "__pydantic_config__"):
        return pydantic.TypeAdapter(kind)
    return pydantic.TypeAdapter(kind, config=pydantic.ConfigDict(**_STRICT))


# ---- messages ------------------------------------------------------------------------------------


def _problem(error: pydantic.ValidationError) -> str:
    """Describes the first field that does not fit: its name, its value, and what was expected."""
    # One fault a message: the first is the one that a reader mends first.
    fault = error.errors(include_url=False)[0]
    field, kind = _field_name(fault["loc"]), fault["type"]
    if kind == "json_invalid":
        return f"not JSON: {fault['msg']}"
    if kind in ("missing", "missing_argument"):  # of a dataclass, of a NamedTuple
        return f"{field} is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{field} is an unknown field"
    if kind == "value_error":  # raised by a `__post_init__`, in our own words
        cause = str(fault["ctx"]["error"])
        # The settings of this project name their section themselves.
        return cause if cause.startswith(field) else f"{field}: {cause}"
    expected = fault["msg"].removeprefix("Input should be ")
    if kind in _EXPECTED:
        rule = {name: _plain(value) for name, value in fault.get("ctx", {}).items()}
        expected = _EXPECTED[kind].format(**rule)
    return f"{field or 'the content'} is {value_text(fault['input'])}; expected {expected}"


def _plain(bound: Any) -> Any:
    """A bound of a float as people write it, 0 and not 0.0."""
    if isinstance(bound, float) and bound.is_integer():
        return int(bound)
    return bound


def _field_name(location: tuple[str | int, ...]) -> str:
    """Writes the way to a field as `videos[3].label`."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            name += f".{_key_text(part)}"
    return name.removeprefix(".")


def _key_text(key: str) -> str:
    """A key in a message; one with a line break or the like is escaped, as JSON escapes it."""
    if not key.isprintable():
        key = json.dumps(key)[1:-1]
    if len(key) > _LONGEST:
        key = f"{key[:_LONGEST]}.."
    return key


def value_text(value: Any) -> str:
    """A value as JSON writes it, cut where it is long."""
    # As the file has it: true and not True, so that a search finds it.
    text = json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}.."
