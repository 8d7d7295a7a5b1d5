"""`tvl1_edges`: an oracle, the benchmarks' copy, known motion, and its steps one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tvl1_oracle
from scipy import ndimage

from benchmarks import changed_tvl1
from benchmarks.known_motion import FIELDS, HEIGHT, WIDTH, known_motion
from videolstm_jax.flow import batched
from videolstm_jax.flow.edges import tvl1_blurred, tvl1_edge_penalty, tvl1_gradient
from videolstm_jax.flow.tvl1 import tvl1
from videolstm_jax.flow.tvl1_settings import TVL1_EDGES, TVL1Settings


@pytest.fixture(scope="module")
def pair():
    """Two pictures [20, 28] uint8: an object with a texture moves over another texture."""
    rng = np.random.default_rng(2)
    behind, object_ = ndimage.gaussian_filter(rng.normal(size=(2, 20, 28)), (0, 1.5, 1.5))
    pictures = []
    for x in (6, 8):
        picture = 90 + 150 * behind
        picture[5:15, x : x + 12] = 170 + 150 * object_[5:15, 6:18]
        pictures.append(picture)
    return np.uint8(np.round(np.clip(np.stack(pictures), 0, 255)))


@pytest.fixture(scope="module")
def known():
    """Name -> (first [2, H, W], second [2, H, W], truth, our flow), of two textures."""
    pairs = {name: [known_motion(field, seed) for seed in (0, 1)] for name, field in FIELDS.items()}
    first, second, truth = (
        np.concatenate([[pair[k] for pair in two] for two in pairs.values()]) for k in range(3)
    )
    flow = batched.tvl1_edges_of_arrays(first, second)
    by_name = {}
    for k, name in enumerate(pairs):
        rows = slice(2 * k, 2 * k + 2)
        by_name[name] = first[rows], second[rows], truth[rows], flow[rows]
    assert flow.shape == (2 * len(pairs), HEIGHT, WIDTH, 2)
    return by_name


def endpoint_error(flow, truth):
    return np.linalg.norm(np.asarray(flow) - truth, axis=-1).mean()


def edges_flow(pair, settings=TVL1_EDGES):
    first, second = pair
    return np.asarray(tvl1(first[None], second[None], settings=settings))[0]


@pytest.mark.parametrize("base", [TVL1_EDGES, TVL1Settings()], ids=["tvl1_edges", "tvl1"])
def test_it_is_the_oracles(pair, base):
    """Few warps: rounding of the flow moves the place at which the next warp samples."""
    settings = base._replace(warps=2, iterations=8)
    expected = tvl1_oracle.flow(*pair, settings)
    np.testing.assert_allclose(edges_flow(pair, settings), expected, atol=1e-3)


def test_it_is_that_of_the_copy_in_the_benchmarks(pair):
    expected = changed_tvl1.changed_flow(*pair, changed_tvl1.EDGES)
    np.testing.assert_allclose(edges_flow(pair), expected, atol=1e-3)


@pytest.mark.parametrize(
    "step",
    [
        {"weight": 0.15},
        {"weight_factor": 1.0},
        {"blur": 0.0},
        {"five_points": False},
        {"first_share": 0.0},
        {"edge_rate": 0.0},
    ],
    ids=str,
)
def test_each_step_changes_the_flow(pair, step):
    quick = TVL1_EDGES._replace(warps=1, iterations=8)
    change = edges_flow(pair, quick._replace(**step)) - edges_flow(pair, quick)
    assert np.abs(change).max() > 1e-2


def test_the_object_is_sharper_than_with_tvl1(pair):
    """It moves by two pixels, the rest does not."""
    truth = np.zeros((20, 28, 2))
    truth[5:15, 6:18, 0] = 2
    default = edges_flow(pair, TVL1Settings())
    assert endpoint_error(edges_flow(pair), truth) < endpoint_error(default, truth)


@pytest.mark.parametrize(
    "name, most", list(zip(FIELDS, (0.02, 0.02, 0.01, 0.04, 0.05, 0.03), strict=True))
)
def test_known_motion(known, name, most):
    """The limits are those of the default method."""
    *_, truth, flow = known[name]
    assert endpoint_error(flow, truth) < most


@pytest.mark.parametrize("name", FIELDS)
def test_no_worse_than_opencv_and_skimage(known, name):
    cv2, registration = pytest.importorskip("cv2"), pytest.importorskip("skimage.registration")
    first, second, truth, flow = known[name]
    ours = endpoint_error(flow, truth)
    rival = []
    for a, b in zip(first, second, strict=True):
        v, u = registration.optical_flow_tvl1(a / 255, b / 255)
        rival.append(np.stack([u, v], -1))
    assert ours <= endpoint_error(np.stack(rival), truth)
    # Where two halves move apart OpenCV is nearer: docs/experiments/flow_truth.md.
    if hasattr(cv2, "optflow") and name != "two halves":
        method = cv2.optflow.DualTVL1OpticalFlow_create()
        rival = [method.calc(a, b, None) for a, b in zip(first, second, strict=True)]
        assert ours <= endpoint_error(np.stack(rival), truth)


def test_a_pair_alone_is_the_pair_among_others():
    """To the bit, as with the default, so that a stream sees what was stored."""
    if jax.default_backend() != "cpu":
        pytest.skip("accelerators work on all pairs at once")
    frames = np.random.default_rng(4).integers(0, 256, (4, 48, 64)).astype(np.uint8)
    quick = TVL1_EDGES._replace(iterations=3, warps=1)
    together = np.asarray(tvl1(frames[:-1], frames[1:], settings=quick))
    for t in range(3):
        np.testing.assert_array_equal(edges_flow(frames[t : t + 2], quick), together[t])


def test_still_and_flat_frames():
    still = np.stack([np.zeros((14, 20)), np.full((14, 20), 255)]).astype(np.uint8)
    quick = TVL1_EDGES._replace(iterations=3, warps=2)
    np.testing.assert_array_equal(tvl1(still, still, settings=quick), np.zeros((2, 14, 20, 2)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (17, 16)])
def test_any_size_goes(shape):
    frames = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    flow = edges_flow(frames, TVL1_EDGES._replace(iterations=3, warps=2))
    assert flow.shape == (*shape, 2) and np.isfinite(flow).all()


def test_gradient_of_five_points_is_exact_for_cubics():
    y, x = np.mgrid[0:9, 0:11] / 4
    picture = jnp.asarray((x**3 - 2 * x * y + y**3)[None], jnp.float32)
    gradient = np.asarray(tvl1_gradient(picture, five_points=True))[0, 2:-2, 2:-2]
    expected = np.stack([3 * x**2 - 2 * y, 3 * y**2 - 2 * x], -1)[2:-2, 2:-2] / 4
    np.testing.assert_allclose(gradient, expected, atol=1e-4)


def test_penalty_at_a_step():
    """1 away from the edge, the smallest at a step from black to white."""
    picture = np.zeros((1, 8, 16), np.float32)
    picture[..., 8:] = 255
    penalty = np.asarray(tvl1_edge_penalty(jnp.asarray(picture), 5.0))
    np.testing.assert_allclose(penalty[..., [0, 1, 14, 15]], 1)
    # The gradient of the step is about half of 255 a pixel: exp(-5 * .5^.8) is .06.
    assert (penalty[..., 7:9] < 0.1).all() and penalty.min() >= 0.05


def test_blur_keeps_a_flat_picture_and_spreads_a_dot():
    picture = np.full((1, 5, 6), 7, np.float32)
    np.testing.assert_allclose(tvl1_blurred(jnp.asarray(picture), 0.1), picture, rtol=1e-6)
    dot = np.zeros((1, 5, 6), np.float32)
    dot[0, 2, 3] = 1
    expected = np.outer([0, 0.1, 0.8, 0.1, 0], [0, 0, 0.1, 0.8, 0.1, 0])[None]
    np.testing.assert_allclose(tvl1_blurred(jnp.asarray(dot), 0.1), expected, atol=1e-6)
