"""How long does the flow of one pair take, beside OpenCV's DualTVL1 and scikit-image's TV-L1 in the
same run?

Run from the root of the checkout: python -m benchmarks.tvl1 --video CLIP. Every contender gets the
same frames, two threads and its default settings (OpenCV's are those of the paper's authors), and
they take turns. Without a video the frames are a smooth texture that drifts; OpenCV stops early
where little moves, so a real clip says more.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import jax
import numpy as np
from scipy import ndimage
from skimage.registration import optical_flow_tvl1

from benchmarks import record
from videolstm_jax.flow import batched, image
from videolstm_jax.video import decode

THREADS = 2


def drifting(frames: int, width: int, height: int) -> np.ndarray:
    """[L, H, W] uint8 of a texture that moves by 3 and 1 pixels a frame."""
    noise = np.random.default_rng(0).normal(size=(height, width))
    texture = sum(
        ndimage.gaussian_filter(noise, sigma, mode="wrap") * sigma for sigma in (1.5, 3, 6)
    )
    texture = np.uint8((texture - texture.min()) / np.ptp(texture) * 255)
    return np.stack([np.roll(texture, (t, 3 * t), (0, 1)) for t in range(frames)])


def ours(frames: np.ndarray) -> None:
    """As `prepare` does it, images in [0, 255] included."""
    list(batched.flow_images([("clip", frames)], lambda width, height: 20.0, workers=THREADS))


def opencv(frames: np.ndarray) -> None:
    """Pair after pair; OpenCV spreads each over the threads."""
    cv2.setNumThreads(THREADS)
    method = cv2.optflow.DualTVL1OpticalFlow_create()
    for a, b in itertools.pairwise(frames):
        method.calc(a, b, None)


def skimage(frames: np.ndarray) -> None:
    """Two pairs at a time, one thread each."""
    with ThreadPoolExecutor(THREADS) as pool:
        list(
            pool.map(optical_flow_tvl1, frames[:-1] / np.float32(255), frames[1:] / np.float32(255))
        )


def timed(
    contenders: dict[str, Callable[[np.ndarray], None]], frames: np.ndarray, repeats: int
) -> dict[str, dict]:
    """Milliseconds a pair, wall time and processor time."""
    passes: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    ours(frames)  # compiles
    for _ in range(repeats):
        for name, run in contenders.items():
            wall, busy = time.perf_counter(), time.process_time()
            run(frames)
            passes[name].append((time.perf_counter() - wall, time.process_time() - busy))
    scale = 1e3 / (len(frames) - 1)
    return {
        name: {
            "ms_a_pair": round(min(wall for wall, _ in times) * scale, 2),
            "processor_ms_a_pair": round(min(busy for _, busy in times) * scale, 2),
        }
        for name, times in passes.items()
    }


def main() -> None:
    """Times the large and the small size, prints and writes to benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", default="", help="a clip to take the frames from")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--small_pairs", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    found = {
        "device": record.device(),
        "jax": jax.__version__,
        "opencv": cv2.__version__,
        "threads": THREADS,
        "frames": "a real clip" if args.video else "a drifting texture",
    }
    for width, height, pairs in ((340, 256, args.pairs), (64, 64, args.small_pairs)):
        if args.video:
            frames = image.grey(decode.read(args.video, size=(width, height), max_frames=pairs + 1))
        else:
            frames = drifting(pairs + 1, width, height)
        contenders = {"ours": ours, "OpenCV DualTVL1": opencv, "scikit-image": skimage}
        found[f"{width}x{height}, {len(frames) - 1} pairs"] = timed(
            contenders, frames, args.repeats
        )
    record.save(f"tvl1_{jax.default_backend()}", found)


if __name__ == "__main__":
    main()
