"""How fast are random clips of 30 frames read from the feature store, beside TFRecords?

    python -m benchmarks.store

Compares the store as float16 and as uint8 with TFRecord files of one video each, with a record a
frame or with the video as one record, in the same run. Maps of 7 x 7 x 512 as they are after a ReLU
are made for videos as long as UCF101's. A process on 1, 2, 4 .. cores draws batches from each in
turn. Useful bytes are those of the clips as float16, whatever was read to get them. See
`benchmarks.codings` for the size and the error of each coding.
Results: benchmarks/results/store.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks import command_line, record
from benchmarks.codings import SHAPE, pool5_maps
from videolstm_jax.config import DataConfig
from videolstm_jax.features import records
from videolstm_jax.features.compact import compact_store
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.types import Video

# Set before TensorFlow is imported, which reads them once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

ROOT = pathlib.Path(__file__).parents[1]
FRAMES = 30
STEP_SECONDS = 0.11
"""An estimate of what an H200 takes for a step of VideoLSTM at batch 128 x 30."""


# ---- what is read --------------------------------------------------------------------------------


def write_contenders(folder: pathlib.Path, videos: int, seed: int = 0) -> None:
    """Writes the same features four times: two stores, TFRecords of a frame or a video a record."""
    random = np.random.default_rng(seed)
    writer = FeatureWriter(folder / "float16", SHAPE, {"made": "up"})
    names = [f"c{number % 5}/v{number:03}" for number in range(videos)]
    for name in names:
        # Lengths have a mean of 186 frames, as UCF101's.
        length = int(np.clip(random.lognormal(5.1, 0.5), 29, 900))
        maps = pool5_maps(random, length)
        writer.write(name, maps)
        _write_tfrecord(folder / "frames" / f"{name}.tfrecord", map(np.ndarray.tobytes, maps))
        _write_tfrecord(folder / "video" / f"{name}.tfrecord", [maps.tobytes()])
    writer.finish(names)
    compact_store(folder / "float16", folder / "uint8")


def _write_tfrecord(path: pathlib.Path, rows: Iterable[bytes]) -> None:
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as file:
        for row in rows:
            file.write(row)


# ---- contenders ----------------------------------------------------------------------------------


class Load(NamedTuple):
    """What a contender is asked to do: clips of a batch, and threads that read."""

    batch: int
    workers: int


def store_clips(folder: pathlib.Path, kind: str, load: Load) -> Iterator[Any]:
    """Yields batches from a store, `float16` or `uint8`, as the stage train draws them."""
    from videolstm_jax.clips.batches import train_batches
    from videolstm_jax.clips.draws import ClipDraws

    store = FeatureStore.open(folder / kind)
    videos = []
    for name, length in store.frames.items():
        videos.append(Video(name, "", 0, "train", name, length + 1, 1, 1, 25.0))
    cfg = DataConfig(batch=load.batch, frames=FRAMES, workers=load.workers)
    for batch in train_batches(store, None, videos, cfg, ClipDraws(seed=0), dtype="float16"):
        yield batch.clip.inputs.x


def tfrecord_clips(folder: pathlib.Path, kind: str, load: Load) -> Iterator[Any]:
    """Yields the same draws from a TFRecord a video, with a record of a frame or of the video."""
    import tensorflow as tf

    store = FeatureStore.open(folder / "float16")
    paths = tf.constant([str(folder / kind / f"{name}.tfrecord") for name in store.frames])
    lengths = tf.constant(list(store.frames.values()), tf.int64)
    values = int(np.prod(SHAPE))

    def uniform(seed: list, below: Any) -> Any:
        return tf.random.stateless_uniform([], seed, minval=0, maxval=below, dtype=tf.int64)

    def clip(number: Any) -> Any:
        video = uniform([0, number], len(store.frames))
        count = tf.minimum(lengths[video], FRAMES)
        start = uniform([1, number], lengths[video] - count + 1)
        rows = tf.data.TFRecordDataset(paths[video])
        if kind == "frames":
            # Reading may stop behind the last frame of the clip.
            rows = rows.skip(start).take(count)
            rows = rows.map(lambda row: tf.io.decode_raw(row, tf.float16)).batch(FRAMES)
        else:
            rows = rows.map(lambda row: tf.reshape(tf.io.decode_raw(row, tf.float16), (-1, values)))
            rows = rows.map(lambda row: row[start : start + count])
        # Short videos repeat their last frame, as our batches do.
        index = tf.minimum(tf.range(FRAMES, dtype=tf.int64), count - 1)
        return rows.map(lambda row: tf.reshape(tf.gather(row, index), (FRAMES, *SHAPE)))

    clips = tf.data.Dataset.range(2**62).interleave(
        clip,
        cycle_length=max(2, load.workers),
        block_length=1,
        num_parallel_calls=max(2, load.workers),
        deterministic=True,
    )
    return clips.batch(load.batch, drop_remainder=True).prefetch(2).as_numpy_iterator()


CONTENDERS: dict[str, tuple[Callable[..., Iterator[Any]], str]] = {
    "store, float16": (store_clips, "float16"),
    "store, uint8": (store_clips, "uint8"),
    "TFRecord, a record a frame": (tfrecord_clips, "frames"),
    "TFRecord, a record a video": (tfrecord_clips, "video"),
}


def time_contenders(
    folder: pathlib.Path, load: Load, batches: int, repeats: int
) -> dict[str, dict]:
    """Returns useful MB/s of each contender, in turns, on the cores that this process may use."""
    useful = batches * load.batch * FRAMES * records.feature_record_bytes(SHAPE) / 1e6
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTENDERS}
    for turn in range(repeats + 1):
        for name, (reader, kind) in CONTENDERS.items():
            clips = reader(folder, kind, load)
            list(itertools.islice(clips, 2))  # fills what is read ahead
            wall, busy = time.perf_counter(), time.process_time()
            for _ in itertools.islice(clips, batches):
                pass
            wall, busy = time.perf_counter() - wall, time.process_time() - busy
            if turn:  # the first turn warms up
                rates[name].append((useful / wall, useful / busy))
            del clips  # ends its threads before the next contender begins
    figures = {}
    for name, pairs in rates.items():
        by_second, by_processor_second = zip(*pairs, strict=True)
        figures[name] = {
            "median_mb_s": round(statistics.median(by_second)),
            "best_mb_s": round(max(by_second)),
            "best_mb_per_processor_s": round(max(by_processor_second)),
        }
    return figures


# ---- command -------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, name="store", repeats=3)
    parser.add_argument("--videos", type=int, default=64, help="that are made")
    parser.add_argument("--batch", type=int, default=64, help="clips of a batch")
    parser.add_argument("--batches", type=int, default=8, help="that are timed together")
    parser.add_argument("--cores", type=int, nargs="*", help="default: 1, 2, 4 .. up to all")
    parser.add_argument(
        "--folder", type=pathlib.Path, help="where features are kept for the next time"
    )
    parser.add_argument("--child", type=int, default=0, help=argparse.SUPPRESS)
    return parser


def _run_child(options: argparse.Namespace) -> None:
    """Measures on the first `options.child` cores and prints the figures as JSON."""
    # Before TensorFlow is imported, which counts the cores once. That is why each number of cores
    # has a process of its own.
    cores = sorted(os.sched_getaffinity(0))[: options.child]
    os.sched_setaffinity(0, set(cores))
    load = Load(options.batch, workers=2 * options.child)
    print(json.dumps(time_contenders(options.folder, load, options.batches, options.repeats)))


def _measure_on(cores: int, folder: pathlib.Path, options: argparse.Namespace) -> dict[str, dict]:
    """Measures in a process of its own on so many cores."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.store",
        f"--child={cores}",
        f"--folder={folder.absolute()}",
        f"--batch={options.batch}",
        f"--batches={options.batches}",
        f"--repeats={options.repeats}",
    ]
    child = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    figures = json.loads(child.stdout)
    rates = []
    for name, row in figures.items():
        rates.append(f"{name} {row['median_mb_s']} MB/s")
    print(f"{cores} cores: {', '.join(rates)}", flush=True)
    return figures


def _core_counts(options: argparse.Namespace) -> list[int]:
    if options.cores:
        return options.cores
    available = len(os.sched_getaffinity(0))
    counts, power = [], 1
    while power < available:
        counts.append(power)
        power *= 2
    return [*counts, available]


def main() -> None:
    """Writes what is read, measures, prints the figures and writes them."""
    options = _parser().parse_args()
    if options.child:
        _run_child(options)
        return
    by_cores = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or pathlib.Path(temporary)
        if not (folder / "uint8" / "index.json").exists():
            write_contenders(folder, options.videos)
        for cores in _core_counts(options):
            by_cores[cores] = _measure_on(cores, folder, options)
    ratios = {}
    for cores, rows in by_cores.items():
        fastest = 0.0
        for name, row in rows.items():
            if name.startswith("TF"):
                fastest = max(fastest, row["median_mb_s"])
        ratios[cores] = round(rows["store, float16"]["median_mb_s"] / fastest, 2)
    needed = 128 * FRAMES * records.feature_record_bytes(SHAPE) / 1e6 / STEP_SECONDS
    figures = {
        "device": record.processor(),
        "videos": options.videos,
        "batch": options.batch,
        "frames": FRAMES,
        "shape": SHAPE,
        "repeats": options.repeats,
        "cores": by_cores,
        "float16_beside_the_faster_tfrecord": ratios,
        "an_h200_at_128_x_30_wants_mb_s": round(needed),
    }
    record.save(options.name, figures, options.out)


if __name__ == "__main__":
    main()
