"""Improved dense trajectories on clips whose motion is known, and which tracks are left out."""

import numpy as np
import pytest
from moving_textures import FRAMES, SIDE, flow_of, rotation, translating

from videolstm_jax.trajectories.corners import (
    new_track_points,
    track_corner_strength,
    track_corners,
)
from videolstm_jax.trajectories.dense import DenseSettings, improved_trajectories
from videolstm_jax.trajectories.layout import INFORMATION, join_trajectories
from videolstm_jax.trajectories.pyramid import (
    resized_trajectory_picture,
    trajectory_flow_pyramid,
    trajectory_pyramid_scales,
)
from videolstm_jax.trajectories.tracks import median_track_flow

STILL_CAMERA = DenseSettings(camera=False)


def trajectories(frames, flow, settings=STILL_CAMERA):
    return join_trajectories(list(improved_trajectories(frames, flow, settings)), settings.length)


def column(tracks, name):
    return tracks.information[:, INFORMATION.index(name)]


# ---- a texture that moves as a whole -------------------------------------------------------------


@pytest.mark.parametrize("dx, dy, direction", [(2, 0, 0), (0, 2, 2), (-2, 0, 4), (2, -2, 7)])
def test_a_translating_texture(dx, dy, direction):
    frames, flow = translating(dx, dy)
    tracks = trajectories(frames, flow)
    assert len(tracks.hof) > 30
    # Each of the 15 steps is a fifteenth of the path.
    path = np.hypot(dx, dy) * 15
    expected = np.tile([dx / path, dy / path], 15)
    np.testing.assert_allclose(tracks.displacements, np.tile(expected, (len(tracks.hof), 1)), 1e-4)
    # All of HOF is in the bin of the direction: 1 of 4 cells each, under the square root.
    hof = tracks.hof.reshape(-1, 12, 9)
    np.testing.assert_allclose(hof[..., direction], 0.5, atol=1e-2)
    assert np.delete(hof, direction, -1).max() < 0.02
    # Nothing moves against anything else: every bin of MBH has the floor, which is equal.
    for mbh in (tracks.mbh_x, tracks.mbh_y):
        np.testing.assert_allclose(mbh, np.sqrt(1 / 32), atol=2e-4)


def test_the_information_of_a_translation():
    frames, flow = translating(2, 0)
    tracks = trajectories(frames, flow)
    ends = column(tracks, "end frame")
    assert ends.min() == 15 and ends.max() == FRAMES - 1
    np.testing.assert_allclose(column(tracks, "path length"), 30, rtol=1e-5)
    # Of 16 points in steps of two pixels.
    np.testing.assert_allclose(
        column(tracks, "deviation of x"), 2 * np.std(np.arange(16)), rtol=1e-4
    )
    np.testing.assert_allclose(column(tracks, "deviation of y"), 0, atol=1e-4)
    np.testing.assert_allclose(
        column(tracks, "relative x"), column(tracks, "mean x") / SIDE, rtol=1e-5
    )
    np.testing.assert_allclose(
        column(tracks, "relative time"), (column(tracks, "end frame") - 7.5) / FRAMES, rtol=1e-5
    )
    # Two scales: 48 pixels, and 34, which a square of 32 still fits in.
    np.testing.assert_allclose(np.unique(column(tracks, "scale")), [1, 48 / 34], rtol=1e-5)


@pytest.mark.parametrize("length", [5, 7])
def test_other_lengths(length):
    frames, flow = translating(2, 1, length + 2)
    tracks = trajectories(frames, flow, DenseSettings(length=length, camera=False))
    assert tracks.displacements.shape[1] == 2 * length and len(tracks.hof) > 20
    np.testing.assert_allclose(np.square(tracks.hog).reshape(-1, 3, 32).sum(-1), 1, atol=0.3)


# ---- what is left out ----------------------------------------------------------------------------


def test_a_static_clip_has_no_tracks():
    frames, flow = translating(0, 0)
    assert not len(trajectories(frames, flow).hof)
    assert not len(trajectories(frames, flow, DenseSettings()).hof)


def test_a_clip_of_one_colour_has_no_tracks():
    frames, flow = translating(2, 0)
    assert not len(trajectories(np.full_like(frames, 90), flow).hof)


def test_one_jump_is_an_error_of_the_flow():
    frames, flow = translating(0, 0)
    flow[:, ..., 0] = 0.1
    flow[9, ..., 0] = 24
    assert not len(trajectories(frames, flow).hof)
    # The same path in even steps is none.
    flow[:, ..., 0] = 25.4 / 15
    assert len(trajectories(frames, flow).hof)


def test_a_clip_shorter_than_a_track_has_none():
    frames, flow = translating(2, 0, 15)
    assert not len(trajectories(frames, flow).hof)


def test_frames_smaller_than_the_square_around_a_point():
    frames, flow = translating(2, 0)
    tracks = trajectories(frames[:, :20, :40], flow[:, :20, :40])
    assert len(tracks.hof) and all(np.isfinite(part).all() for part in tracks)
    assert not len(trajectories(frames[:, :3, :3], flow[:, :3, :3]).hof)


def test_a_moving_camera_leaves_only_what_moves_by_itself():
    frames, flow = translating(1, 0)
    matrix = rotation(3.5)
    turning = flow_of(matrix)
    flow[:] = turning
    assert len(trajectories(frames, flow).hof) > 5
    assert not len(trajectories(frames, flow, DenseSettings()).hof)
    # A patch that moves down as well is what is left, with its own motion.
    own = np.float32([0, 2])
    flow[:, 16:32, 16:32] += own
    tracks = trajectories(frames, flow, DenseSettings())
    assert len(tracks.hof)
    x, y = column(tracks, "mean x"), column(tracks, "mean y")
    assert x.min() > 12 and x.max() < 36 and y.min() > 12
    steps = tracks.displacements.reshape(-1, 15, 2)
    assert (steps[..., 1].sum(1) > 0.8).all()


# ---- points, scales and medians ------------------------------------------------------------------


def test_the_smaller_eigenvalue_by_numpy():
    frame = np.random.default_rng(0).normal(size=(9, 11)).astype(np.float32)
    padded = np.pad(frame, 2, "edge")
    dx = (padded[1:-1, 2:] - padded[1:-1, :-2])[:, :]
    dy = (padded[2:, 1:-1] - padded[:-2, 1:-1])[:, :]
    y, x = 4, 6  # a place of which the whole window is inside
    window = (slice(y, y + 3), slice(x, x + 3))
    gx, gy = dx[window].ravel(), dy[window].ravel()
    tensor = np.array([[gx @ gx, gx @ gy], [gx @ gy, gy @ gy]]) / 9
    strength = track_corner_strength(frame)
    np.testing.assert_allclose(strength[y, x], np.linalg.eigvalsh(tensor)[0], rtol=1e-3)


def test_corners_are_at_the_corners_of_a_square():
    frame = np.zeros((40, 40), np.float32)
    frame[10:30, 12:28] = 200
    points = track_corners(frame, 0.001, 4)
    for x, y in ((12, 10), (27, 10), (12, 29), (27, 29)):
        assert np.abs(points - [x, y]).max(1).min() <= 2, (x, y)


def test_new_points_fill_free_cells_of_the_grid():
    frame = translating(0, 0)[0][0].astype(np.float32)
    points = new_track_points(frame, np.zeros((0, 2)), 5, 0.0)
    assert len(points) == 81 and set(points[:, 0]) == set(range(2, 45, 5))
    # A track in a cell keeps it; one outside the grid keeps nothing.
    rest = new_track_points(frame, np.array([[7.9, 12.1], [47.0, 2.0]]), 5, 0.0)
    assert len(rest) == 80 and not (rest == [7, 12]).all(1).any()


def test_the_scales_of_a_frame():
    scales = trajectory_pyramid_scales(240, 320, 8, 32)
    assert [scale.height for scale in scales] == [240, 170, 120, 85, 60, 42]
    assert len(trajectory_pyramid_scales(20, 20, 8, 32)) == 1
    # The corner of the picture is the corner at every scale.
    for scale in scales:
        np.testing.assert_allclose(scale.to_frame @ [-0.5, -0.5, 1], [-0.5, -0.5, 1])
        np.testing.assert_allclose(
            scale.to_frame @ [scale.width - 0.5, scale.height - 0.5, 1], [319.5, 239.5, 1]
        )


def test_a_ramp_stays_a_ramp_at_another_size():
    ramp = np.tile(np.arange(16, dtype=np.float32), (4, 1))
    smaller = resized_trajectory_picture(ramp, 4, 8)
    np.testing.assert_allclose(smaller, np.tile(np.arange(8) * 2 + 0.5, (4, 1)))


def test_flow_is_in_pixels_of_its_scale():
    scales = trajectory_pyramid_scales(64, 64, 3, 16)
    fields = trajectory_flow_pyramid(np.full((64, 64, 2), 4, np.float32), scales)
    for field, scale in zip(fields, scales, strict=True):
        np.testing.assert_allclose(field, 4 / scale.factor[0], rtol=1e-5)


def test_the_median_of_the_flow_around_a_point():
    flow = np.random.default_rng(0).normal(size=(6, 7, 2)).astype(np.float32)
    points = np.array([[2.4, 3.4], [2.6, 3.6], [0.0, 0.0]])
    medians = median_track_flow(flow, points)
    for median, (x, y) in zip(medians[:2], [(2, 3), (3, 4)], strict=True):
        window = flow[y - 1 : y + 2, x - 1 : x + 2].reshape(9, 2)
        np.testing.assert_array_equal(median, np.median(window, axis=0))
    padded = np.pad(flow, ((1, 1), (1, 1), (0, 0)), "edge")[:3, :3].reshape(9, 2)
    np.testing.assert_array_equal(medians[2], np.median(padded, axis=0))
