"""Typed records of JSON: any content is a valid record, or one line with file, line and field."""

import dataclasses
import json
import math
from typing import Annotated, Literal, NamedTuple

import pytest
from annotated_types import Ge, MinLen
from hypothesis import example, given
from hypothesis import strategies as st

from videolstm_jax.errors import FileError
from videolstm_jax.json_records import json_record, parse_record, read_record, read_records


class Clip(NamedTuple):
    name: str
    frames: Annotated[int, Ge(1)]


@json_record(unknown="forbid")
@dataclasses.dataclass(frozen=True)
class Range:
    low: float
    high: float = 1.0

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError(f"low is {self.low}; expected at most high, {self.high}")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Without the decorator, like the settings of this project: as strict inside a record."""

    sigma: float = 2.0
    causal: bool = False


@json_record()
@dataclasses.dataclass(frozen=True)
class Record:
    name: str
    kind: Literal["rgb", "flow"]
    clips: Annotated[tuple[Clip, ...], MinLen(1)]
    ranges: dict[str, Range]
    settings: Settings
    note: str | None = None
    class_: str = ""


GOOD = {
    "name": "a",
    "kind": "rgb",
    "clips": [{"name": "x", "frames": 3}],
    "ranges": {"x": {"low": 0}},
    "settings": {"sigma": 1, "causal": True},
    "note": None,
    "class": "Jump",
    "of_a_later_version": [],
}
TEXT = json.dumps(GOOD)
# The ways to every value of GOOD.
PLACES = [
    (),
    ("name",),
    ("kind",),
    ("clips",),
    ("clips", 0),
    ("clips", 0, "frames"),
    ("ranges",),
    ("ranges", "x"),
    ("ranges", "x", "low"),
    ("settings",),
    ("settings", "sigma"),
    ("settings", "causal"),
    ("note",),
    ("class",),
]
NUMBERS = st.integers() | st.floats() | st.just(10**400)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=5,
)


def parsed(content):
    return parse_record(content.encode(), Record, "r.json")


def replaced(place, value):
    if not place:
        return value
    record = json.loads(TEXT)
    owner = record
    for key in place[:-1]:
        owner = owner[key]
    owner[place[-1]] = value
    return record


def refusal(content):
    with pytest.raises(FileError) as caught:
        parse_record(content, Record, "r.json:7")
    message = str(caught.value)
    assert message.startswith("r.json:7: ") and "\n" not in message and len(message) < 300
    return message.removeprefix("r.json:7: ")


def test_a_record():
    record = parsed(TEXT)
    assert record.clips == (Clip("x", 3),) and record.ranges == {"x": Range(0.0)}
    assert record.settings == Settings(1.0, causal=True) and record.class_ == "Jump"


@pytest.mark.parametrize(
    ("key", "shown"), [("\n", r"ranges.\n"), ("\x1b[2J", r"ranges.\u001b[2J"), ("é", "ranges.é")]
)
def test_a_key_that_would_break_the_line_is_escaped(key, shown):
    text = refusal(json.dumps(replaced(("ranges",), {key: None})).encode())
    assert text == f"{shown} is null; expected an object"


@given(place=st.sampled_from(PLACES), value=ANY_JSON)
@example(place=("ranges",), value={"\n": None})
@example(place=("ranges",), value={"a" * 1000: None})
def test_any_value_in_any_field(place, value):
    try:
        record = parsed(json.dumps(replaced(place, value)))
    except FileError as error:
        message = str(error)
        assert message.startswith("r.json: ") and "\n" not in message
        return
    # What was accepted is of the declared types.
    assert isinstance(record.name, str) and record.kind in ("rgb", "flow")
    assert all(type(clip.frames) is int and clip.frames > 0 for clip in record.clips)
    assert all(type(span.low) is float and span.low <= span.high for span in record.ranges.values())
    assert type(record.settings.sigma) is float and math.isfinite(record.settings.sigma)
    assert type(record.settings.causal) is bool and type(record.class_) is str


@given(data=st.binary())
def test_any_bytes(data):
    assert refusal(data)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("clips", 0, "frames"), True, "clips[0].frames is true; expected a whole number"),
        (("clips", 0, "frames"), 2.0, "clips[0].frames is 2.0; expected a whole number"),
        (("clips", 0, "frames"), "3", 'clips[0].frames is "3"; expected a whole number'),
        (("clips", 0, "frames"), 0, "clips[0].frames is 0; expected 1 or more"),
        (("clips", 0), {"name": "x"}, "clips[0].frames is missing"),
        (("clips",), [], "clips is []; expected at least 1 items"),
        (("clips",), {"0": 1}, 'clips is {"0": 1}; expected a list'),
        (("kind",), "RGB", "kind is \"RGB\"; expected one of 'rgb' or 'flow'"),
        (("ranges", "x", "low"), float("nan"), "ranges.x.low is NaN; expected a finite number"),
        (("ranges", "x", "low"), 10**400, "expected a finite number"),
        (("ranges", "x", "low"), 2, "ranges.x: low is 2.0; expected at most high, 1.0"),
        (("ranges", "x", "lower"), 2, "ranges.x.lower is an unknown field"),
        (("settings", "sigma"), True, "settings.sigma is true; expected a number"),
        (("settings", "sigma"), float("inf"), "settings.sigma is Infinity; expected a finite"),
        (("settings", "causal"), 1, "settings.causal is 1; expected true or false"),
        (("class",), None, "class is null; expected text"),
        (("name",), ["a" * 1000], "aaa..; expected text"),
    ],
)
def test_messages_name_field_value_and_what_was_expected(place, value, message):
    assert message in refusal(json.dumps(replaced(place, value)).encode())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 200_000, "not JSON"),
        (b"[" * 500 + b"]" * 500, "not JSON"),
        (b'{"a": ' * 100_000, "not JSON"),
        (b"9" * 5_000, "not JSON"),
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "not JSON: Unexpected UTF-8 BOM"),
        (TEXT.encode("utf-16"), "not JSON"),
        (TEXT.encode()[:-1], "not JSON"),
        (TEXT.encode() + b"{}", "not JSON: Extra data"),
        (TEXT.replace('"a"', '"\\ud800"').encode(), "not JSON"),
        (b'{"name": "a", "name": "b"}', "not JSON: the key 'name' is there twice"),
        (
            TEXT.replace('"low": 0', '"low": 0, "low": 0').encode(),
            "not JSON: the key 'low' is there twice",
        ),
        (TEXT.replace('"low": 0', '"low": 1e400').encode(), "ranges.x.low is Infinity; expected"),
    ],
)
def test_hostile_content(content, message):
    assert refusal(content).startswith(message)


def test_files_and_lines(tmp_path):
    path = tmp_path / "clips.jsonl"
    with pytest.raises(FileError, match=r"clips\.jsonl is missing; the stage prepare writes it"):
        read_record(path, Clip, made_by="prepare")
    path.write_text('{"name": "a", "frames": 1}\n{"name": "b"}\n')
    rows = read_records(path, Clip)
    assert next(rows) == (f"{path}:1", Clip("a", 1))
    with pytest.raises(FileError, match=r"clips\.jsonl:2: frames is missing"):
        next(rows)
    path.write_text('{"a": {"name": "a", "frames": 1}}')
    assert read_record(path, dict[str, Clip]) == {"a": Clip("a", 1)}
