"""How long is the way from one 7x7 attention map to boxes at 320x240, beside the plain SciPy chain
in the same run?

Run from the root of the checkout: OPENBLAS_NUM_THREADS=1 python -m benchmarks.localize. Times are
processor time, so that a busy machine changes them little; no time is reported if any box differs.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable

import numpy as np
import scipy
from scipy import ndimage

from benchmarks import record
from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.boxes import frame_boxes
from videolstm_jax.localize.saliency import saliency
from videolstm_jax.localize.tubes import video_tube

SIZE, SIGMA, THETA, FRAMES, REPEATS = (240, 320), 20.0, 100.0, 64, 15


def ours(attention: np.ndarray) -> np.ndarray:
    """Two small matrices, then boxes: [n, 4]."""
    return frame_boxes(
        saliency(attention[None], SIZE, settings=LocalizeConfig(sigma=SIGMA))[0], THETA
    )[0]


def scipy_chain(attention: np.ndarray) -> np.ndarray:
    """zoom, gaussian_filter, label, sums and find_objects as their manuals have them: [n, 4]."""
    zoomed = ndimage.zoom(
        attention, [side / 7 for side in SIZE], order=1, grid_mode=True, mode="grid-mirror"
    )
    blurred = ndimage.gaussian_filter(zoomed, [SIGMA * side / 224 for side in SIZE])
    scaled = blurred / blurred.max() * 255
    regions, count = ndimage.label(scaled >= THETA, np.ones((3, 3)))
    ndimage.sum_labels(scaled, regions, range(1, count + 1))
    return np.array(
        [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(regions)], float
    )


def milliseconds(run: Callable[[], object], frames: int) -> dict[str, float]:
    """The best and the median of several passes, a frame."""
    passes = []
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        passes.append(1e3 * (time.process_time() - start) / frames)
    return {"best": round(min(passes), 3), "median": round(float(np.median(passes)), 3)}


def main() -> None:
    """Times peaked, middling and nearly uniform maps, and writes results/localize.json."""
    generator = np.random.default_rng(0)
    rows = {}
    for kind, concentration in (("peaked", 0.05), ("middling", 0.5), ("nearly uniform", 20.0)):
        attention = (
            generator.dirichlet(np.full(49, concentration), FRAMES)
            .reshape(FRAMES, 7, 7)
            .astype(np.float32)
        )
        boxes = [ours(one) for one in attention]
        different = sum(
            not np.array_equal(a, scipy_chain(one)) for a, one in zip(boxes, attention, strict=True)
        )
        if different:
            raise SystemExit(
                f"{different} of {FRAMES} {kind} maps have other boxes than the SciPy chain: no times"
            )
        rows[kind] = {
            "boxes a frame": round(float(np.mean([len(one) for one in boxes])), 2),
            "ours": milliseconds(lambda maps=attention: [ours(one) for one in maps], FRAMES),
            "scipy chain": milliseconds(
                lambda maps=attention: [scipy_chain(one) for one in maps], FRAMES
            ),
            "ours, whole tube": milliseconds(
                lambda maps=attention: video_tube(maps, SIZE, FRAMES + 1), FRAMES
            ),
        }
        print(kind, rows[kind])
    record.save(
        "localize",
        {
            "question": "milliseconds of processor time a frame from a 7x7 map to boxes at 320x240; boxes identical",
            "device": record.processor(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
