"""The reader of pickles: it reads plain values, and refuses all else by name without running it."""

import io
import pickle
import pickletools
import struct
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videolstm_jax.errors import FileError
from videolstm_jax.safe_readers.pickles import read_pickle

plain = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False),
        st.text(max_size=6),
        st.binary(max_size=6),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=4), inner, max_size=4),
        st.tuples(inner, inner),
    ),
    max_leaves=12,
)


@settings(max_examples=60)
@given(plain, st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_plain_values_come_back(value, protocol):
    assert read_pickle(pickle.dumps(value, protocol=protocol)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.uint8).reshape(3, 2),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">i4"),
        np.zeros((0, 4), np.float32),
        np.array([True, False]),
        np.array(["ab", "c"]),
    ],
)
def test_arrays_of_every_protocol(protocol, array):
    result = read_pickle(
        pickle.dumps(
            {"a": array, "n": array.ravel()[:1].sum() if array.dtype.kind != "U" else 0}, protocol
        )
    )
    np.testing.assert_array_equal(result["a"], array)
    assert result["a"].dtype == array.dtype and isinstance(result["n"], int | float)


def test_a_pickle_of_python_2():
    """Text and array bytes are both `str` in Python 2; it wrote an array of two bytes like this."""
    data = (
        b"(dp0\nS'boxes'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\n"
        b"tp6\nRp7\n(I1\n(I2\ntp8\ncnumpy\ndtype\np9\n(S'u1'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'|'\np13\nNNNI-1\nI-1\n"
        b"I0\ntp14\nbI00\nS'\\xff\\x07'\np15\ntp16\nbs."
    )
    result = read_pickle(data)
    assert list(result) == ["boxes"] and result["boxes"].tolist() == [255, 7]


def test_a_value_met_twice_is_taken_once():
    """Thirty lists, each of the one before twice, are a billion items if every path is walked."""
    value = ["x"]
    for _ in range(30):
        value = [value, value]
    result = read_pickle(pickle.dumps(value))
    assert result[0] is result[1]


class Calls:
    """Pickles to the call of a function."""

    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


def touched(path):
    """What would show that the file was run."""
    return Calls(open, str(path), "w")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_run(tmp_path, protocol):
    with pytest.raises(
        FileError, match=r"asks for (_?io|__builtin__|builtins)\.open; expected plain arrays"
    ):
        read_pickle(pickle.dumps({"boxes": [touched(tmp_path / "touched")]}, protocol))
    assert not list(tmp_path.iterdir())


NUMPY = b"cnumpy\nndarray\n"
DTYPE = b"cnumpy\ndtype\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", r"asks for os\.system"),
        (
            b"cnumpy.core.multiarray\nfromfile\n(S'/etc/passwd'\ntR.",
            r"asks for numpy\.core\.multiarray\.fromfile",
        ),
        (b"(S'/etc/passwd'\ninumpy\nload\n.", "opcode INST"),
        (b"\x80\x02" + NUMPY + b")\x81.", "opcode NEWOBJ"),
        (b"P1\n.", "opcode PERSID"),
        (b"\x82\x01.", "opcode EXT1"),
        (b"\x80\x02]r\xff\xff\xff\x7f.", "remembers a value as number 2147483647"),
        (b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.", "not a whole pickle"),
        (NUMPY + b".", "holds a name or a type"),
        (b"(" + DTYPE + b"lp0\n.", "holds a name or a type"),
        (DTYPE + b"(dS'x'\nI1\nsb.", r"sets the state of numpy\.dtype"),
        (NUMPY + b"(I3\ntR.", "makes a numpy.ndarray by hand"),
        (DTYPE + b"(S'O8'\nI0\nI1\ntR.", "holds values of type 'O8'"),
        (DTYPE + b"(S'u1,O'\nI0\nI1\ntR.", "holds values of type"),
        (b"c_codecs\nencode\n(S'x'\nS'utf-16'\ntR.", "encodes text as 'utf-16'"),
        (
            b"cnumpy.core.multiarray\n_reconstruct\n(" + DTYPE + b"(I0\ntS'b'\ntR.",
            "an array of a kind of its own",
        ),
        (pickle.dumps(1) + b"more", "4 more bytes follow"),
        (b"", "not a whole pickle"),
        (b"not a pickle", "not a whole pickle"),
        (b"\x89HDF\r\n", "not a whole pickle"),
        (
            b"]" * 20_000 + b"a" * 19_999 + b".",
            "not a whole pickle of plain arrays: RecursionError",
        ),
    ],
)
def test_refused_by_name(data, message):
    with pytest.raises(FileError, match=message):
        read_pickle(data)


def test_arrays_of_objects_and_wrong_shapes():
    with pytest.raises(FileError, match="holds values of type 'O8'"):
        read_pickle(pickle.dumps(np.array([{}], object)))
    with pytest.raises(FileError, match="holds values of type 'V"):
        read_pickle(pickle.dumps(np.zeros(1, [("a", "f4")])))
    good = pickle.dumps(np.arange(200, dtype=np.uint8), protocol=2)
    with pytest.raises(FileError, match="cannot reshape"):
        read_pickle(good.replace(b"K\xc8\x85", b"K\xc9\x85"))


def test_every_cut_is_refused():
    good = pickle.dumps({"a/b": {"boxes": np.arange(40.0).reshape(10, 4), "sf": 3}})
    for length in range(len(good)):
        with pytest.raises(FileError):
            read_pickle(good[:length])


@settings(max_examples=150)
@given(st.data())
def test_damage_is_read_or_refused_and_never_run(data):
    good = bytearray(
        pickle.dumps(
            {"a/b": [np.arange(8.0).reshape(2, 4), "text", 3]}, data.draw(st.integers(0, 4))
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_pickle(bytes(good))
    except FileError as error:
        assert str(error)


def test_every_opcode_of_a_plain_file_is_known(real_data):
    data = (real_data / "ucf24_annots" / "pyannot.pkl").read_bytes()
    names = {
        argument
        for opcode, argument, _ in pickletools.genops(io.BytesIO(data))
        if opcode.name == "GLOBAL"
    }
    assert names == {
        "numpy dtype",
        "numpy ndarray",
        "numpy.core.multiarray scalar",
        "numpy.core.multiarray _reconstruct",
    }
    assert len(read_pickle(data)) == 3194


# ---- small files that take forever, or all memory ------------------------------------------------

# A tuple of the same tuple twice, sixty times over: 2 ** 60 paths in 300 bytes.
NESTED = b")" + b"".join(b"q%ch%c\x86" % (k, k) for k in range(60))
TEXT = b"X" + struct.pack("<I", 1 << 20) + b"x" * (1 << 20)
BOMBS = {
    "a key of nested tuples": (b"\x80\x02}" + NESTED + b"K\x01s.", "key of nested tuples"),
    "keys of nested tuples": (b"\x80\x02}(" + NESTED + b"K\x01u.", "key of nested tuples"),
    "a dict of nested tuples": (b"\x80\x02(" + NESTED + b"K\x01d.", "key of nested tuples"),
    "a type of nested tuples": (
        b"\x80\x02cnumpy\ndtype\n" + NESTED + b"\x85R.",
        r"type \(\(\(",
    ),
    "a text encoded again and again": (
        b"\x80\x02("
        + TEXT
        + b"q\x01"
        + b"c_codecs\nencode\nh\x01X\x06\0\0\0latin1\x86R" * 999
        + b"t.",
        "copied again and again",
    ),
    "an array of a text again and again": (
        b"\x80\x02(" + TEXT + b"q\x010cnumpy\ndtype\nX\x02\0\0\0u1\x85Rq\x03"
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x04"
        + b"h\x02h\x04K\0\x85h\x01\x87R(K\x01J\0\0\x10\0\x85h\x03\x89h\x01tb" * 999
        + b"t.",
        "copied again and again",
    ),
}


@pytest.mark.parametrize("data, message", BOMBS.values(), ids=BOMBS)
def test_small_files_that_take_forever_or_all_memory_are_refused(data, message):
    began = time.monotonic()
    with pytest.raises(FileError, match=message):
        read_pickle(data)
    assert time.monotonic() - began < 5
