"""Flow files: what is written is read back, any range of it, and damage is named."""

import io
import struct
import subprocess
import tracemalloc
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_films import smooth

from videolstm_jax.errors import FileError
from videolstm_jax.flow_images import flow_file


def flow(pairs=7, height=20, width=30):
    return smooth(pairs, height, width)[..., :2]


@settings(max_examples=15, deadline=None)
@given(pairs=st.integers(1, 6), height=st.integers(1, 9), width=st.integers(1, 9), data=st.data())
def test_png_is_lossless_over_any_range(tmp_path_factory, pairs, height, width, data):
    path = tmp_path_factory.mktemp("flow") / "Class" / "clip.zip"
    images = np.random.default_rng(pairs).integers(0, 256, (pairs, height, width, 2), np.uint8)
    flow_file.write_flow(path, images, "png", note="made here")
    start = data.draw(st.integers(0, pairs - 1))
    stop = data.draw(st.integers(start + 1, pairs))
    np.testing.assert_array_equal(flow_file.read_flow(path), images)
    np.testing.assert_array_equal(flow_file.read_flow(path, start, stop), images[start:stop])
    assert flow_file.read_flow(path, start, start).shape[0] == 0
    assert flow_file.describe_flow(path) == (pairs, "made here")


def test_jpeg_is_pillows_at_95(tmp_path):
    images = flow()
    flow_file.write_flow(tmp_path / "a.zip", images, "jpeg")
    stored = flow_file.read_flow(tmp_path / "a.zip")
    assert np.abs(stored.astype(int) - images).mean() < 1
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        assert file.namelist()[:3] == ["flow_x_0001.jpg", "flow_y_0001.jpg", "flow_x_0002.jpg"]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in file.infolist())
        expected = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(images[2, ..., 1])).save(expected, "JPEG", quality=95)
        assert file.read("flow_y_0003.jpg") == expected.getvalue()


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_same_bytes(tmp_path, kind):
    for name in ("a.zip", "b.zip"):
        flow_file.write_flow(tmp_path / name, flow(), kind)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_any_cut_or_overwritten_file_is_refused(tmp_path):
    flow_file.write_flow(tmp_path / "a.zip", flow(), "png")
    data = (tmp_path / "a.zip").read_bytes()
    good = flow_file.read_flow(tmp_path / "a.zip")
    random = np.random.default_rng(0)
    for k in range(40):
        if k % 2:
            broken = data[: random.integers(0, len(data))]
        else:
            at = random.integers(0, len(data) - 30)
            broken = data[:at] + random.bytes(20) + data[at + 20 :]
        (tmp_path / "b.zip").write_bytes(broken)
        try:
            np.testing.assert_array_equal(
                flow_file.read_flow(tmp_path / "b.zip"), good
            )  # a date, say, was overwritten
        except FileError as error:
            assert "b.zip" in str(error)


def test_any_flipped_bit_is_an_error_of_ours(tmp_path):
    """Flipped bits ask zipfile for other methods, versions and passwords, each with an error."""
    flow_file.write_flow(tmp_path / "a.zip", flow(1, 4, 5), "png", note="note")
    data = (tmp_path / "a.zip").read_bytes()
    refused = 0
    for at in range(data.index(b"PK\x01\x02"), len(data)):
        for bit in range(8):
            (tmp_path / "b.zip").write_bytes(
                data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            )
            try:
                flow_file.describe_flow(tmp_path / "b.zip")
            except FileError as error:
                refused += "b.zip" in str(error)
    assert refused > 100
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(FileError, match=r"damaged, .*; remove it and run the stage prepare again"):
        flow_file.read_flow(tmp_path / "b.zip")


def test_missing_members_and_ranges(tmp_path):
    with pytest.raises(FileError, match=r"a\.zip is missing; the stage prepare"):
        flow_file.read_flow(tmp_path / "a.zip")
    flow_file.write_flow(tmp_path / "a.zip", flow(3), "png")
    for start, stop in ((0, 4), (-1, 2), (2, 1)):
        with pytest.raises(FileError, match=rf"asked for pairs {start} to {stop}; it has 3"):
            flow_file.read_flow(tmp_path / "a.zip", start, stop)
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        members = {name: file.read(name) for name in file.namelist()}
    members.pop("flow_x_0002.png")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    for reads in (flow_file.read_flow, flow_file.describe_flow):
        with pytest.raises(FileError, match="out of place"):
            reads(tmp_path / "b.zip")


def test_pictures_of_two_sizes(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name, side in (("flow_x_0001.png", 4), ("flow_y_0001.png", 5)):
            picture = io.BytesIO()
            Image.new("L", (side, side)).save(picture, "PNG")
            file.writestr(name, picture.getvalue())
    with pytest.raises(FileError, match="expected one size"):
        flow_file.read_flow(tmp_path / "a.zip")


@pytest.mark.parametrize(
    "images, kind, message",
    [
        (np.zeros((2, 3, 3, 3), np.uint8), "png", r"expected uint8 \[L-1, H, W, 2\]"),
        (np.zeros((2, 3, 3, 2), np.float32), "png", "float32"),
        (np.zeros((0, 3, 3, 2), np.uint8), "png", "expected"),
        (np.zeros((2, 3, 3, 2), np.uint8), "gif", "expected one of jpeg, png"),
    ],
)
def test_refused(tmp_path, images, kind, message):
    with pytest.raises(FileError, match=message):
        flow_file.write_flow(tmp_path / "a.zip", images, kind)
    assert not list(tmp_path.iterdir())


def declared_png(width, height):
    """A PNG of a few bytes whose header declares a size."""

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data)


HOSTILE = {
    "another format": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 0, "cannot identify"),
    "a huge picture": (declared_png(60000, 60000), 0, "60000|3600000000 pixels"),
    "a large picture": (declared_png(9000, 9000), 0, r"9000 x 9000 pixels, too many for flow"),
    "a huge member": (b"\0" * (1 << 28), zipfile.ZIP_DEFLATED, "expected at most 134217728"),
    "a packed member": (b"\0" * (1 << 20), zipfile.ZIP_LZMA, "packed by method 14"),
}


@pytest.mark.parametrize("data, packing, message", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pictures_are_one_error_and_take_no_memory(
    tmp_path, monkeypatch, data, packing, message
):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", packing) as file:
        for direction in "xy":
            file.writestr(f"flow_{direction}_0001.png", data)
    del data

    def started(*_, **__):
        raise AssertionError("another program was started")

    monkeypatch.setattr(subprocess, "Popen", started)
    tracemalloc.start()
    try:
        with pytest.raises(FileError, match=message) as error:
            flow_file.read_flow(tmp_path / "a.zip")
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()
    assert str(error.value).startswith(f"{tmp_path / 'a.zip'}: ")


def test_a_member_that_is_larger_than_the_zip_says(tmp_path):
    picture = io.BytesIO()
    Image.new("L", (300, 300)).save(picture, "PNG")
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for direction in "xy":
            file.writestr(f"flow_{direction}_0001.png", picture.getvalue() + b"\0" * 9_000_000)
    size = struct.pack("<I", len(picture.getvalue()) + 9_000_000)
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace(size, struct.pack("<I", 100)))
    with pytest.raises(FileError, match=r"a\.zip: "):
        flow_file.read_flow(tmp_path / "a.zip")


def test_all_pictures_of_a_range_are_bounded(tmp_path, monkeypatch):
    flow_file.write_flow(tmp_path / "a.zip", flow(4, 20, 30), "png")
    monkeypatch.setattr(flow_file, "_MOST_BYTES_OF_RANGE", 5 * 20 * 30)
    assert len(flow_file.read_flow(tmp_path / "a.zip", 0, 2)) == 2
    with pytest.raises(FileError, match=r"flow_y_0003\.png has 30 x 20 pixels, too many"):
        flow_file.read_flow(tmp_path / "a.zip")
