"""Readers of true flow, on files that the test writes by hand, and the errors of flow."""

import json
import pathlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from benchmarks import flow_pairs, flow_truth, record

ROOT = pathlib.Path(record.__file__).parents[1]
FLOW = np.float32([[[0.5, -2.0], [3.0, 0.25]], [[-1.5, 4.0], [0.0, 0.0]], [[7.0, 1.0], [2.0, 2.0]]])


def write_flo(path, flow):
    """Middlebury's layout: PIEH, width, height, then u and v of each pixel."""
    height, width = flow.shape[:2]
    path.write_bytes(b"PIEH" + struct.pack("<ii", width, height) + flow.astype("<f4").tobytes())
    return path


def png_chunk(kind, content):
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def write_png(path, channels):
    """A PNG of 16-bit RGB without a filter, from the format's own description."""
    height, width = channels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in channels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks))
    return path


def kitti(flow, valid):
    return np.concatenate([np.round(flow * 64 + 32768), valid[..., None]], -1)


def test_flo(tmp_path):
    flow = FLOW.copy()
    flow[0, 1] = 1e10  # Middlebury's mark of an unknown flow
    flow[2, 0, 1] = np.nan
    truth = flow_pairs.read_truth(write_flo(tmp_path / "flow.flo", flow))
    np.testing.assert_array_equal(truth.flow, flow)
    np.testing.assert_array_equal(truth.valid, [[True, False], [True, True], [False, True]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: b"HEIP" + content[4:], "does not begin with PIEH"),
        (lambda content: content[:9], "does not begin with PIEH"),
        (lambda content: content[:-1], "has 59 bytes; a .flo file of 2x3 pixels has 60"),
        (lambda content: content + b"\0", "has 61 bytes"),
        (lambda content: content[:8] + struct.pack("<i", -3) + content[12:], "of 2x-3 pixels"),
    ],
)
def test_damaged_flo(tmp_path, change, message):
    path = write_flo(tmp_path / "flow.flo", FLOW)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        flow_pairs.read_flo(path)


def test_kitti(tmp_path):
    """All 16 bits arrive: Pillow would give 8."""
    valid = np.array([[1, 0], [1, 1], [0, 1]])
    flow = FLOW + np.float32(1 / 64)
    truth = flow_pairs.read_truth(write_png(tmp_path / "flow.png", kitti(flow, valid)))
    np.testing.assert_array_equal(truth.flow, flow)
    np.testing.assert_array_equal(truth.valid, valid > 0)


def test_a_picture_of_bytes_is_no_kitti_flow(tmp_path):
    Image.fromarray(np.zeros((3, 2, 3), np.uint8)).save(tmp_path / "flow.png")
    with pytest.raises(ValueError, match="pixels of kind rgb24"):
        flow_pairs.read_kitti(tmp_path / "flow.png")


def test_visible_pixels(tmp_path):
    pair = flow_pairs.FlowFiles("a.png", "b.png", "flow.flo", "occlusions.png")
    flow = FLOW.copy()
    flow[0, 0] = 1e10
    truth = flow_pairs.read_truth(write_flo(tmp_path / pair.truth, flow))
    hidden = np.uint8([[0, 255], [0, 0], [255, 0]])
    Image.fromarray(hidden).save(tmp_path / pair.occlusions)
    visible = flow_pairs.visible(tmp_path, pair, truth)
    np.testing.assert_array_equal(visible, [[False, False], [True, True], [False, True]])
    assert flow_pairs.visible(tmp_path, pair._replace(occlusions=""), truth) is None
    # KITTI: a second flow that is valid at visible pixels only.
    pair = flow_pairs.FlowFiles("a.png", "b.png", "occ.png", "noc.png")
    write_png(tmp_path / "noc.png", kitti(FLOW, hidden == 0))
    np.testing.assert_array_equal(flow_pairs.visible(tmp_path, pair, truth), hidden == 0)


def test_errors_are_those_of_valid_pixels():
    truth = flow_pairs.TrueFlow(np.zeros((1, 4, 2), np.float32), np.array([[1, 1, 1, 0]]) > 0)
    flow = np.float32([[[3, 4], [0, 3], [0, 0], [90, 0]]])
    visible = np.array([[False, True, True, False]])
    figures = flow_truth.errors(flow, truth, visible)
    # An error of exactly 3 pixels is not above 3.
    assert figures == {"mean": 2.6667, "median": 3, "above_3": 0.3333, "mean_visible": 1.5}
    assert "mean_visible" not in flow_truth.errors(flow, truth, None)


def test_table():
    ours = {"mean": 0.25, "median": 0.1, "above_3": 0.0125, "processor_seconds": 0.5}
    rival = {"mean": 0.5, "median": 0.2, "above_3": 0, "mean_visible": 1, "processor_seconds": 2}
    rows = flow_truth.table({"a pair": {flow_truth.OURS: ours, "rival": rival}}).splitlines()
    assert rows[2] == "| a pair | tvl1 | **0.250** | 0.100 | 1.2 % | - | 0.50 | 1.0 |"
    assert rows[3] == "| a pair | rival | 0.500 | 0.200 | 0.0 % | 1.000 | 2.00 | 4.0 |"


def test_the_page_shows_the_figures_of_the_file():
    figures = json.loads((record.RESULTS / "flow_truth_cpu.json").read_text())
    assert list(figures["pairs"]) == list(flow_pairs.PAIRS)
    page = (ROOT / "docs" / "experiments" / "flow_truth.md").read_text()
    assert flow_truth.table(figures["pairs"]) in page


def test_tvl1_edges_is_the_nearest_on_every_pair():
    """As the pages say: docs/videos.md, docs/decisions.md and the CHANGELOG."""
    figures = json.loads((record.RESULTS / "flow_truth_cpu.json").read_text())
    for methods in figures["pairs"].values():
        means = {name: errors["mean"] for name, errors in methods.items()}
        assert min(means, key=means.get) == "tvl1_edges" and len(means) == 4


def test_real_pairs(real_data):
    folder = real_data / "flow_truth"
    if not folder.is_dir():
        pytest.skip(f"no pairs with true flow at {folder}")
    # The errors of no motion, which the data's own description gives.
    still = (2.982, 2.982, 9.028, 2.992, 5.996, 2.058, 1.256)
    for pair, expected in zip(flow_pairs.PAIRS.values(), still, strict=True):
        first, second = (flow_pairs.read_grey(folder / path) for path in (pair.first, pair.second))
        truth = flow_pairs.read_truth(folder / pair.truth)
        visible = flow_pairs.visible(folder, pair, truth)
        assert first.shape == second.shape == truth.valid.shape
        figures = flow_truth.errors(np.zeros_like(truth.flow), truth, visible)
        assert figures["mean"] == pytest.approx(expected, abs=2e-3)
        if visible is not None:
            assert not (visible & ~truth.valid).any() and 0 < visible.sum() < truth.valid.sum()


@pytest.mark.slow
def test_our_flow_on_a_real_pair(real_data):
    """Where the truth is known, it is nearer than OpenCV's DualTVL1, which is off by 0.697."""
    folder = real_data / "flow_truth"
    if not folder.is_dir():
        pytest.skip(f"no pairs with true flow at {folder}")
    pair = flow_pairs.PAIRS["Sintel alley_1 clean"]
    flow = flow_truth.our_flow(
        flow_pairs.read_grey(folder / pair.first), flow_pairs.read_grey(folder / pair.second)
    )
    truth = flow_pairs.read_truth(folder / pair.truth)
    assert flow_truth.errors(flow, truth, None)["mean"] < 0.26
