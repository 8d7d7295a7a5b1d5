"""How far from the truth is the optical flow, beside OpenCV and scikit-image, and how fast?

    python -m benchmarks.flow_truth --truth=FOLDER

Compares our methods `tvl1` and `tvl1_edges`, OpenCV's DualTVL1 and scikit-image's TV-L1 on pairs
whose true flow is known (`benchmarks/flow_pairs.py` lists their files below FOLDER). All get the
same grey pictures, OpenCV and scikit-image have their default settings, and they take turns. Errors
are end-point errors in pixels, over the pixels whose truth is known. Prints the name of each pair
before it is measured, the figures as JSON, and the first table of docs/experiments/flow_truth.md:
for each pair and method the mean and the median error, the share above 3 pixels, the mean over
visible pixels, processor seconds of a pair and their ratio to `tvl1`.
Results: benchmarks/results/flow_truth_<backend>.json.
"""

from __future__ import annotations

import importlib
import pathlib
import statistics
import time
from collections.abc import Callable

import jax
import numpy as np

from benchmarks import command_line, flow_pairs, record
from videolstm_jax.flow import batched

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Two pictures [H, W] uint8 to the displacements [H, W, 2] of the first one's pixels."""

OUTLIER = 3.0
"""Pixels; KITTI counts the share of larger errors."""


def our_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Computes our TV-L1, the method `tvl1`."""
    return batched.tvl1_of_arrays(first[None], second[None])[0]


def our_flow_at_edges(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Computes its variant, the method `tvl1_edges`."""
    return batched.tvl1_edges_of_arrays(first[None], second[None])[0]


# OpenCV and scikit-image are extras. They are imported where they run, so that --help needs none.
def opencv_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Computes OpenCV's DualTVL1 in one thread: more of them wait for each other."""
    cv2 = importlib.import_module("cv2")
    cv2.setNumThreads(1)
    return cv2.optflow.DualTVL1OpticalFlow_create().calc(first, second, None)


def skimage_flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Computes scikit-image's TV-L1, which expects grey levels in [0, 1]."""
    optical_flow_tvl1 = importlib.import_module("skimage.registration").optical_flow_tvl1
    v, u = optical_flow_tvl1(first / np.float32(255), second / np.float32(255))
    return np.stack([u, v], -1)


OURS = "tvl1"
"""The method that the ratios of the times are to."""

METHODS = {
    OURS: our_flow,
    "tvl1_edges": our_flow_at_edges,
    "OpenCV DualTVL1": opencv_flow,
    "scikit-image": skimage_flow,
}


def errors(
    flow: np.ndarray, truth: flow_pairs.TrueFlow, visible: np.ndarray | None
) -> dict[str, float]:
    """Measures the end-point errors of one pair.

    Args:
      flow: [H, W, 2], pixels.
      truth: of the same size.
      visible: [H, W] bool, the valid pixels that both pictures show; None where it is unknown.

    Returns:
      The mean and median over valid pixels, the share of errors above 3 pixels, and, where it is
      known, the mean over visible pixels.
    """
    distance = np.linalg.norm(flow - truth.flow, axis=-1)
    valid = distance[truth.valid]
    figures = {
        "mean": round(float(valid.mean()), 4),
        "median": round(float(np.median(valid)), 4),
        "above_3": round(float((valid > OUTLIER).mean()), 4),
    }
    if visible is not None:
        figures["mean_visible"] = round(float(distance[visible].mean()), 4)
    return figures


def measure(
    methods: dict[str, Method], folder: pathlib.Path, pair: flow_pairs.FlowFiles, repeats: int
) -> dict[str, dict[str, float]]:
    """Returns errors and seconds of every method on one pair."""
    first = flow_pairs.read_grey(folder / pair.first)
    second = flow_pairs.read_grey(folder / pair.second)
    truth = flow_pairs.read_truth(folder / pair.truth)
    visible = flow_pairs.visible(folder, pair, truth)
    flows = {}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in methods}
    # Compiles, which the times must not contain.
    our_flow(first, second)
    our_flow_at_edges(first, second)
    for _ in range(repeats):
        for name, method in methods.items():
            wall, busy = time.perf_counter(), time.process_time()
            flows[name] = method(first, second)
            times[name].append((time.perf_counter() - wall, time.process_time() - busy))
    figures = {}
    for name, flow in flows.items():
        walls, busys = zip(*times[name], strict=True)
        figures[name] = errors(flow, truth, visible) | {
            "seconds": round(statistics.median(walls), 3),
            "processor_seconds": round(statistics.median(busys), 3),
        }
    return figures


def table(pairs: dict[str, dict[str, dict[str, float]]]) -> str:
    """Returns a Markdown table of the figures by pair and method.

    Times are processor seconds, which other work on the machine changes least; their ratio is to
    our `tvl1`.
    """
    rows = [
        "| pair | method | mean error | median | above 3 pixels | mean, visible pixels "
        "| seconds a pair | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, methods in pairs.items():
        best = min(figures["mean"] for figures in methods.values())
        unit = methods[OURS]["processor_seconds"]
        for method, figures in methods.items():
            mean = f"{figures['mean']:.3f}"
            if figures["mean"] == best:
                mean = f"**{mean}**"
            visible = "-"
            if "mean_visible" in figures:
                visible = f"{figures['mean_visible']:.3f}"
            seconds = figures["processor_seconds"]
            cells = [
                name,
                method,
                mean,
                f"{figures['median']:.3f}",
                f"{100 * figures['above_3']:.1f} %",
                visible,
                f"{seconds:.2f}",
                f"{seconds / unit:.1f}",
            ]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    """Measures every pair, prints the table and writes the figures."""
    parser = command_line.parser(__doc__, name="flow_truth", repeats=3)
    parser.add_argument("--truth", required=True, help="the folder of the pairs")
    options = parser.parse_args()
    folder = pathlib.Path(options.truth)
    if not folder.is_dir():
        parser.error(f"--truth={options.truth} is no folder; expected the folder of the pairs")
    figures = {
        "device": record.device(),
        "jax": jax.__version__,
        "opencv": importlib.import_module("cv2").__version__,
        "skimage": importlib.import_module("skimage").__version__,
        "repeats": options.repeats,
        "pairs": {},
    }
    for name, pair in flow_pairs.PAIRS.items():
        print(f"measuring {name}", flush=True)
        figures["pairs"][name] = measure(METHODS, folder, pair, options.repeats)
    record.save(f"{options.name}_{jax.default_backend()}", figures, options.out)
    print(table(figures["pairs"]))


if __name__ == "__main__":
    main()
