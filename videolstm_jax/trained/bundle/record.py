"""What every field of a bundle's model.json may hold, checked once when the file is read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from videolstm_jax.config import ConvNetConfig, FlowConfig, LocalizeConfig, ModelConfig
from videolstm_jax.errors import FileError
from videolstm_jax.features.records import DTYPES
from videolstm_jax.trained.bundle.writer import BUNDLE_FORMAT
from videolstm_jax.trained.training_list import KEY as TRAINING_LIST

# JSON numbers have no bounds. These keep infinities out, and sizes that overflow a computation.
_LARGEST_FLOAT, _LARGEST_INT = 1e300, 2**31 - 1
_LONGEST = 60


class Kind(NamedTuple):
    """A value without parts: `expected` names it in messages, `fits` decides."""

    expected: str
    fits: Callable[[Any], bool]


class ListOf(NamedTuple):
    """A list, not empty, whose items are all of one kind."""

    item: Schema


class MapOf(NamedTuple):
    """An object with any names, whose values are all of one kind."""

    value: Schema
    empty: bool = True


class Fields(NamedTuple):
    """An object with these fields.

    Those in `optional` may be absent. Unless it is `closed` an object may have further fields,
    which a later version may write; see `writer.FORMAT_VERSION`.
    """

    fields: Mapping[str, Schema]
    optional: tuple[str, ...] = ()
    closed: bool = False


class OrNull(NamedTuple):
    """Null, or a value."""

    value: Schema


Schema = Kind | ListOf | MapOf | Fields | OrNull


def _is_number(value: Any) -> bool:
    # In Python true and false are numbers too; a comparison refuses NaN.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -_LARGEST_FLOAT <= value <= _LARGEST_FLOAT


def _is_int(value: Any) -> bool:
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return is_int and -_LARGEST_INT <= value <= _LARGEST_INT


def _one_of(*choices: Any) -> Kind:
    """A value out of a few."""
    # The type too: in Python 1 == True == 1.0.
    return Kind(
        "one of " + ", ".join(map(str, choices)),
        lambda value: any(type(value) is type(item) and value == item for item in choices),
    )


_TEXT = Kind("text", lambda value: isinstance(value, str))
_NAME = Kind("text that is not empty", lambda value: isinstance(value, str) and value != "")
_FLAG = Kind("true or false", lambda value: isinstance(value, bool))
_NUMBER = Kind("a number", _is_number)
_POSITIVE = Kind("a positive number", lambda value: _is_number(value) and value > 0)
_FROM_ZERO = Kind("a number, 0 or more", lambda value: _is_number(value) and value >= 0)
_SHARE = Kind("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
_INT = Kind("an integer", _is_int)
_COUNT = Kind("an integer, 0 or more", lambda value: _is_int(value) and value >= 0)

_BY_TYPE = {bool: _FLAG, int: _INT, float: _NUMBER, str: _TEXT}
_STREAM = _one_of("rgb", "flow")
_PREPROCESSING = Fields(
    {"name": _NAME, "mean": ListOf(_NUMBER), "scale": ListOf(_NUMBER)}, optional=("mean", "scale")
)


def _of_setting(field: dataclasses.Field) -> Schema:
    choices = field.metadata["choices"]
    if choices:
        return _one_of(*choices)
    if isinstance(field.default, tuple):
        return ListOf(_INT)
    return _BY_TYPE[type(field.default)]


def _settings(owner: type) -> Fields:
    """All settings of a dataclass: a default of this version may be another one."""
    fields = {field.name: _of_setting(field) for field in dataclasses.fields(owner)}
    return Fields(fields, closed=True)


_FLOW_CHOICES = {field.name: _of_setting(field) for field in dataclasses.fields(FlowConfig)}
_FLOW = Fields(
    {
        "method": _FLOW_CHOICES["method"],
        "width": _COUNT,
        "height": _COUNT,
        "shorter_side": _COUNT,
        "bound": _POSITIVE,
        "scaled": _FLAG,
        "image": _FLOW_CHOICES["image"],
        "fps": _FROM_ZERO,
        "max_frames": _COUNT,
    }
)
_BACKBONE = Fields(
    {
        "convnet": _settings(ConvNetConfig),
        "channels": _one_of(2, 3),
        "layers": MapOf(_one_of(*DTYPES), empty=False),
        "sha256": _NAME,
        "preprocessing": _PREPROCESSING,
    }
)
_EXTRACTOR = Fields({"convnet": OrNull(_NAME), "preprocessing": OrNull(_PREPROCESSING)})
_SETTING = Kind(
    "text, a number, true or false, or a list of those",
    lambda value: all(map(_is_plain, value if isinstance(value, list) else [value])),
)
_PROVENANCE = Fields(
    {
        "run": _TEXT,
        "preset": _TEXT,
        "seed": OrNull(_INT),
        "data_source": _TEXT,
        "overrides": MapOf(_SETTING),
        "training_list_sha256": OrNull(_NAME),
    }
)
_RESULTS = Fields(
    {
        "accuracy": Fields(
            {"right": _COUNT, "videos": _COUNT, "trained_on": _COUNT}, optional=("trained_on",)
        ),
        "frame_iou": Fields({"value": _SHARE, "low": _SHARE, "high": _SHARE}),
    },
    optional=("accuracy", "frame_iou"),
)
RECORD_FIELDS = Fields(
    {
        "format": _one_of(BUNDLE_FORMAT),
        "classes": ListOf(_NAME),
        "model": _settings(ModelConfig),
        "layers": Fields({"x": _NAME, "motion": OrNull(_NAME)}, closed=True),
        "stream": _STREAM,
        "scales": Fields({"x": _POSITIVE, "motion": _POSITIVE}, closed=True),
        "fps": _FROM_ZERO,
        "extractors": MapOf(_EXTRACTOR),
        "backbones": MapOf(_BACKBONE, empty=False),
        "flow": OrNull(_FLOW),
        "localize": _settings(LocalizeConfig),
        "provenance": _PROVENANCE,
        "results": _RESULTS,
        "versions": MapOf(_TEXT),
        "files": MapOf(_NAME, empty=False),
        TRAINING_LIST: OrNull(Fields({"videos": ListOf(_NAME), "sha256": _NAME})),
    },
    # A bundle of a model whose training list was not recorded.
    optional=(TRAINING_LIST,),
)
"""The content of model.json but for its version and its sum, which are checked before."""


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, bool)) or _is_number(value)


def check_fields(path: object, record: Any) -> None:
    """Raises FileError, with the file and the field, where model.json holds another kind of value.

    Whether fields agree with one another, and with the files, is checked elsewhere.
    """
    _check(path, "", record, RECORD_FIELDS)
    classes = record["classes"]
    if len(set(classes)) != len(classes):
        raise FileError(f"{path}: classes is {_text(classes)}; expected different names")


def _check(path: object, name: str, value: Any, schema: Schema) -> None:
    """Checks one value and all of its parts."""
    if isinstance(schema, OrNull):
        if value is not None:
            _check(path, name, value, schema.value)
    elif isinstance(schema, Kind):
        _require(schema.fits(value), path, name, value, schema.expected)
    elif isinstance(schema, ListOf):
        fits = isinstance(value, list) and len(value) > 0
        _require(fits, path, name, value, "a list that is not empty")
        for index, item in enumerate(value):
            _check(path, f"{name}[{index}]", item, schema.item)
    elif isinstance(schema, MapOf):
        fits = isinstance(value, dict) and (schema.empty or len(value) > 0)
        _require(fits, path, name, value, "an object" if schema.empty else "an object with fields")
        for field, item in value.items():
            _check(path, f"{name}.{field}", item, schema.value)
    else:
        _require(isinstance(value, dict), path, name, value, "an object")
        _check_named(path, name, value, schema)


def _check_named(path: object, name: str, value: dict[str, Any], schema: Fields) -> None:
    prefix = f"{name}." if name else ""
    for field, part in schema.fields.items():
        if field in value:
            _check(path, prefix + field, value[field], part)
        elif field not in schema.optional:
            raise FileError(f"{path}: {prefix}{field} is missing")
    unknown = sorted(value.keys() - schema.fields.keys())
    if schema.closed and unknown:
        raise FileError(f"{path}: {name} has the unknown fields {', '.join(unknown)}")


def _require(fits: bool, path: object, name: str, value: Any, expected: str) -> None:
    if not fits:
        raise FileError(f"{path}: {name} is {_text(value)}; expected {expected}")


def _text(value: Any) -> str:
    """A value as JSON writes it, cut where it is long."""
    text = json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}.."
