"""Files that PyTorch wrote give PyTorch's numbers; files that ask for more are refused, not run."""

import collections
import io
import os
import pathlib
import pickle
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weight_writers import _fake_torch, _FakeStorage, _Pickler, narrow, torch_arrays, write_pth

from videolstm_jax.errors import FileError
from videolstm_jax.safe_readers.torch_file import read_torch

GOLDEN = pathlib.Path(__file__).parent / "golden"
BOTH = pytest.mark.parametrize("form", ["zip", "legacy"])


def _read(data, name="x.pth"):
    return read_torch(io.BytesIO(data), name)


def _zip(pickled, members=(), **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        archive.writestr("a/data.pkl", pickled)
        for name, data in members:
            archive.writestr(f"a/{name}", data)
    return file.getvalue()


def _legacy(*parts, numbers=b""):
    start = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    return (
        b"".join(
            part if isinstance(part, bytes) else pickle.dumps(part, 2) for part in (*start, *parts)
        )
        + numbers
    )


class _View:
    """A tensor with any size and stride over four numbers."""

    def __init__(self, *args):
        self.args = args

    def __reduce__(self):
        import sys

        return sys.modules["torch._utils"]._rebuild_tensor_v2, (
            _FakeStorage("0", 4),
            *self.args,
            False,
            None,
        )


def _view(offset, size, stride):
    file = io.BytesIO()
    with _fake_torch():
        _Pickler(file, 2).dump({"w": _View(offset, size, stride)})
    return _zip(file.getvalue(), [("data/0", np.arange(4, dtype=np.float32).tobytes())])


@BOTH
def test_views_and_types_are_what_pytorch_had(form):
    with (GOLDEN / f"views_{form}.pth").open("rb") as file:
        arrays = read_torch(file, "views")
    with np.load(GOLDEN / "views.npz") as truth:
        assert set(arrays) == set(truth)
        for name in truth:
            assert arrays[name].shape == truth[name].shape
            np.testing.assert_array_equal(
                arrays[name].astype(np.float32), truth[name], err_msg=name
            )
    types = {
        name: str(arrays[name].dtype) for name in ("whole", "half", "double", "bfloat16", "long")
    }
    assert types == {
        "whole": "float32",
        "half": "float16",
        "double": "float64",
        "bfloat16": "float32",
        "long": "int64",
    }


def test_a_whole_network_is_refused_by_the_name_it_asks_for():
    with pytest.raises(
        FileError, match=r"module_zip: asks for torch.nn.modules.linear.Linear, .* not run"
    ):
        _read((GOLDEN / "module_zip.pth").read_bytes(), "module_zip")


class _Does:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


@BOTH
@pytest.mark.parametrize(
    "make_value",
    [
        lambda path: _Does(os.system, f"touch {path}"),
        lambda path: _Does(open, str(path), "w"),
        lambda path: _Does(eval, f"open({str(path)!r}, 'w')"),
        lambda path: _Does(getattr, "os", "system"),
        lambda path: {"a": np.zeros(3)},
        lambda path: _Does(collections.deque),
    ],
)
def test_nothing_that_a_pickle_asks_for_is_run(tmp_path, form, make_value):
    path = tmp_path / "made"
    pickled = pickle.dumps(make_value(path), 2)
    data = _zip(pickled) if form == "zip" else _legacy(pickled, [])
    with pytest.raises(
        FileError, match=r"x.pth: asks for \S+, which plain tensors do not need; it was not run"
    ):
        _read(data)
    assert not path.exists()


@pytest.mark.parametrize(
    "name",
    [
        b"cposix\nsystem\n",
        b"cbuiltins\neval\n",
        b"c__main__\nx\n",
        b"ctorch\nload\n",
        b"\x8c\x0bcollections\x8c\x14OrderedDict.fromkeys\x93",
        b"ccollections\nabc\n",
    ],
)
def test_names_beside_the_allowed_ones_are_refused(name):
    with pytest.raises(FileError, match="asks for"):
        _read(_zip(b"\x80\x04" + name + b"."))


def test_a_pickle_leaves_nothing_behind_in_the_reader():
    # BUILD sets attributes on what it is given: here on the function that stands for PyTorch's
    vandal = (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(N}X\x0c\x00\x00\x00__defaults__K\x01\x85stb."
    )
    with pytest.raises(FileError, match="holds a function"):
        _read(_zip(vandal))
    assert _read((GOLDEN / "views_zip.pth").read_bytes())["whole"].shape == (4, 6)


def test_a_pickle_that_would_fill_the_memory_is_refused():
    with pytest.raises(FileError, match="remembers a value as number 4294967295"):
        _read(_zip(b"\x80\x02}r\xff\xff\xff\xff."))


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ((0, (5,), (1,)), "reaches to number 5 of 4"),
        ((3, (2,), (1,)), "reaches to number 5 of 4"),
        ((0, (2, 2), (3, 1)), "reaches to number 5 of 4"),
        ((0, (2,), (-1,)), "expected whole numbers"),
        ((-1, (2,), (1,)), "expected whole numbers"),
        ((0, (2,), (1, 1)), "expected whole numbers"),
        ((0, (10**6, 10**6), (0, 0)), "but 1 numbers in the file"),
        ((0, (1.5,), (1,)), "expected whole numbers"),
    ],
)
def test_a_view_that_leaves_its_numbers_is_refused(view, message):
    with pytest.raises(FileError, match=f"x.pth: w .*{message}"):
        _read(_view(*view))
    np.testing.assert_array_equal(_read(_view(0, (2, 2), (1, 2)))["w"], [[0, 2], [1, 3]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.pth: cannot be read as tensors"),
        (b"\x89HDF\r\n", "cannot be read as tensors"),
        (_zip(pickle.dumps({})), "holds no tensor"),
        (_zip(pickle.dumps([1])), "holds a list; expected a state_dict"),
        (_zip(pickle.dumps({"a": 3})), "'a' holds no tensor"),
        (_zip(pickle.dumps({}), [("b/data.pkl", b"")]), "a zip with 2 members called data.pkl"),
        (_zip(pickle.dumps({}), [("byteorder", b"big")]), "byte order is big"),
        (_zip(pickle.dumps({}), compression=zipfile.ZIP_DEFLATED), "members are compressed"),
        (
            pickle.dumps(1) + pickle.dumps(2),
            "begins with 1, 2; expected a file that torch.save wrote",
        ),
    ],
)
def test_what_is_no_such_file_is_said(data, message):
    with pytest.raises(FileError, match=message):
        _read(data)


@BOTH
@settings(max_examples=150)
@given(data=st.data())
def test_damage_is_an_error_or_other_numbers_never_anything_else(form, data):
    honest = (GOLDEN / f"narrow_{form}.pth").read_bytes()
    at = data.draw(st.integers(0, len(honest) - 1))
    if data.draw(st.booleans()):
        damaged = honest[:at]
    else:
        damaged = (
            honest[:at]
            + bytes([honest[at] ^ (1 << data.draw(st.integers(0, 7)))])
            + honest[at + 1 :]
        )
    try:
        arrays = _read(damaged)
    except FileError as error:
        assert str(error).startswith("x.pth")
    else:
        assert all(isinstance(array, np.ndarray) for array in arrays.values())


def test_a_zip_notices_flipped_numbers(tmp_path):
    write_pth(tmp_path / "x.pth", torch_arrays(narrow()))
    data = bytearray((tmp_path / "x.pth").read_bytes())
    at = data.index(torch_arrays(narrow())["features.3.weight"].tobytes())
    data[at + 5] ^= 1
    with pytest.raises(FileError, match="Bad CRC-32"):
        _read(bytes(data))


def test_a_legacy_file_that_ends_early(tmp_path):
    honest = (GOLDEN / "narrow_legacy.pth").read_bytes()
    with pytest.raises(FileError, match="ends inside the numbers of a tensor"):
        _read(honest[:-4])
    with pytest.raises(FileError, match=r"x\.pth"):
        _read(_legacy({}, [], numbers=struct.pack("<q", 1 << 60)))


NESTED = b")" + b"".join(b"q%ch%c\x86" % (k, k) for k in range(60))
STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ"


def _tensors(names):
    """A pickle of many tensors, all the same one."""
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\0M\0\x10\x85K\x01\x85\x89NtR"
    items = b"".join(b"X" + struct.pack("<I", 4) + b"%04dh\x09" % k for k in range(names))
    return b"\x80\x02" + tensor + b"q\x090}(" + items + b"u."


BOMBS = {
    "a key of nested tuples": (b"\x80\x02}" + NESTED + b"K\x01s.", "key of nested tuples"),
    "an item of nested tuples": (b"\x80\x04\x8f(" + NESTED + b"\x90.", "key of nested tuples"),
    "a storage of nested tuples": (
        b"\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\n" + NESTED + b"NK\x04tQ.",
        "a storage is called",
    ),
    "dicts of the same items": (
        b"\x80\x02]("
        + b"K\x01K\x02\x86" * 500
        + b"eq\x01(ccollections\nOrderedDict\nq\x02h\x01\x85R"
        + b"h\x02h\x01\x85R" * 500
        + b"t.",
        "again and again",
    ),
    "tensors of a long size": (
        b"\x80\x02ctorch._utils\n_rebuild_tensor\n("
        + STORAGE
        + b"K\0("
        + b"K\x01" * 99
        + b"tK\x01\x85tR.",
        "99 dimensions",
    ),
    "a tensor under many names": (_tensors(999), "too many other tensors"),
}


@pytest.mark.parametrize("pickled, message", BOMBS.values(), ids=BOMBS)
def test_small_files_that_take_forever_or_all_memory_are_refused(pickled, message):
    with pytest.raises(FileError, match=message):
        _read(_zip(pickled, [("data/0", b"\0" * (4 << 12))]))


def test_shared_weights_are_read(tmp_path):
    arrays = _read(_zip(_tensors(16), [("data/0", b"\0" * (4 << 12))]))
    assert len(arrays) == 16 and arrays["0003"].shape == (4096,)
