"""The statistics of attention, on maps whose numbers are known."""

import numpy as np
import pytest

from videolstm_jax.measure.attention_stats import (
    attention_mass_inside,
    attention_share_of_full_frames,
    attention_stats,
    attention_summary,
    attention_warning,
    frame_stats,
    mean_attention_by_frame,
    mean_attention_stats,
)
from videolstm_jax.types import Tube


def peaks(*cells, side=7):
    return np.eye(side * side)[list(cells)].reshape(len(cells), side, side)


def test_uniform_and_peaked_maps():
    flat = attention_stats(np.full((3, 7, 7), 1 / 49))
    assert (flat.entropy, flat.peak, flat.motion) == (
        pytest.approx(1),
        pytest.approx(1 / 49),
        pytest.approx(0),
    )
    still = attention_stats(peaks(5, 5))
    assert (still.entropy, still.peak, still.motion) == (0, 1, 0)
    half = np.zeros((1, 2, 2))
    half[0, 0] = 0.5
    assert attention_stats(half).entropy == pytest.approx(0.5)  # two of four cells: log 2 of log 4


def test_motion_is_the_mass_that_would_have_to_move():
    assert attention_stats(peaks(3, 4)).motion == pytest.approx(0.5)
    assert attention_stats(peaks(1, 2, 3, 4)).motion == pytest.approx(0.75)


def test_a_vector_is_a_map_of_one_cell():
    stats = attention_stats(np.ones((4, 1, 1)))
    assert (stats.entropy, stats.peak) == (0, 1)


def test_between_videos_and_warnings():
    apart = mean_attention_stats([attention_stats(peaks(3, 3)), attention_stats(peaks(9, 9))])
    assert (apart["motion"], apart["between"]) == (0, pytest.approx(0.5))
    assert attention_warning(apart) is None
    assert "hardly depends on the video" in attention_warning(
        mean_attention_stats([attention_stats(peaks(3, 3)), attention_stats(peaks(3))])
    )
    assert "nearly uniform" in attention_warning(
        mean_attention_stats([attention_stats(np.full((3, 7, 7), 1 / 49))])
    )


def test_mass_inside_a_box():
    covered = np.zeros((3, 2, 2))
    covered[:2, 0, 0] = [1, 0.5]
    attention = np.array([[[0.6, 0.4], [0, 0]], [[0.8, 0.2], [0, 0]], [[1, 0], [0, 0]]])
    mass, area = attention_mass_inside(attention, covered)
    np.testing.assert_allclose(mass, [0.6, 0.4, np.nan])
    np.testing.assert_allclose(area, [0.25, 0.125, np.nan])
    summary = attention_summary([attention_stats(attention)], [(mass, area)])
    assert (summary["mass_inside_truth"], summary["area_of_truth"]) == (
        pytest.approx(0.5),
        pytest.approx(0.1875),
    )
    assert summary["over_time"]["mass_inside_truth"] == [
        pytest.approx(0.6),
        pytest.approx(0.4),
        None,
    ]


def test_drift_is_the_mass_that_moves_from_frame_to_frame():
    frames = frame_stats(peaks(3, 3, 4))
    np.testing.assert_allclose(frames.drift, [np.nan, 0, 1])
    assert attention_stats(peaks(3, 3, 4)).drift == 0.5
    assert attention_stats(peaks(3)).drift == 0
    halves = np.array([[[0.5, 0.5], [0, 0]], [[0.5, 0], [0.5, 0]]])
    assert attention_stats(halves).drift == pytest.approx(0.5)


def test_the_mean_over_time_ends_where_most_videos_have_ended():
    rows = [np.array([1.0, 2, 3, 4]), np.array([3.0, np.nan, 5]), np.array([2.0])]
    assert mean_attention_by_frame(rows) == [2, 2, 4]
    assert mean_attention_by_frame(rows[:2]) == [2, 2, 4, 4]
    assert mean_attention_by_frame([np.array([np.nan, 1.0])]) == [None, 1]
    assert mean_attention_by_frame([]) == []


def test_a_summary_without_truth_has_no_shares():
    summary = attention_summary([attention_stats(peaks(1, 2)), attention_stats(peaks(5))], [])
    assert summary["mass_inside_truth"] is None and summary["area_of_truth"] is None
    assert set(summary["over_time"]) == {"entropy", "peak", "drift"}
    assert summary["over_time"]["drift"] == [None, 1]
    assert summary["drift"] == 0.5 and summary["warning"] is None


def test_full_frame_share():
    boxes = np.array([[0, 0, 32, 24], [0, 0, 31, 24], [0.1, 0, 32, 24], [4, 4, 8, 8]], float)
    assert attention_share_of_full_frames(Tube(0, boxes), (24, 32)) == 0.5
