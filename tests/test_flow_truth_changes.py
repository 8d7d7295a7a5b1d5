"""The copy of TV-L1 with other constants, and the table of their effect."""

import json
import pathlib

import numpy as np
import pytest
from scipy import ndimage

from benchmarks import changed_tvl1, flow_truth_changes, record
from benchmarks.changed_tvl1 import EDGES, Changes
from videolstm_jax.flow.tvl1 import tvl1


@pytest.fixture(scope="module")
def pair():
    """Two noisy pictures [24, 32] uint8 of a texture that moves by one pixel to the right."""
    rng = np.random.default_rng(0)
    texture = ndimage.gaussian_filter(rng.normal(size=(24, 33)), 1.5)
    texture = 20 + (texture - texture.min()) / np.ptp(texture) * 215
    # Without noise every variant finds the same motion.
    pictures = np.stack([texture[:, 1:], texture[:, :-1]])
    return np.uint8(np.round(np.clip(pictures + rng.normal(size=pictures.shape) * 3, 0, 255)))


def test_without_changes_it_is_the_packages(pair):
    first, second = pair
    ours = np.asarray(tvl1(first[None], second[None]))[0]
    np.testing.assert_allclose(changed_tvl1.changed_flow(first, second, Changes()), ours, atol=1e-3)


# All but the last share one compiled program.
@pytest.mark.parametrize(
    "changes",
    [
        EDGES,
        Changes(weights=changed_tvl1.falling(0.07, 1)),
        Changes(slack=0.1),
        Changes(warps=2),
        Changes(iterations=5),
        Changes(five_points=True),
        Changes(first_share=0.5),
        Changes(edge_rate=5.0),
        Changes(blur=0.1),
        Changes(texture=0.95),
    ],
    ids=str,
)
def test_each_change_changes_the_flow_and_keeps_the_motion(pair, changes):
    default = changed_tvl1.changed_flow(*pair, Changes())
    flow = changed_tvl1.changed_flow(*pair, changes)
    assert np.abs(flow - default).max() > 1e-3
    np.testing.assert_allclose(np.median(flow, (0, 1)), (1, 0), atol=0.2)


def test_lambda_falls_from_fine_to_coarse():
    expected = (0.2, 0.16, 0.128, 0.1024, 0.08192)
    np.testing.assert_allclose(EDGES.weights, expected)


def test_structure_of_a_flat_picture_with_a_dot():
    """The smooth part goes, the dot stays the brightest."""
    y, x = np.mgrid[0:24, 0:32]
    ramp = np.float32(4 * x + 2 * y)
    pictures = np.stack([ramp, ramp])
    pictures[:, 12, 8] += 30
    texture = np.asarray(changed_tvl1.without_structure(pictures, 1.0))
    assert texture.min() == 0 and texture.max() == pytest.approx(255)
    assert (texture.reshape(2, -1).argmax(1) == 12 * 32 + 8).all()


def test_figures_above_the_defaults_are_bold():
    figures = {"default": {"a": 0.25, "b": 0.5}, "other": {"a": 0.26, "b": 0.5}}
    assert flow_truth_changes.table(figures, 2).splitlines() == [
        "| constants | a | b |",
        "|---|---|---|",
        "| default | 0.25 | 0.50 |",
        "| other | **0.26** | 0.50 |",
    ]


def test_the_page_shows_the_figures_of_the_file():
    figures = json.loads((record.RESULTS / "flow_truth_changes_cpu.json").read_text())
    assert list(figures["pairs"]) == list(flow_truth_changes.VARIANTS)
    root = pathlib.Path(record.__file__).parents[1]
    page = (root / "docs" / "experiments" / "flow_truth.md").read_text()
    assert flow_truth_changes.table(figures["pairs"], 3) in page
    assert flow_truth_changes.table(figures["drawn"], 4) in page
