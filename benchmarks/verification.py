"""What does it cost to compare features with their digests, and to wait for the disk?

    python -m benchmarks.verification

Writes a store of made-up features and compares it: every byte, and once more with the record of
what has been compared. The files are in the page cache; from a disk, its own speed is the bound.
The machine may have other work, so the rate of a processor second is given too; the time for UCF101
follows from it.
Then 1,000 small files are written, with and without waiting for the disk.
Results: benchmarks/results/verification.json.
"""

from __future__ import annotations

import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np

from benchmarks import command_line, record
from videolstm_jax import files
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.verification import verify_store
from videolstm_jax.features.writer import FeatureWriter

# UCF101 has 13,320 videos of 188 frames on average; pool5 of VGG-16 is 7 x 7 x 512.
UCF101_BYTES = 124.8e9
SHAPE = (7, 7, 512)
FRAMES = 187


def write_store(folder: pathlib.Path, videos: int) -> FeatureStore:
    """Writes a store of so many videos of the mean length of UCF101's."""
    writer = FeatureWriter(folder, SHAPE, {"made": "up"})
    # The digest takes as long for any content.
    values = np.random.default_rng(0).random((FRAMES, *SHAPE), np.float32)
    names = [f"c/v{number:03d}" for number in range(videos)]
    for name in names:
        writer.write(name, values)
    return writer.finish(names)


def median_seconds(function: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Returns the median time of a call, by the clock and of all processors."""
    elapsed, processor = [], []
    for _ in range(repeats):
        start, processor_start = time.perf_counter(), time.process_time()
        function()
        elapsed.append(time.perf_counter() - start)
        processor.append(time.process_time() - processor_start)
    return statistics.median(elapsed), statistics.median(processor)


def write_small_files(folder: pathlib.Path, count: int, *, durable: bool) -> None:
    """Writes files of 1 kB, each under a temporary name that is renamed."""
    for number in range(count):
        files.write_bytes(folder / f"{number}.json", bytes(1000), durable=durable)


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = command_line.parser(__doc__, name="verification", repeats=5)
    parser.add_argument("--videos", type=int, default=40, help="files of 9.4 MB each; default: 40")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = write_store(pathlib.Path(folder), options.videos)
        names = list(store.frames)
        size = sum(store.frames.values()) * store.record_bytes
        every, processor = median_seconds(
            lambda: verify_store(store, names, "always"), options.repeats
        )
        verify_store(store, names, "once")
        again, _ = median_seconds(lambda: verify_store(store, names, "once"), options.repeats)
        small = pathlib.Path(folder) / "small"
        plain, _ = median_seconds(lambda: write_small_files(small, 1000, durable=False), 3)
        durable, _ = median_seconds(lambda: write_small_files(small, 1000, durable=True), 3)
    rate = size / processor
    figures = {
        "device": record.processor(),
        "bytes": size,
        "files": len(names),
        "always_seconds": round(every, 4),
        "megabytes_per_second": round(size / every / 1e6),
        "megabytes_per_processor_second": round(rate / 1e6),
        "once_again_milliseconds_per_file": round(1e3 * again / len(names), 4),
        "ucf101_pool5_processor_seconds": round(UCF101_BYTES / rate),
        "ucf101_once_again_seconds": round(13_320 * again / len(names), 2),
        "small_files_1000_seconds": round(plain, 3),
        "small_files_1000_durable_seconds": round(durable, 3),
    }
    record.save(options.name, figures, options.out)


if __name__ == "__main__":
    main()
