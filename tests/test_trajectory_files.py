"""Files of trajectories by the published layout: read in every form, refused where damaged."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_textures import translating

from videolstm_jax.errors import FileError
from videolstm_jax.trajectories.dense import improved_trajectories
from videolstm_jax.trajectories.layout import join_trajectories, trajectory_rows, trajectory_width
from videolstm_jax.trajectories.reader import (
    read_trajectories,
    trajectory_blocks,
    trajectory_file,
)
from videolstm_jax.trajectories.writer import write_trajectories


def published_row(r, length, frame):
    """A row as DenseTrackStab prints it: ten numbers, 2L, 96, 108, 96 and 96."""
    information = [frame, 30.5, 20.25, 3.0, 2.0, 40.0, 1.41421, 0.4, 0.999, 0.125]
    displacements = r.normal(0, 0.1, 2 * length).tolist()
    histograms = r.random(96 + 108 + 96 + 96).tolist()
    return information + displacements + histograms


def rows_of(count, length=15, seed=0):
    r = np.random.default_rng(seed)
    return [published_row(r, length, 15 + number // 3) for number in range(count)]


def as_text(rows):
    lines = []
    for row in rows:
        # DenseTrackStab ends every number with a tab.
        lines.append(f"{int(row[0])}\t" + "".join(f"{value:.6f}\t" for value in row[1:]) + "\n")
    return "".join(lines).encode()


def as_binary(rows):
    return b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", [as_text, as_binary])
@pytest.mark.parametrize("length", [15, 5, 20])
def test_every_form_is_read(tmp_path, form, packed, length):
    rows = rows_of(7, length)
    data = form(rows)
    path = tmp_path / "clip.features"
    path.write_bytes(gzip.compress(data) if packed else data)
    loaded = read_trajectories(path, length)
    assert loaded.displacements.shape == (7, 2 * length)
    assert [part.shape[1] for part in loaded[2:]] == [96, 108, 96, 96]
    np.testing.assert_allclose(trajectory_rows(loaded), rows, atol=1e-6)


def test_the_descriptor_has_426_numbers():
    assert trajectory_width(15) == 10 + 426


def test_an_empty_file_has_no_trajectories(tmp_path):
    (tmp_path / "clip.txt").write_bytes(b"")
    assert read_trajectories(tmp_path / "clip.txt").hof.shape == (0, 108)


def test_many_rows_come_in_blocks(tmp_path):
    rows = rows_of(3) * 1500
    (tmp_path / "clip.bin").write_bytes(as_binary(rows))
    blocks = list(trajectory_blocks(tmp_path / "clip.bin"))
    assert [len(block.hog) for block in blocks] == [4096, 404]
    np.testing.assert_array_equal(trajectory_rows(join_trajectories(blocks, 15)), np.float32(rows))


@pytest.mark.parametrize("suffix", [".bin", ".bin.gz", ".txt", ".txt.gz"])
def test_our_own_trajectories_come_back(tmp_path, suffix):
    frames, flow = translating(2, 1)
    path = tmp_path / f"clip{suffix}"
    count = write_trajectories(path, improved_trajectories(frames, flow))
    # The camera follows the texture, so that nothing is left: an empty file is one too.
    assert count == len(read_trajectories(path).hog) == 0
    flow[:, 16:34, 16:34, 1] += 2
    blocks = list(improved_trajectories(frames, flow))
    assert write_trajectories(path, blocks) == len(join_trajectories(blocks, 15).hog) > 0
    np.testing.assert_array_equal(
        trajectory_rows(read_trajectories(path)), trajectory_rows(join_trajectories(blocks, 15))
    )
    before = path.read_bytes()
    write_trajectories(path, blocks)
    assert path.read_bytes() == before


# ---- damage --------------------------------------------------------------------------------------


def refused(tmp_path, data, length=15):
    path = tmp_path / "clip.txt"
    path.write_bytes(data)
    with pytest.raises(FileError) as error:
        read_trajectories(path, length)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


def changed(column, value, row=4):
    rows = rows_of(6)
    rows[row][column] = value
    return rows


@pytest.mark.parametrize(
    "column, value, message",
    [
        (0, 15.5, "5: field 1 (end frame) is 15.5; expected a whole number from 0"),
        (1, -2.0, "5: field 2 (mean x) is -2; expected 0 or more"),
        (6, 0.0, "5: field 7 (scale) is 0; expected more than 0"),
        (8, 1.25, "5: field 9 (relative y) is 1.25; expected 0 to 1"),
        (12, float("nan"), "5: field 13 (trajectory) is nan; expected a finite number"),
        (40, -0.5, "5: field 41 (HOG) is -0.5; expected 0 or more"),
        (140, float("inf"), "5: field 141 (HOF) is inf; expected 0 or more"),
        (435, -1.0, "5: field 436 (MBHy) is -1; expected 0 or more"),
    ],
)
def test_numbers_that_no_trajectory_has(tmp_path, column, value, message):
    rows = changed(column, value)
    assert refused(tmp_path, as_binary(rows)) == f"record {message}"
    if column:
        assert refused(tmp_path, as_text(rows)) == f"line {message}"


def test_lines_that_are_cut_or_no_numbers(tmp_path):
    text = as_text(rows_of(3))
    assert refused(tmp_path, text[:-5]) == "line 3 has no end; the file was cut"
    short = text.replace(b"0.999000\t", b"", 1)
    assert refused(tmp_path, short).startswith("line 1 has 435 fields; expected 436")
    assert refused(tmp_path, text + b"\n").startswith("line 4 has 0 fields")
    wrong = text.replace(b"0.999000", b"0.99e--1", 1)
    expected = "line 1: field 9 (relative y) is b'0.99e--1'; expected a number"
    assert refused(tmp_path, wrong) == expected


def test_another_length_is_named(tmp_path):
    message = refused(tmp_path, as_text(rows_of(2, 20)))
    assert message == (
        "line 1 has 446 fields; expected 436 for trajectories of length 15; so many are of length "
        "20"
    )
    refused(tmp_path, as_binary(rows_of(2, 20)))


def test_records_that_are_cut(tmp_path):
    data = as_binary(rows_of(3))
    assert refused(tmp_path, data[:-4]) == (
        "record 3 ends after 1740 bytes; expected 1744, 436 float32 for trajectories of length 15"
    )
    # Numbers of the other byte order are no frame numbers.
    swapped = np.frombuffer(data, "<f4").astype(">f4").tobytes()
    assert "end frame" in refused(tmp_path, swapped)


def test_a_packed_file_that_is_damaged(tmp_path):
    packed = gzip.compress(as_binary(rows_of(20)))
    for data in (packed[:-30], packed[:-1], packed[:40] + b"\0" * 20 + packed[60:]):
        assert "damaged, cannot be unpacked" in refused(tmp_path, data)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError, match=r"clip\.bin is missing"):
        read_trajectories(tmp_path / "clip.bin")


def test_the_file_of_a_video_is_found_by_its_name(tmp_path):
    (tmp_path / "Wave").mkdir()
    with pytest.raises(FileError, match=r"Wave/p1 there is none; expected one file"):
        trajectory_file(tmp_path, "Wave/p1")
    (tmp_path / "Wave" / "p1.features.gz").write_bytes(b"")
    assert trajectory_file(tmp_path, "Wave/p1").name == "p1.features.gz"
    (tmp_path / "Wave" / "p1.txt").write_bytes(b"")
    with pytest.raises(FileError, match=r"p1\.txt, p1\.features\.gz"):
        trajectory_file(tmp_path, "Wave/p1")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_bytes_are_refused_or_read_as_rows(tmp_path_factory, data):
    form = data.draw(st.sampled_from([as_text, as_binary, lambda r: gzip.compress(as_text(r))]))
    content = bytearray(form(rows_of(2, 1)))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    path = tmp_path_factory.mktemp("damaged") / "clip"
    path.write_bytes(bytes(content))
    try:
        loaded = read_trajectories(path, 1)
    except FileError as error:
        assert str(error).startswith(str(path))
    else:
        assert len(loaded.hog) <= 2 and np.isfinite(trajectory_rows(loaded)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 5), st.booleans(), st.integers(0, 2**32 - 1))
def test_rows_of_any_length_come_back(tmp_path_factory, length, count, is_text, seed):
    rows = rows_of(count, length, seed)
    path = tmp_path_factory.mktemp("rows") / "clip"
    path.write_bytes(as_text(rows) if is_text else as_binary(rows))
    loaded = trajectory_rows(read_trajectories(path, length))
    assert loaded.shape == (count, trajectory_width(length))
    if count:
        np.testing.assert_allclose(loaded, rows, atol=1e-6)
