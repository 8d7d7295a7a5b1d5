"""State maps as pictures: each row on its own scale, zero in the middle of a signed one."""

import numpy as np

from videolstm_jax.report.pictures.states import States, heat_coloured_maps, state_picture_sheet


def test_signed_maps_are_white_at_zero_blue_below_and_red_above():
    maps = np.array([[[0.0, -0.5], [0.5, 0.25]]])
    (picture,) = heat_coloured_maps(maps, np.array([0]), signed=True)
    assert (picture[0, 0] > 240).all()
    assert picture[0, 1, 2] > picture[0, 1, 0] + 40 and picture[1, 0, 0] > picture[1, 0, 2] + 40
    again = heat_coloured_maps(4 * maps, np.array([0]), signed=True)[0]
    np.testing.assert_array_equal(picture, again)


def test_the_mean_is_brighter_where_it_is_larger():
    picture = (
        heat_coloured_maps(np.array([[[0.0, 0.5], [1.0, 0.2]]]), np.array([0]), signed=False)[0]
        .sum(axis=-1)
        .astype(int)
    )
    assert picture[1, 0] > picture[0, 1] > picture[1, 1] > picture[0, 0]


def test_maps_of_zeros_are_drawn():
    assert heat_coloured_maps(np.zeros((1, 2, 2)), np.array([0]), signed=True).min() > 240


def test_rows_and_columns():
    mean = np.zeros((5, 2, 2))
    mean[:, 0, 1] = 1
    states = States("cell", mean, np.array([7]), np.zeros((1, 5, 2, 2)))
    picture = state_picture_sheet(states, np.array([0, 2, 9]), (40, 30))
    cell = (picture.shape[0] - 3) // 2
    assert picture.shape[1] == 3 * 40 + 2 * 3 and cell > 30
    band = cell - 30
    first = picture[band : band + 30, :40]
    assert (first[:15, 20:] == first[0, 39]).all() and (first[15:] == first[29, 0]).all()
    assert first[0, 39].sum() > first[29, 0].sum() + 300
    (
        np.testing.assert_array_equal(picture[band:cell, 86:], first),
        "beyond the last state the last one stands",
    )
