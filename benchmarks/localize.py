"""How long does it take to make boxes at 320x240 from a 7x7 attention map, beside plain SciPy?

Run from the root of the checkout: OPENBLAS_NUM_THREADS=1 python -m benchmarks.localize. Times are
processor time, so that a busy machine changes them little. No time is reported if any box differs.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy
from scipy import ndimage

from benchmarks import command_line, record
from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.boxes import frame_boxes
from videolstm_jax.localize.saliency import saliency
from videolstm_jax.localize.tubes import video_tube

SIZE, SIGMA, THETA, FRAMES, REPEATS = (240, 320), 20.0, 100.0, 64, 15


def ours(attention: np.ndarray) -> np.ndarray:
    """Makes boxes [n, 4] of one map by two small matrices."""
    return frame_boxes(
        saliency(attention[None], SIZE, settings=LocalizeConfig(sigma=SIGMA))[0], THETA
    )[0]


def scipy_chain(attention: np.ndarray) -> np.ndarray:
    """Makes boxes [n, 4] by zoom, gaussian_filter, label and find_objects, as in their manuals."""
    # sigma is given for 224 pixels. `grid_mode` puts values at the centres of cells, as we do.
    size = np.array(SIZE)
    zoomed = ndimage.zoom(attention, size / 7, order=1, grid_mode=True, mode="grid-mirror")
    blurred = ndimage.gaussian_filter(zoomed, SIGMA * size / 224)
    scaled = blurred / blurred.max() * 255
    regions, count = ndimage.label(scaled >= THETA, np.ones((3, 3)))
    # The mass of each region is computed too, since our boxes come with theirs.
    ndimage.sum_labels(scaled, regions, range(1, count + 1))
    boxes = []
    for y, x in ndimage.find_objects(regions):
        boxes.append((x.start, y.start, x.stop, y.stop))
    return np.array(boxes, float)


def every_frame(make_boxes: Callable[[np.ndarray], np.ndarray], attention: np.ndarray) -> None:
    """Makes boxes of every map."""
    for frame in attention:
        make_boxes(frame)


def milliseconds(run: Callable[[], object]) -> dict[str, float]:
    """Returns the best and the median time of several passes, divided by the number of frames."""
    passes = []
    for _ in range(REPEATS):
        # Processor time: other work on the machine does not count.
        start = time.process_time()
        run()
        passes.append(1e3 * (time.process_time() - start) / FRAMES)
    return {"best": round(min(passes), 3), "median": round(float(np.median(passes)), 3)}


def main() -> None:
    """Times peaked, middling and nearly uniform maps, and writes results/localize.json."""
    options = command_line.parser(__doc__, name="localize").parse_args()
    generator = np.random.default_rng(0)
    rows = {}
    for kind, concentration in (("peaked", 0.05), ("middling", 0.5), ("nearly uniform", 20.0)):
        # A small concentration gives maps of few cells, as sharp attention has.
        maps = generator.dirichlet(np.full(49, concentration), FRAMES)
        attention = maps.reshape(FRAMES, 7, 7).astype(np.float32)
        boxes = list(map(ours, attention))
        # Times are compared only of equal work.
        different = 0
        for own, frame in zip(boxes, attention, strict=True):
            different += not np.array_equal(own, scipy_chain(frame))
        if different:
            raise SystemExit(
                f"{different} of {FRAMES} {kind} maps have other boxes than the SciPy chain: no "
                "times"
            )
        rows[kind] = {
            "boxes a frame": round(float(np.mean(list(map(len, boxes)))), 2),
            "ours": milliseconds(partial(every_frame, ours, attention)),
            "scipy chain": milliseconds(partial(every_frame, scipy_chain, attention)),
            "ours, whole tube": milliseconds(partial(video_tube, attention, SIZE, FRAMES + 1)),
        }
        print(kind, rows[kind])
    record.save(
        options.name,
        {
            "question": "milliseconds of processor time a frame from a 7x7 map to boxes at "
            "320x240; boxes identical",
            "device": record.processor(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "rows": rows,
        },
        options.out,
    )


if __name__ == "__main__":
    main()
