"""What processor time do improved dense trajectories take a frame, beside the flow they need?

    python -m benchmarks.trajectories --name=cpu --videos clip.avi other.avi

One thread where OMP_NUM_THREADS=1. Results: benchmarks/results/trajectories_<name>.json.
"""

from __future__ import annotations

import pathlib
import time
from typing import Any

import numpy as np

from benchmarks import command_line, record
from videolstm_jax.flow import batched
from videolstm_jax.flow.packing import flow_pairs_in_batch
from videolstm_jax.trajectories.dense import PAPER_SETTINGS, improved_trajectories
from videolstm_jax.video.decode import FrameFormat, read_video_formats


def main() -> None:
    """Measures each video, and writes the results."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--videos", nargs="+", required=True, help="video files")
    parser.add_argument("--frames", type=int, default=60, help="of each, at most; default: 60")
    options = parser.parse_args()
    rows = {}
    for path in options.videos:
        (frames,) = read_video_formats(path, [FrameFormat(grey=True)], max_frames=options.frames)
        rows[pathlib.Path(path).stem] = _measured(frames)
    figures = {"question": command_line.question(__doc__), "videos": rows}
    record.save(f"trajectories_{options.name}", figures, options.out)


def _measured(frames: np.ndarray) -> dict[str, Any]:
    """Milliseconds of processor time a pair of frames [L, H, W], and the trajectories of all."""
    pairs, (height, width) = len(frames) - 1, frames.shape[1:]
    size = flow_pairs_in_batch(height, width)
    # Compiles, which is no part of the time of a pair.
    batched.tvl1_of_arrays(*np.zeros((2, size, height, width), np.uint8))
    start = time.process_time()
    flow = np.stack(list(batched.flow_pairs_in_order(frames, batched.tvl1_of_arrays)))
    of_flow = time.process_time() - start
    figures: dict[str, Any] = {"size": f"{width} x {height}", "pairs": pairs}
    figures["flow_ms"] = round(1000 * of_flow / pairs, 1)
    for name, camera in (("", True), ("_still_camera", False)):
        settings = PAPER_SETTINGS._replace(camera=camera)
        start = time.process_time()
        count = sum(len(block.hog) for block in improved_trajectories(frames, flow, settings))
        figures[f"trajectories_ms{name}"] = round(1000 * (time.process_time() - start) / pairs, 1)
        figures[f"count{name}"] = count
    return figures


if __name__ == "__main__":
    main()
