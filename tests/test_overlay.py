"""Heat maps, boxes and filmstrips on frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colormaps

from videolstm_jax.report.pictures import heat_map, overlay


def ramp(height=20, width=30):
    return np.linspace(0, 255, height * width).reshape(height, width)


def grey(height=64, width=64, level=90):
    return np.full((height, width, 3), level, np.uint8)


def test_heat_is_inferno_above_its_black_end_and_as_opaque_as_salient():
    saliency = ramp()
    rgba = heat_map.heat_colours(saliency)
    level = np.rint(saliency).astype(int)
    assert rgba.dtype == np.uint8 and rgba.shape == (20, 30, 4)
    np.testing.assert_array_equal(rgba[..., 3], level)
    for y, x in ((0, 0), (7, 11), (19, 29)):
        want = np.array(colormaps["inferno"](0.25 + 0.75 * level[y, x] / 255)[:3])
        np.testing.assert_allclose(rgba[y, x, :3] / 255, want, atol=1 / 128)


def test_heat_grows_lighter_with_saliency():
    """Luminance never falls from one level to the next: no rainbow."""
    colours = heat_map.heat_colours(np.arange(256.0)[None])[0, :, :3].astype(float)
    luminance = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > -1).all() and luminance[-1] - luminance[0] > 150


@pytest.mark.parametrize("value", [-1.0, 256.0, np.nan, np.inf])
def test_heat_refuses_what_is_no_saliency(value):
    with pytest.raises(ValueError, match="expected 0 to 255"):
        heat_map.heat_colours(np.full((2, 2), value))


def test_blend_with_alpha_zero_is_the_frame():
    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(heat_map.blend_heat(frame, ramp(), 0.0), frame)


def test_blend_mixes_grey_and_heat_pixel_by_pixel():
    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    saliency, alpha = ramp(), 0.6
    mixed = heat_map.blend_heat(frame, saliency, alpha)
    colours = heat_map.heat_colours(saliency)
    for y, x in ((0, 0), (9, 3), (13, 22), (19, 29)):
        luma = 0.299 * frame[y, x, 0] + 0.587 * frame[y, x, 1] + 0.114 * frame[y, x, 2]
        opacity = colours[y, x, 3] / 255 * alpha
        want = [
            (f * (1 - alpha) + luma * alpha) * (1 - opacity) + c * opacity
            for f, c in zip(frame[y, x].tolist(), colours[y, x, :3].tolist(), strict=True)
        ]
        np.testing.assert_allclose(mixed[y, x], want, atol=0.51)


def test_blend_refuses_other_sizes_and_alphas():
    with pytest.raises(ValueError, match="one size"):
        heat_map.blend_heat(grey(), ramp())
    with pytest.raises(ValueError, match="alpha is 2"):
        heat_map.blend_heat(grey(20, 30), ramp(), 2)


@pytest.mark.parametrize(
    ("width", "height", "side", "want"),
    [
        (64, 64, 256, (256, 256)),
        (64, 48, 200, (192, 144)),
        (320, 240, 256, (256, 192)),
        (1920, 1080, 256, (256, 144)),
        (240, 320, 256, (192, 256)),
        (3000, 2, 256, (256, 1)),
    ],
)
def test_display_size(width, height, side, want):
    assert overlay.picture_display_size(width, height, side) == want


def test_display_size_refuses_nothing():
    with pytest.raises(ValueError, match="at least 1"):
        overlay.picture_display_size(0, 10, 256)


def test_small_frames_grow_by_repeated_pixels():
    frames = np.random.default_rng(1).integers(0, 256, (2, 4, 3, 3), dtype=np.uint8)
    shown = overlay.resized_frame_picture(frames, (9, 12))
    assert shown.shape == (2, 12, 9, 3)
    assert all(
        (shown[1, y, x] == frames[1, y // 3, x // 3]).all() for y in range(12) for x in range(9)
    )


def test_large_frames_shrink_to_means():
    frames = np.random.default_rng(1).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    means = frames[0].reshape(4, 2, 4, 2, 3).mean((1, 3))
    np.testing.assert_allclose(overlay.resized_frame_picture(frames, (4, 4))[0], means, atol=1.01)


def test_scaled_boxes():
    np.testing.assert_allclose(
        overlay.scaled_to_shown(np.array([[0, 10, 64, 24]]), (64, 48), (256, 96)),
        [[0, 20, 256, 48]],
    )


@pytest.mark.parametrize(("height", "width"), [(64, 64), (1080, 1920)])
def test_a_box_is_drawn_on_its_own_edges_only(height, width):
    frame = grey(height, width)
    x0, y0, x1, y1 = width // 4, height // 4, width // 2, height // 2
    drawn = overlay.draw_boxes_on_picture(frame, np.array([[x0, y0, x1, y1]]), [overlay.DETECTED])
    painted = (drawn == overlay.DETECTED).all(-1)
    rows, columns = np.nonzero(painted)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (y0, y1, x0, x1)
    assert painted[[y0, y1 - 1], x0:x1].all() and painted[y0:y1, [x0, x1 - 1]].all()
    middle = (
        slice(y0 + height // 16, y1 - height // 16),
        slice(x0 + width // 16, x1 - width // 16),
    )
    np.testing.assert_array_equal(drawn[middle], frame[middle])
    assert (frame == 90).all(), "the frame itself was drawn on"


def test_dashes_leave_gaps_and_lines_do_not():
    box = np.array([[8, 8, 56, 56]])
    solid = (overlay.draw_boxes_on_picture(grey(), box, [overlay.TRUE]) == 255).all(-1)[8, 8:56]
    dashed = (overlay.draw_boxes_on_picture(grey(), box, [overlay.TRUE], dashed=[True]) == 255).all(
        -1
    )[8, 8:56]
    assert solid.all() and 0.3 < dashed.mean() < 0.8


@settings(max_examples=40, deadline=None)
@given(
    box=st.lists(st.floats(-200, 300), min_size=4, max_size=4),
    label=st.sampled_from(["", "found", "ü" * 60]),
    size=st.sampled_from([(1, 1), (7, 90), (64, 64)]),
)
def test_any_box_can_be_drawn(box, label, size):
    """Outside, inverted, empty: the picture keeps its size and nothing is raised."""
    frame = grey(*size)
    drawn = overlay.draw_boxes_on_picture(
        frame, np.array([box]), [overlay.DETECTED], [label], dashed=[True]
    )
    assert drawn.shape == frame.shape and drawn.dtype == np.uint8


def test_labels_show_beside_their_box():
    box, colours = np.array([[10, 30, 50, 60]]), [overlay.DETECTED]
    plain = overlay.draw_boxes_on_picture(grey(), box, colours)
    labelled = overlay.draw_boxes_on_picture(grey(), box, colours, ["found"])
    changed = np.nonzero((plain != labelled).any(-1))
    assert len(changed[0]) > 50 and changed[0].max() < 30


def test_filmstrip_lays_frames_in_rows():
    frames = (
        np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 4, 6, 3), np.uint8) * 10
    )
    sheet = overlay.filmstrip(frames, columns=3, gap=2, ground=(255, 255, 255))
    assert sheet.shape == (2 * 4 + 2, 3 * 6 + 2 * 2, 3)
    assert (
        (sheet[6:10, 8:14] == 40).all()
        and (sheet[6:10, 16:] == 255).all()
        and (sheet[4:6] == 255).all()
    )
    with pytest.raises(ValueError, match="no frames"):
        overlay.filmstrip(frames[:0])


@given(length=st.integers(1, 400), count=st.integers(1, 12))
def test_evenly_chosen_frames(length, count):
    chosen = overlay.evenly_spaced_page_frames(length, count)
    assert len(chosen) == min(length, count) and chosen[0] == 0 and (np.diff(chosen) > 0).all()
    assert chosen[-1] == (length - 1 if count > 1 else 0)
