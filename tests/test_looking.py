"""Where attention looks, on maps whose numbers are known."""

import numpy as np
import pytest

from videolstm_jax.measure.looking import looking, mass_inside, together, warning, whole_frames
from videolstm_jax.types import Tube


def peaks(*cells, side=7):
    return np.eye(side * side)[list(cells)].reshape(len(cells), side, side)


def test_uniform_and_peaked_maps():
    flat = looking(np.full((3, 7, 7), 1 / 49))
    assert (flat.entropy, flat.peak, flat.motion) == (pytest.approx(1), pytest.approx(1 / 49), pytest.approx(0))
    still = looking(peaks(5, 5))
    assert (still.entropy, still.peak, still.motion) == (0, 1, 0)
    half = np.zeros((1, 2, 2))
    half[0, 0] = 0.5
    assert looking(half).entropy == pytest.approx(0.5)  # two of four cells: log 2 of log 4


def test_motion_is_the_mass_that_would_have_to_move():
    assert looking(peaks(3, 4)).motion == pytest.approx(0.5)
    assert looking(peaks(1, 2, 3, 4)).motion == pytest.approx(0.75)


def test_a_vector_is_a_map_of_one_cell():
    one = looking(np.ones((4, 1, 1)))
    assert (one.entropy, one.peak) == (0, 1)


def test_between_videos_and_warnings():
    apart = together([looking(peaks(3, 3)), looking(peaks(9, 9))])
    assert (apart["motion"], apart["between"]) == (0, pytest.approx(0.5))
    assert warning(apart) is None
    assert "hardly depends on the video" in warning(together([looking(peaks(3, 3)), looking(peaks(3))]))
    assert "nearly uniform" in warning(together([looking(np.full((3, 7, 7), 1 / 49))]))


def test_mass_inside_a_box():
    covered = np.zeros((2, 2, 2))
    covered[:, 0, 0] = [1, 0.5]
    mass, area = mass_inside(np.array([[[0.6, 0.4], [0, 0]], [[0.8, 0.2], [0, 0]]]), covered)
    assert (mass, area) == (pytest.approx((0.6 + 0.4) / 2), pytest.approx((0.25 + 0.125) / 2))


def test_whole_frames():
    boxes = np.array([[0, 0, 32, 24], [0, 0, 31, 24], [0.1, 0, 32, 24], [4, 4, 8, 8]], float)
    assert whole_frames(Tube(0, boxes), (24, 32)) == 0.5
