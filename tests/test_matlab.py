"""MATLAB files as plain values, and what is refused: cuts, damage, and files that unpack to no end."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import io as scipy_io

from videolstm_jax.errors import FileError
from videolstm_jax.safe_readers import matlab


@pytest.fixture(scope="module", params=[True, False], ids=["packed", "plain"])
def whole(tmp_path_factory, request):
    path = tmp_path_factory.mktemp("matlab") / "whole.mat"
    one = {"name": "a/b", "n": np.uint8(7), "rows": np.arange(8, dtype=np.uint16).reshape(2, 4)}
    scipy_io.savemat(
        path,
        {"many": [one, {**one, "name": "c/d"}], "single": one, "none": np.zeros((0, 0))},
        do_compression=request.param,
    )
    return path.read_bytes()


def load(tmp_path, data):
    (tmp_path / "x.mat").write_bytes(data)
    return matlab.read_matlab(str(tmp_path / "x.mat"))


def test_structs_are_dicts_whether_one_or_many(tmp_path, whole):
    found = load(tmp_path, whole)
    many, single = matlab.as_list(found["many"]), matlab.as_list(found["single"])
    assert [matlab.as_text(one["name"]) for one in many] == ["a/b", "c/d"] and len(single) == 1
    assert matlab.as_integer(single[0]["n"]) == 7 and matlab.as_list(found["none"]) == []
    np.testing.assert_array_equal(single[0]["rows"], np.arange(8).reshape(2, 4))
    assert single[0]["rows"].dtype == np.uint16
    for wrong in (np.array([1, 2]), np.array([1.5]), np.array([np.inf]), np.array([np.nan])):
        with pytest.raises(ValueError, match=r"values|whole|unpack"):
            matlab.as_integer(wrong)
    with pytest.raises(ValueError, match="expected text"):
        matlab.as_text(np.array([3]))


def test_every_cut_is_refused(tmp_path, whole):
    ends, at = set(), 128
    while at < len(whole):
        ends.add(
            at
            # a file that ends between two variables lacks the second, which the reader of it will miss
        )
        at += 8 + struct.unpack("<I", whole[at + 4 : at + 8])[0]
    for length in sorted({*range(0, len(whole), 7), len(whole) - 1} - ends):
        with pytest.raises(FileError):
            load(tmp_path, whole[:length])


@settings(max_examples=60)
@given(st.data())
def test_damage_is_read_or_refused(tmp_path_factory, whole, data):
    bad = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(124, len(bad) - 1))] = data.draw(st.integers(0, 255))
    try:
        load(tmp_path_factory.mktemp("damaged"), bytes(bad))
    except FileError as error:
        assert str(error)


def test_a_file_that_unpacks_to_no_end(tmp_path, monkeypatch):
    monkeypatch.setattr(matlab, "_UNPACKED_LIMIT", 1 << 22)
    packed = zlib.compress(bytes(1 << 23))
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    with pytest.raises(FileError, match="unpacks to more than 4 MiB"):
        load(tmp_path, header + struct.pack("<II", 15, len(packed)) + packed)
