"""Encodes the features of one frame as a record of fixed size, and sums up their statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from videolstm_jax.errors import FileError

DTYPES = ("float16", "uint8")
"""How a store can be written."""

LARGEST = float(np.finfo(np.float16).max)
PEAK_BYTES = 4
"""A uint8 record opens with the frame's largest value, as a little-endian float32."""
LEVELS = 255.0

# Frames that `feature_moments` converts to float64 at once, so that a long video needs no second
# copy.
_FRAMES_AT_ONCE = 64


class Moments(NamedTuple):
    """The sum and the sum of squares of some values, in float64."""

    total: float
    square: float


def check_feature_dtype(dtype: str) -> str:
    """Returns `dtype` where a store can have it.

    Raises:
      FileError: it cannot.
    """
    if dtype not in DTYPES:
        raise FileError(f"features of dtype {dtype!r}; expected one of {', '.join(DTYPES)}")
    return dtype


def feature_file_suffix(dtype: str) -> str:
    """Returns the suffix of a store's files of records."""
    return {"float16": ".f16", "uint8": ".u8"}[dtype]


def feature_record_bytes(shape: Sequence[int], dtype: str = "float16") -> int:
    """Returns the bytes of one frame's record: 2 a value, or 1 a value behind the peak."""
    size = math.prod(shape)
    if dtype == "float16":
        return 2 * size
    return PEAK_BYTES + size


def encode_features(array: np.ndarray, dtype: str, name: str = "features") -> bytes:
    """Encodes the features of some frames as records.

    `float16` is the values themselves. `uint8` is for maps after a ReLU, at half the size: each
    value v of a frame whose largest is p becomes round(255 sqrt(v / p)). The root spends the levels
    where most values lie, near zero: the step at v is about 2 sqrt(v p) / 255.

    Args:
      array: [n, *shape], any float; for `uint8` nothing below zero.
      dtype: `float16` or `uint8`.
      name: of the array, for messages.

    Returns:
      n records, one after another.

    Raises:
      FileError: no frames; values that are not finite or that float16 does not hold; or values
        below zero for `uint8`.
    """
    array = np.asarray(array)
    problem = _values_problem(array, dtype)
    if problem:
        raise FileError(f"{name} {problem}")
    if dtype == "float16":
        return np.ascontiguousarray(array, "<f2").tobytes()
    rows = array.reshape(len(array), -1).astype(np.float32)
    peaks = rows.max(1, keepdims=True)
    divisors = np.where(peaks > 0, peaks, 1)  # a frame of zeros has no peak to divide by
    codes = np.rint(LEVELS * np.sqrt(rows / divisors)).astype(np.uint8)
    return np.concatenate([peaks.astype("<f4").view(np.uint8), codes], axis=1).tobytes()


def _values_problem(array: np.ndarray, dtype: str) -> str:
    """Why records of a dtype cannot hold some features; empty where they can."""
    # The extremes also show NaN and infinity, so no other check is needed.
    lowest = highest = math.nan
    if array.size:
        lowest, highest = float(array.min()), float(array.max())
    reach = max(-lowest, highest)
    if not reach <= LARGEST:  # written so that NaN is refused, too
        return f"reach {reach}; float16 holds at most {LARGEST:.0f}"
    if dtype == "uint8" and lowest < 0:
        return (
            f"go down to {lowest}; uint8 holds what a ReLU leaves, nothing below zero; store them "
            "as float16"
        )
    return ""


def decode_features(encoded: bytes, shape: Sequence[int], dtype: str) -> np.ndarray:
    """Decodes some records to float16 [n, *shape]; of a float16 store the result is read-only."""
    if dtype == "float16":
        return np.frombuffer(encoded, "<f2").reshape(-1, *shape)
    features = np.empty((len(encoded) // feature_record_bytes(shape, dtype), *shape), np.float16)
    decode_features_into(features, encoded, dtype)
    return features


def decode_features_into(
    target: np.ndarray, encoded: bytes, dtype: str, scale: float = 1.0
) -> None:
    """Decodes records into `target` and multiplies them by `scale`.

    Args:
      target: [n, ..], float16 or float32, of as many values a frame as the records.
      encoded: n records.
      dtype: of the records, `float16` or `uint8`.
      scale: in float32.
    """
    if dtype == "float16":
        _write_scaled(np.frombuffer(encoded, "<f2").reshape(target.shape), scale, target)
        return
    size = math.prod(target.shape[1:])
    rows = np.frombuffer(encoded, np.uint8).reshape(len(target), PEAK_BYTES + size)
    peaks = np.ascontiguousarray(rows[:, :PEAK_BYTES]).view("<f4")
    # A frame has only 256 different values: its table of them is computed once, then looked up,
    # which is three times as fast as computing every value.
    squares = np.square(np.arange(256, dtype=np.float32))
    levels = (squares * (peaks / np.float32(LEVELS * LEVELS))).astype(np.float16)
    tables = np.empty(levels.shape, target.dtype)
    _write_scaled(levels, scale, tables)
    for frame, table, row in zip(target.reshape(len(target), size), tables, rows, strict=True):
        # A code is always a place of the table; `clip` only spares NumPy a buffer.
        np.take(table, row[PEAK_BYTES:], out=frame, mode="clip")


def _write_scaled(features: np.ndarray, scale: float, target: np.ndarray) -> None:
    if scale == 1.0:
        target[...] = features
    else:
        # Multiplied in float32 and rounded once, whatever the type of `target`.
        np.multiply(features, np.float32(scale), out=target, dtype=np.float32, casting="same_kind")


def feature_moments(array: np.ndarray) -> Moments:
    """Returns the sum and the sum of squares of decoded features [n, *shape]."""
    total, square = 0.0, 0.0
    for start in range(0, len(array), _FRAMES_AT_ONCE):
        block = array[start : start + _FRAMES_AT_ONCE].astype(np.float64)
        total += float(block.sum())
        square += float(np.square(block).sum())
    return Moments(total, square)


def feature_mean_and_deviation(parts: Sequence[Moments], count: int) -> tuple[float, float]:
    """Returns the mean and the standard deviation of values, from the moments of their parts.

    Args:
      parts: the moments, one for each video.
      count: of all values.

    Raises:
      FileError: there are no values.
    """
    if not count:
        raise FileError("no features to take statistics of; expected a video")
    # `fsum` is exact, so the result does not depend on the order of the videos.
    mean = math.fsum(part.total for part in parts) / count
    square = math.fsum(part.square for part in parts) / count
    # Rounding can leave the difference a little below zero where all values are alike.
    return mean, math.sqrt(max(0.0, square - mean * mean))
