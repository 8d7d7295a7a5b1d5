"""Valid files and what a stranger may make of them: any bytes, damage, and hostile values.

An example is a plain record of whole numbers, which are taken modulo the size of the file. Every
format thus has the same kinds of examples, and one that fails is repeated by its numbers.
"""

import copy
import random
import re
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

# Not a number that a check could call too large: sizes that a program would try to make.
_NUMBERS = (
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b"2147483648",
    b"18446744073709551616",
    b"9" * 400,
    b"9" * 5000,
)
_CONTROLS = (b"\0", b"\x1b]0;title\x07", "\u202e".encode(), b"\r\n", b"\t", b"\xff\xfe", b"\xa0")
_WORDS = (
    b"../../secret",
    b"/etc/passwd",
    b"null",
    b"true",
    b"a" * 5000,
    "\u0663".encode(),
    b"\xc2",
)
_MARKS = (
    b"[" * 3000,
    b"{" * 3000,
    b"<a>" * 3000,
    b'"',
    b",",
    b";",
    b"]",
    b"}",
    b"<",
    b"&x;",
    b"1_0",
)
TOKENS = (*_NUMBERS, *_CONTROLS, *_WORDS, *_MARKS)
"""What takes the place of a word or a sign of a text."""


def _nested(depth):
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


_ARRAYS = (
    np.zeros(0),
    np.zeros((2, 2)),
    np.zeros((3, 0), np.float32),
    np.array(5),
    np.array([1, 2], np.uint64),
    np.array(["a", "b\x1b"]),
    np.array([True, False]),
    np.array([np.nan, np.inf]),
    np.array([2**62], np.int64),
    np.array([1 + 2j]),
    np.array(["2020-01-01"], "datetime64[D]"),
    np.zeros((1,) * 9),
)
VALUES = (
    *(None, True, False, -1, 0, 1, 1.5, -0.0, 1e308, float("inf"), float("nan")),
    *(2**31, 2**53 + 1, 2**63, 2**64, 10**400, -(10**30)),
    *("", "a", "a\0b", "\x1b]0;title\x07", "a\nb", "\ud800", "..", "../../secret", "/etc/passwd"),
    *("C:\\secret", "a" * 5000, "\u202e", "nan", "1e999", "object:V", b"", b"\xff\x00", "9" * 400),
    *([], {}, [[]], [None], {"": 1}, {"a": {}}, [1, "a", None], _nested(60), [[1, 2], [3]], ()),
    *_ARRAYS,
)
"""What takes the place of a field, an element or a key of a structured file."""


class Edit(NamedTuple):
    """One change: what is done, where, and with which value; all are taken modulo their range."""

    action: int
    place: int
    value: int


class Example(NamedTuple):
    """A file: a valid one by its number, `way` it is changed, the edits, and bytes of no file."""

    valid: int
    way: str
    edits: tuple[Edit, ...]
    raw: bytes


def examples(ways):
    """The strategy of all examples of a format.

    Args:
      ways: those that the format can be changed in: `bytes`, `text`, `tree`.
    """
    # One number: to draw each part of an example took longer than to read most of the files, and
    # edits that had failed to do harm were drawn again and again.
    return st.integers(0, (1 << 64) - 1).map(lambda number: example_of(number, ways))


def example_of(number, ways):
    """The example of a number."""
    draw = random.Random(number)
    # Nearly all bytes are refused at the first one, so they are the few.
    if draw.random() < 0.05:
        return Example(0, "raw", (), draw.randbytes(draw.randrange(300)))
    edits = []
    # Several edits hide one another: the first that is noticed ends the reading.
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        edits.append(Edit(draw.randrange(8), draw.randrange(1 << 24), draw.randrange(1 << 24)))
    return Example(draw.randrange(8), draw.choice(ways), tuple(edits), b"")


# ---- bytes ---------------------------------------------------------------------------------------


def changed_bytes(data, edits):
    """Flips, cuts, repeats, overwrites and inserts."""
    for action, place, value in edits:
        at = place % (len(data) + 1)
        length = 1 + value % 64
        if action == 0 and at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << value % 8)]) + data[at + 1 :]
        elif action == 1:
            data = data[:at]
        elif action == 2:
            data = data[:at] + data[at + length :]
        elif action == 3:
            data = data[: at + length] + data[at:]
        elif action == 4:
            # The largest and smallest of what may be a size.
            filling = (b"\xff", b"\0", b"\x7f", b"\x80")[value % 4]
            data = data[:at] + filling * (1 + value % 8) + data[at + 1 + value % 8 :]
        elif action == 5:
            data = data[:at] + bytes([value % 256]) + data[at + 1 :]
        elif action == 6:
            data = data[:at] + TOKENS[value % len(TOKENS)] + data[at:]
        else:
            other = value % (len(data) + 1)
            data = data[:at] + data[other : other + 32] + data[at + 32 :]
    return data


def changed_text(data, edits):
    """Words and signs that are replaced, removed, repeated and swapped."""
    words = re.findall(rb"\w+|\s|[^\w\s]", data)
    for action, place, value in edits:
        if not words:
            break
        at = place % len(words)
        other = value % len(words)
        if action < 4:
            words[at] = TOKENS[value % len(TOKENS)]
        elif action == 4:
            del words[at]
        elif action == 5:
            words.insert(at, words[other])
        elif action == 6:
            words[at], words[other] = words[other], words[at]
        else:
            lines = b"".join(words).splitlines(keepends=True)
            lines.insert(place % len(lines), lines[value % len(lines)])
            words = re.findall(rb"\w+|\s|[^\w\s]", b"".join(lines))
    return b"".join(words)


# ---- values --------------------------------------------------------------------------------------


def changed_tree(tree, edits):
    """A copy of nested dicts, lists and arrays in which values and keys are others."""
    tree = copy.deepcopy(tree)
    for action, place, value in edits:
        places = list(_places(tree))
        if not places:
            break
        owner, key = places[place % len(places)]
        hostile = copy.deepcopy(VALUES[value % len(VALUES)])
        if action < 4 or not isinstance(owner, (dict, list)):
            _put(owner, key, hostile)
        elif action == 4:
            del owner[key]
        elif action == 5 and isinstance(owner, dict):
            # A key of another kind, or of another name.
            new = hostile if isinstance(hostile, (str, int, float, bytes, type(None))) else "x"
            owner[new] = owner.pop(key)
        elif action == 5:
            owner.insert(key, owner[key])
        else:
            other_owner, other = places[value % len(places)]
            _put(owner, key, copy.deepcopy(other_owner[other]))
    return tree


def _places(tree):
    """Every (owner, key) below a value; of arrays the first element only."""
    stack = [tree]
    while stack:
        owner = stack.pop()
        if isinstance(owner, dict):
            keys = list(owner)
        elif isinstance(owner, list):
            keys = list(range(len(owner)))
        else:
            continue
        for key in keys:
            yield owner, key
            inner = owner[key]
            if isinstance(inner, np.ndarray) and inner.size and inner.flags.writeable:
                yield inner, (0,) * inner.ndim
            else:
                stack.append(inner)


def _put(owner, key, value):
    """Sets a value; one that an array cannot hold leaves it as it is."""
    if not isinstance(owner, np.ndarray):
        owner[key] = value
        return
    try:
        with np.errstate(all="ignore"):
            owner[key] = value
    except (ValueError, TypeError, OverflowError):
        return
