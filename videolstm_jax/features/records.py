"""How the features of one frame become a record of fixed size, and what is noted of them on the
way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from videolstm_jax.errors import FileError

DTYPES = ("float16", "uint8")
LARGEST = float(np.finfo(np.float16).max)
PEAK_BYTES = 4
"""A uint8 record opens with the frame's largest value, as a little-endian float32."""
LEVELS = 255.0
_BLOCK = 64


class Moments(NamedTuple):
    """The sum and the sum of squares of some values, in float64."""

    total: float
    square: float


def check_dtype(dtype: str) -> str:
    """`dtype`, where a store can have it.

    Raises:
      FileError: it cannot.
    """
    if dtype not in DTYPES:
        raise FileError(f"features of dtype {dtype!r}; expected one of {', '.join(DTYPES)}")
    return dtype


def suffix(dtype: str) -> str:
    """What the files of a store end in."""
    return {"float16": ".f16", "uint8": ".u8"}[dtype]


def record_bytes(shape: Sequence[int], dtype: str = "float16") -> int:
    """Bytes of one frame's record: 2 a value, or 1 a value behind the peak."""
    values = math.prod(shape)
    return 2 * values if dtype == "float16" else PEAK_BYTES + values


def encode(array: np.ndarray, dtype: str, what: str = "features") -> bytes:
    """Records of some frames.

    `float16` is the values themselves. `uint8` is for maps after a ReLU, half the size: each value
    v of a frame whose largest is p becomes round(255 sqrt(v / p)). The root spends the levels where
    most values lie, near zero: the step at v is about 2 sqrt(v p) / 255.

    Args:
      array: [n, *shape], any float; for `uint8` nothing below zero.
      dtype: `float16` or `uint8`.
      what: what an error calls the array.

    Returns:
      n records, one after another.

    Raises:
      FileError: no frames, values that are not finite, that float16 does not hold, or below zero
        for `uint8`.
    """
    array = np.asarray(array)
    low, peak = (float(array.min()), float(array.max())) if array.size else (math.nan, math.nan)
    reach = max(-low, peak)
    if not reach <= LARGEST:  # also true of NaN
        raise FileError(f"{what} reach {reach}; float16 holds at most {LARGEST:.0f}")
    if dtype == "float16":
        return np.ascontiguousarray(array, "<f2").tobytes()
    if low < 0:
        raise FileError(
            f"{what} go down to {low}; uint8 holds what a ReLU leaves, nothing below zero; store them "
            "as float16"
        )
    rows = array.reshape(len(array), -1).astype(np.float32)
    peaks = rows.max(1, keepdims=True)
    codes = np.rint(LEVELS * np.sqrt(rows / np.where(peaks > 0, peaks, 1))).astype(np.uint8)
    return np.concatenate([peaks.astype("<f4").view(np.uint8), codes], axis=1).tobytes()


def decode(data: bytes, shape: Sequence[int], dtype: str) -> np.ndarray:
    """What some records hold, float16 [n, *shape]; of `float16` not to be written to."""
    if dtype == "float16":
        return np.frombuffer(data, "<f2").reshape(-1, *shape)
    values = np.empty((len(data) // record_bytes(shape, dtype), *shape), np.float16)
    decode_into(values, data, dtype)
    return values


def decode_into(out: np.ndarray, data: bytes, dtype: str, scale: float = 1.0) -> None:
    """Writes what some records hold, times `scale`, to `out`, float16 or float32 [n, ..] of as many
    values a frame.
    """
    if dtype == "float16":
        _scaled(np.frombuffer(data, "<f2").reshape(out.shape), scale, out)
        return
    values = math.prod(out.shape[1:])
    rows = np.frombuffer(data, np.uint8).reshape(len(out), PEAK_BYTES + values)
    peaks = np.ascontiguousarray(rows[:, :PEAK_BYTES]).view("<f4")
    levels = (
        np.square(np.arange(256, dtype=np.float32)) * (peaks / np.float32(LEVELS * LEVELS))
    ).astype(np.float16)
    tables = np.empty(levels.shape, out.dtype)
    _scaled(levels, scale, tables)
    for frame, table, row in zip(out.reshape(len(out), values), tables, rows, strict=True):
        np.take(
            table, row[PEAK_BYTES:], out=frame, mode="clip"
        )  # to look up is three times as fast as to reckon


def _scaled(values: np.ndarray, scale: float, out: np.ndarray) -> None:
    if scale == 1.0:
        out[...] = values
    else:
        np.multiply(values, np.float32(scale), out=out, dtype=np.float32, casting="same_kind")


def moments(array: np.ndarray) -> Moments:
    """Sum and sum of squares of what was decoded, block by block, so that a long video needs no
    second copy.
    """
    total, square = 0.0, 0.0
    for at in range(0, len(array), _BLOCK):
        values = array[at : at + _BLOCK].astype(np.float64)
        total, square = total + float(values.sum()), square + float(np.square(values).sum())
    return Moments(total, square)


def deviation(parts: Sequence[Moments], count: int) -> tuple[float, float]:
    """Mean and standard deviation of `count` values with these moments.

    Raises:
      FileError: there are no values.
    """
    if not count:
        raise FileError("no features to take statistics of")
    mean = math.fsum(part.total for part in parts) / count
    square = math.fsum(part.square for part in parts) / count
    return mean, math.sqrt(max(0.0, square - mean * mean))
