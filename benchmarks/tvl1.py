"""How long does the optical flow of one pair of frames take, beside OpenCV and scikit-image?

    python -m benchmarks.tvl1 --video CLIP

Compares our TV-L1 with OpenCV's DualTVL1 and scikit-image's TV-L1 in the same run. Every contender
gets the same frames, two threads and its default settings (OpenCV's are those of the paper's
authors), and they take turns. Without a video the frames are a smooth texture that drifts; OpenCV
stops early where little moves, so a real clip is more informative.
Results: benchmarks/results/tvl1_<backend>.json.
"""

from __future__ import annotations

import importlib
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
from scipy import ndimage

from benchmarks import command_line, record
from videolstm_jax.flow import batched, image
from videolstm_jax.video import decode

# OpenCV and scikit-image are extras. They are imported where they run, so that --help needs none.
THREADS = 2
BOUND = 20.0
"""Pixels of motion that our flow images are scaled by; it does not change how long they take."""


def drifting_texture(frames: int, width: int, height: int) -> np.ndarray:
    """Returns [L, H, W] uint8 of a texture that moves by 3 and 1 pixels a frame."""
    noise = np.random.default_rng(0).normal(size=(height, width))
    # Several scales, as in natural images: one alone would suit one level of the pyramid.
    scales = (1.5, 3, 6)
    texture = np.zeros_like(noise)
    for sigma in scales:
        texture += ndimage.gaussian_filter(noise, sigma, mode="wrap") * sigma
    texture = np.uint8((texture - texture.min()) / np.ptp(texture) * 255)
    # It wraps around, so that no edge comes into view.
    moved = []
    for t in range(frames):
        moved.append(np.roll(texture, (t, 3 * t), (0, 1)))
    return np.stack(moved)


def our_flow(frames: np.ndarray) -> None:
    """Computes flow as the stage prepare does, images in [0, 255] included."""
    list(
        batched.batched_tvl1_images(
            [("clip", frames)], lambda width, height: BOUND, workers=THREADS
        )
    )


def opencv_flow(frames: np.ndarray) -> None:
    """Computes pair after pair; OpenCV spreads each over the threads."""
    cv2 = importlib.import_module("cv2")
    cv2.setNumThreads(THREADS)
    method = cv2.optflow.DualTVL1OpticalFlow_create()
    for before, after in itertools.pairwise(frames):
        method.calc(before, after, None)


def skimage_flow(frames: np.ndarray) -> None:
    """Computes two pairs at a time, each in one thread."""
    optical_flow_tvl1 = importlib.import_module("skimage.registration").optical_flow_tvl1
    images = frames / np.float32(255)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(optical_flow_tvl1, images[:-1], images[1:]))


CONTENDERS = {"ours": our_flow, "OpenCV DualTVL1": opencv_flow, "scikit-image": skimage_flow}


def time_flow(
    contenders: dict[str, Callable[[np.ndarray], None]], frames: np.ndarray, repeats: int
) -> dict[str, dict]:
    """Returns milliseconds a pair of each contender, wall time and processor time."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    our_flow(frames)  # compiles
    for _ in range(repeats):
        for name, compute in contenders.items():
            wall, busy = time.perf_counter(), time.process_time()
            compute(frames)
            times[name].append((time.perf_counter() - wall, time.process_time() - busy))
    scale = 1e3 / (len(frames) - 1)
    figures = {}
    for name, pairs in times.items():
        # The best of each: other work on the machine only adds to a time.
        wall, busy = zip(*pairs, strict=True)
        figures[name] = {
            "ms_a_pair": round(min(wall) * scale, 2),
            "processor_ms_a_pair": round(min(busy) * scale, 2),
        }
    return figures


def main() -> None:
    """Times a large and a small size, prints the figures and writes them."""
    parser = command_line.parser(__doc__, name="tvl1", repeats=3)
    parser.add_argument("--video", default="", help="a clip to take the frames from")
    parser.add_argument("--pairs", type=int, default=12, help="of 340 x 256 pixels")
    parser.add_argument("--small_pairs", type=int, default=128, help="of 64 x 64 pixels")
    options = parser.parse_args()
    source = "a drifting texture"
    if options.video:
        source = "a real clip"
    figures = {
        "device": record.device(),
        "jax": jax.__version__,
        "opencv": importlib.import_module("cv2").__version__,
        "threads": THREADS,
        "frames": source,
    }
    for width, height, pairs in ((340, 256, options.pairs), (64, 64, options.small_pairs)):
        if options.video:
            clip = decode.read_video(options.video, size=(width, height), max_frames=pairs + 1)
            frames = image.grey_frames_for_flow(clip)
        else:
            frames = drifting_texture(pairs + 1, width, height)
        key = f"{width}x{height}, {len(frames) - 1} pairs"
        figures[key] = time_flow(CONTENDERS, frames, options.repeats)
    record.save(f"{options.name}_{jax.default_backend()}", figures, options.out)


if __name__ == "__main__":
    main()
