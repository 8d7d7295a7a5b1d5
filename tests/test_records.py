"""Records of frames against plain loops, and bounds on what a byte a value can lose."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from videolstm_jax.errors import FileError
from videolstm_jax.features import records

SHAPE = (2, 3, 4)
MAPS = arrays(
    np.float32,
    st.integers(1, 5).map(lambda n: (n, *SHAPE)),
    elements=st.floats(0, 60000, width=32, allow_subnormal=False),
)


def back(array, dtype):
    data = records.encode_features(array, dtype)
    assert len(data) == len(array) * records.feature_record_bytes(array.shape[1:], dtype)
    return records.decode_features(data, array.shape[1:], dtype)


@given(MAPS)
@settings(max_examples=60)
def test_float16_is_the_values_themselves(array):
    assert np.array_equal(back(array, "float16"), array.astype(np.float16))


@given(MAPS)
@settings(max_examples=100)
def test_uint8_is_within_half_a_step_of_the_root(array):
    decoded = back(array, "uint8").astype(np.float64)
    for frame, read in zip(array.astype(np.float64), decoded, strict=True):
        peak = frame.max()
        for value, got in zip(frame.ravel(), read.ravel(), strict=True):
            # half a level to either side of sqrt(v / p), and what float16 rounds
            low, high = (
                max(0.0, math.sqrt(value / peak) + side * 0.5002 / 255) ** 2 * peak if peak else 0.0
                for side in (-1, 1)
            )
            assert low * (1 - 2**-10) - 2**-24 <= got <= high * (1 + 2**-10) + 2**-24
            assert value > 0 or got == 0


def test_uint8_keeps_the_largest_value_and_frames_of_nothing():
    array = np.stack([np.zeros(SHAPE), np.full(SHAPE, 7.25), np.full(SHAPE, 1e-3)])
    array[1, 0, 0, 0] = 0
    assert np.array_equal(back(array, "uint8"), array.astype(np.float16))


def test_uint8_loses_less_than_a_hundredth_of_the_deviation_where_most_are_zero():
    r = np.random.default_rng(0)
    array = np.maximum(
        r.standard_normal((8, 7, 7, 512)) * np.exp(r.standard_normal((8, 7, 7, 512))) - 1, 0
    )
    error = back(array, "uint8").astype(np.float64) - array
    even = (
        np.round(array / array.max((1, 2, 3), keepdims=True) * 255)
        / 255
        * array.max((1, 2, 3), keepdims=True)
    )
    assert np.sqrt(np.mean(error**2)) < 0.01 * array.std()
    assert np.sqrt(np.mean(error**2)) < 0.5 * np.sqrt(
        np.mean((even - array) ** 2)
    )  # equal steps would lose twice that


def test_what_a_record_cannot_hold_is_refused():
    with pytest.raises(FileError, match=r"maps go down to -0\.5; uint8 holds what a ReLU leaves"):
        records.encode_features(np.full((1, 2), -0.5), "uint8", "maps")
    for dtype in records.DTYPES:
        for value in (np.nan, np.inf, -np.inf, 65505.0):
            with pytest.raises(FileError, match="float16 holds at most 65504"):
                records.encode_features(np.array([[0.0, value]]), dtype)
    with pytest.raises(FileError, match="'int8'; expected one of float16, uint8"):
        records.check_feature_dtype("int8")


@given(st.lists(st.integers(1, 150), min_size=1, max_size=4), st.integers(0, 99))
@settings(max_examples=30)
def test_moments_of_parts_are_those_of_the_whole(lengths, seed):
    r = np.random.default_rng(seed)
    parts = [r.normal(3, 2, (length, 5)).astype(np.float16) for length in lengths]
    values = np.concatenate(parts).astype(np.float64)
    mean, std = records.feature_mean_and_deviation(
        [records.feature_moments(part) for part in parts], values.size
    )
    assert mean == pytest.approx(values.mean(), rel=1e-12) and std == pytest.approx(
        values.std(), rel=1e-10
    )
