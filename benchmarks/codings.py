"""How many bytes does a frame of features take in each coding, and what is lost?

    python -m benchmarks.codings

Compares the two codings of the feature store, float16 and uint8, with two others in plain NumPy:
uint8 in equal steps, and a bitmask with the values above zero. Each is measured on maps of
7 x 7 x 512 as they are after a ReLU, in one thread.
Results: benchmarks/results/codings.json.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks import command_line, record
from videolstm_jax.features import records

SHAPE = (7, 7, 512)


def pool5_maps(random: np.random.Generator, frames: int) -> np.ndarray:
    """Returns heavy-tailed maps, about three quarters of them zero, as VGG-16's pool5 is."""
    normal = random.standard_normal((frames, *SHAPE), np.float32)
    # Some channels are much stronger than others.
    scale = np.exp(random.standard_normal(SHAPE[-1:], np.float32))
    # A normal number exceeds .7 in 24 % of the cases; the others become zero, as by a ReLU.
    return np.maximum((normal - 0.7) * 6 * scale, 0).astype(np.float16)


class Coding(NamedTuple):
    """A way to store maps: bytes of a frame, and what decodes all of them."""

    frame_bytes: float
    decode: Callable[[], np.ndarray]


def codings(maps: np.ndarray) -> dict[str, Coding]:
    """Returns our codings of maps [n, *SHAPE], and two others in plain NumPy for comparison."""
    frames = len(maps)
    all_codings = {}
    for dtype in records.DTYPES:
        data = records.encode_features(maps, dtype)
        all_codings[dtype] = Coding(
            len(data) / frames,
            # Defaults bind the values of this turn. Without the copy, float16 would not be read.
            lambda data=data, dtype=dtype: records.decode_features(data, SHAPE, dtype).copy(),
        )
    peaks = maps.max((1, 2, 3), keepdims=True).astype(np.float32)
    levels = np.rint(maps / peaks * 255).astype(np.uint8)
    all_codings["uint8 in equal steps"] = Coding(
        all_codings["uint8"].frame_bytes, lambda: (levels * (peaks / 255)).astype(np.float16)
    )
    flat = maps.ravel()
    mask, positive = np.packbits(flat > 0), flat[flat > 0]

    def unmask() -> np.ndarray:
        values = np.zeros(flat.size, np.float16)
        values[np.unpackbits(mask).astype(bool)] = positive
        return values.reshape(maps.shape)

    all_codings["bitmask and float16 values"] = Coding(
        (mask.nbytes + positive.nbytes) / frames, unmask
    )
    return all_codings


def measure_codings(frames: int = 64) -> dict[str, Any]:
    """Returns bytes of a frame, error, and speed of one thread, of each coding."""
    maps = pool5_maps(np.random.default_rng(1), frames)
    deviation = float(maps.astype(np.float64).std())
    figures: dict[str, Any] = {}
    for name, coding in codings(maps).items():
        decoded = coding.decode()
        # In float64, so that the error is that of the coding and not of the difference.
        error = decoded.astype(np.float64) - maps
        rms = float(np.sqrt(np.mean(error**2)))
        lost = float(((decoded == 0) & (maps > 0)).sum() / (maps > 0).sum())
        figures[name] = {
            "bytes_a_frame": round(coding.frame_bytes),
            "of_float16": round(coding.frame_bytes / records.feature_record_bytes(SHAPE), 3),
            "rms_error_in_deviations": round(rms / deviation, 6),
            "above_zero_lost": round(lost, 5),
            "decoded_mb_per_processor_s": round(_decoding_rate(coding, maps.nbytes)),
        }
    figures["zeros"] = round(float((maps == 0).mean()), 3)
    return figures


def _decoding_rate(coding: Coding, size: int) -> float:
    """Returns MB of float16 that are decoded in a second of one processor."""
    # Processor time for one second: other work on the machine does not count, and quick codings
    # are decoded often enough to be timed.
    start, turns = time.process_time(), 0
    while time.process_time() - start < 1:
        coding.decode()
        turns += 1
    return turns * size / 1e6 / (time.process_time() - start)


def main() -> None:
    """Measures every coding, prints the figures and writes them."""
    parser = command_line.parser(__doc__, name="codings")
    parser.add_argument("--frames", type=int, default=64, help="that are coded together")
    options = parser.parse_args()
    figures = {
        "device": record.processor(),
        "frames": options.frames,
        "shape": SHAPE,
        "codings": measure_codings(options.frames),
    }
    record.save(options.name, figures, options.out)


if __name__ == "__main__":
    main()
