"""MATLAB files as plain values; cuts, damage, and files that unpack without end are refused."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import io as scipy_io

from videolstm_jax.errors import FileError
from videolstm_jax.safe_readers import matlab, matlab_elements


@pytest.fixture(scope="module", params=[True, False], ids=["packed", "plain"])
def complete_file(tmp_path_factory, request):
    path = tmp_path_factory.mktemp("matlab") / "whole.mat"
    entry = {"name": "a/b", "n": np.uint8(7), "rows": np.arange(8, dtype=np.uint16).reshape(2, 4)}
    scipy_io.savemat(
        path,
        {"many": [entry, {**entry, "name": "c/d"}], "single": entry, "none": np.zeros((0, 0))},
        do_compression=request.param,
    )
    return path.read_bytes()


def load(tmp_path, data):
    (tmp_path / "x.mat").write_bytes(data)
    return matlab.read_matlab(str(tmp_path / "x.mat"))


def test_structs_are_dicts_whether_one_or_many(tmp_path, complete_file):
    variables = load(tmp_path, complete_file)
    many, single = matlab.matlab_list(variables["many"]), matlab.matlab_list(variables["single"])
    assert [matlab.matlab_string(entry["name"]) for entry in many] == ["a/b", "c/d"] and len(
        single
    ) == 1
    assert (
        matlab.matlab_integer(single[0]["n"]) == 7 and matlab.matlab_list(variables["none"]) == []
    )
    np.testing.assert_array_equal(single[0]["rows"], np.arange(8).reshape(2, 4))
    assert single[0]["rows"].dtype == np.uint16
    for wrong in (np.array([1, 2]), np.array([1.5]), np.array([np.inf]), np.array([np.nan])):
        with pytest.raises(ValueError, match=r"values|whole|unpack"):
            matlab.matlab_integer(wrong)
    with pytest.raises(ValueError, match="expected text"):
        matlab.matlab_string(np.array([3]))


def test_every_cut_is_refused(tmp_path, complete_file):
    ends, at = set(), 128
    while at < len(complete_file):
        ends.add(
            at  # a file that ends between two variables is complete; whoever reads it misses one
        )
        at += 8 + struct.unpack("<I", complete_file[at + 4 : at + 8])[0]
    for length in sorted({*range(0, len(complete_file), 7), len(complete_file) - 1} - ends):
        with pytest.raises(FileError):
            load(tmp_path, complete_file[:length])


@settings(max_examples=60)
@given(st.data())
def test_damage_is_read_or_refused(tmp_path_factory, complete_file, data):
    bad = bytearray(complete_file)
    for _ in range(data.draw(st.integers(1, 3))):
        bad[data.draw(st.integers(124, len(bad) - 1))] = data.draw(st.integers(0, 255))
    try:
        load(tmp_path_factory.mktemp("damaged"), bytes(bad))
    except FileError as error:
        assert str(error)


def test_a_file_that_unpacks_to_no_end(tmp_path, monkeypatch):
    monkeypatch.setattr(matlab_elements, "_UNPACKED_LIMIT", 1 << 22)
    packed = zlib.compress(bytes(1 << 23))
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    with pytest.raises(FileError, match="unpacks to more than 4 MiB"):
        load(tmp_path, header + struct.pack("<II", 15, len(packed)) + packed)
