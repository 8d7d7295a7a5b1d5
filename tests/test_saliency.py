"""Saliency equals SciPy's zoom and Gaussian, for maps and videos of any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.saliency import saliency, saliency_upscale_matrix


def maps(seed: int, frames: int = 3, cells: int = 7) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.full(cells * cells, 0.3), size=frames).reshape(
        frames, cells, cells
    )


def scipy_chain(attention: np.ndarray, size: tuple[int, int], sigma: float) -> np.ndarray:
    """The rival: one map through zoom and Gaussian, in float64, not yet scaled."""
    factors = [side / cells for side, cells in zip(size, attention.shape, strict=True)]
    zoomed = ndimage.zoom(attention, factors, order=1, grid_mode=True, mode="grid-mirror")
    return ndimage.gaussian_filter(zoomed, [sigma * side / 224 for side in size])


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 9),
    st.integers(9, 90),
    st.integers(9, 90),
    st.sampled_from([0, 3, 20]),
)
def test_equals_scipy(seed, cells, height, width, sigma):
    attention = maps(seed, 1, cells)
    expected = scipy_chain(attention[0], (height, width), sigma)
    result = saliency(attention, (height, width), settings=LocalizeConfig(sigma=sigma))[0]
    np.testing.assert_allclose(result, expected * 255 / expected.max(), atol=2e-4)


def test_each_frame_or_the_video_peaks_at_255():
    attention = maps(0, 4)
    attention[1] *= 0.25
    by_frame = saliency(attention, (60, 80))
    assert (by_frame.max(axis=(1, 2)) == 255).all()
    by_video = saliency(attention, (60, 80), settings=LocalizeConfig(normalise="video"))
    assert by_video.max() == 255
    assert (by_video.max(axis=(1, 2)) == 255).sum() == 1
    np.testing.assert_allclose(by_video[1] / by_video[1].max(), by_frame[1] / 255, rtol=1e-5)


def test_one_cell_lands_on_its_own_pixels_on_both_axes():
    attention = np.zeros((1, 7, 7))
    attention[0, 2, 5] = 1
    result = saliency(attention, (70, 210), settings=LocalizeConfig(sigma=0.0))[0]
    y, x = np.unravel_index(result.argmax(), result.shape)
    assert (
        abs(y + 0.5 - 25) <= 1 and abs(x + 0.5 - 165) <= 1
    )  # the centre of cell (2, 5) of 10 x 30 pixels
    held = np.zeros((1, 7, 7))
    held[0, 0, 0] = 1
    np.testing.assert_array_equal(
        saliency(held, (70, 210), settings=LocalizeConfig(sigma=0.0))[0, :5, :15], 255
    )  # beyond the outer centres


@pytest.mark.parametrize("value", [1 / 49, 1.0])
def test_a_constant_map_stays_constant(value):
    np.testing.assert_allclose(saliency(np.full((1, 7, 7), value), (240, 320)), 255, rtol=1e-5)


def test_zeros_stay_zeros():
    assert not saliency(np.zeros((2, 7, 7)), (24, 32)).any()


def test_rows_of_the_matrix_sum_to_one_and_are_kept():
    matrix = saliency_upscale_matrix(7, 240, 20.0)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, rtol=1e-6)
    assert saliency_upscale_matrix(7, 240, 20.0) is matrix
    assert not matrix.flags.writeable


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((7, 7)),
        np.zeros((2, 7, 6)),
        np.full((1, 7, 7), np.nan),
        np.full((1, 7, 7), -1.0),
        np.zeros((0, 7, 7)),
    ],
)
def test_refuses(bad):
    with pytest.raises(ValueError, match="attention has"):
        saliency(bad, (24, 32))
