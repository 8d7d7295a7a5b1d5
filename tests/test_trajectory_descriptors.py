"""Histograms and homographies of trajectories against plain loops over pixels."""

import math

import numpy as np
import pytest
from moving_textures import SIDE, flow_of, rotation, texture

from videolstm_jax.trajectories.camera import (
    camera_homography,
    flow_without_camera,
    points_through_homography,
    robust_homography,
)
from videolstm_jax.trajectories.histograms import (
    trajectory_point_histograms,
    trajectory_vote_sums,
    trajectory_votes,
    trajectory_votes_of_frame,
)


def slow_votes(dx, dy, bins):
    """One vector's share of each direction."""
    votes = [0.0] * bins
    position = (math.atan2(dy, dx) / (2 * math.pi) * bins) % bins
    low = int(position) % bins
    share = position - int(position)
    votes[low] += math.hypot(dx, dy) * (1 - share)
    votes[(low + 1) % bins] += math.hypot(dx, dy) * share
    return votes


def slow_gradient(image, y, x):
    """Differences of the neighbours; beyond the edge stands the value of the edge."""
    height, width = image.shape
    dx = image[y, min(x + 1, width - 1)] - image[y, max(x - 1, 0)]
    dy = image[min(y + 1, height - 1), x] - image[max(y - 1, 0), x]
    return float(dx), float(dy)


def slow_histogram(frame, flow, kind, point):
    """A descriptor of one point in one frame: 2 x 2 cells, column by column."""
    bins = 9 if kind == "hof" else 8
    left = min(max(math.floor(point[0] + 0.5) - 16, 0), frame.shape[1] - 32)
    top = min(max(math.floor(point[1] + 0.5) - 16, 0), frame.shape[0] - 32)
    cells = np.zeros((2, 2, bins))
    for y in range(top, top + 32):
        for x in range(left, left + 32):
            if kind == "hof":
                u, v = map(float, flow[y, x])
                votes = [0.0] * 8 + [1.0]
                if math.hypot(u, v) >= 0.4:
                    votes = [*slow_votes(u, v, 8), 0.0]
            else:
                image = {"hog": frame, "mbh_x": flow[..., 0], "mbh_y": flow[..., 1]}[kind]
                votes = slow_votes(*slow_gradient(image, y, x), 8)
            cells[(x - left) // 16, (y - top) // 16] += votes
    vector = cells.ravel() + 0.05
    return np.sqrt(vector / vector.sum())


@pytest.fixture(scope="module")
def picture():
    r = np.random.default_rng(0)
    frame = texture(40, 44).astype(np.float32)
    flow = np.stack([texture(40, 44, 1), texture(40, 44, 2)], -1).astype(np.float32) / 60 - 2
    flow[r.random((40, 44)) < 0.3] *= 0.05
    return frame, flow


@pytest.mark.parametrize("kind, start", [("hog", 0), ("hof", 32), ("mbh_x", 68), ("mbh_y", 100)])
def test_histograms_against_loops(picture, kind, start):
    points = np.array([[21.7, 19.2], [0.0, 0.0], [43.0, 39.0], [16.5, 24.4]])
    histograms = trajectory_point_histograms(
        trajectory_vote_sums(trajectory_votes_of_frame(*picture)), points
    )
    width = 36 if kind == "hof" else 32
    for histogram, point in zip(histograms, points, strict=True):
        expected = slow_histogram(*picture, kind, point)
        np.testing.assert_allclose(histogram[start : start + width], expected, atol=2e-5)


def test_a_vector_between_two_directions_votes_for_both():
    angle = np.deg2rad(45 + 15)  # a third of the way from direction 1 to direction 2
    votes = trajectory_votes(
        np.float32([[3 * np.cos(angle)]]), np.float32([[3 * np.sin(angle)]]), 8
    )[0, 0]
    np.testing.assert_allclose(votes, [0, 2, 1, 0, 0, 0, 0, 0], atol=1e-5)


def test_sums_over_rectangles():
    votes = np.random.default_rng(1).random((5, 7, 3), np.float32)
    sums = trajectory_vote_sums(votes)
    for y, x in ((0, 3), (5, 7), (2, 0), (3, 4)):
        np.testing.assert_allclose(sums[y, x], votes[:y, :x].sum((0, 1)), atol=1e-5)


# ---- the camera ----------------------------------------------------------------------------------


def test_the_homography_of_a_turning_camera():
    matrix = rotation(2.0, 1.02)
    matrix[2, :2] = 2e-4, -1e-4
    frame = texture().astype(np.float32)
    homography = camera_homography(frame, flow_of(matrix), np.random.default_rng(0))
    points = np.random.default_rng(1).random((20, 2)) * SIDE
    np.testing.assert_allclose(
        points_through_homography(homography, points),
        points_through_homography(matrix, points),
        atol=0.02,
    )


def test_matches_that_move_by_themselves_do_not_turn_the_camera():
    r = np.random.default_rng(0)
    matrix = rotation(3.0)
    points = r.random((200, 2)) * SIDE
    targets = points_through_homography(matrix, points)
    targets[:80] += r.normal(0, 6, (80, 2)) + [5, 0]
    homography = robust_homography(points, targets, r)
    np.testing.assert_allclose(
        points_through_homography(homography, points),
        points_through_homography(matrix, points),
        atol=0.1,
    )


def test_flow_without_the_camera():
    matrix = rotation(2.0)
    np.testing.assert_allclose(flow_without_camera(flow_of(matrix), matrix), 0, atol=1e-4)
    own = flow_without_camera(flow_of(matrix) + np.float32([3, 0]), matrix)
    # The motion of the next frame is turned back with it.
    expected = np.linalg.inv(matrix)[:2, :2] @ [3, 0]
    np.testing.assert_allclose(own, np.broadcast_to(expected, own.shape), atol=1e-4)


@pytest.mark.parametrize("count", [4, 60])
def test_a_homography_that_few_matches_follow_is_not_used(count):
    r = np.random.default_rng(0)
    points, targets = r.random((2, count, 2)) * SIDE
    np.testing.assert_array_equal(robust_homography(points, targets, r), np.eye(3))


def test_a_frame_without_corners_has_a_still_camera():
    frame = np.zeros((SIDE, SIDE), np.float32)
    homography = camera_homography(frame, flow_of(rotation(2)), np.random.default_rng(0))
    np.testing.assert_array_equal(homography, np.eye(3))
    # Matches in one point, or on one line, decide no homography.
    r = np.random.default_rng(0)
    for points in (np.ones((60, 2)), np.repeat(np.arange(60.0)[:, None], 2, 1)):
        np.testing.assert_array_equal(robust_homography(points, points + 1, r), np.eye(3))
