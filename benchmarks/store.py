"""How fast are random clips of 30 frames read from the feature store, beside a TFRecord a video in
the same run?

Run from the root of the checkout: python -m benchmarks.store. Makes up post-ReLU maps of 7 x 7 x
512 for videos as long as UCF101's, stores them as float16, as uint8 and as TFRecords, and lets a
process on 1, 2, 4 .. cores draw batches from each in turn. Useful bytes are those of the clips as
float16, whatever was read to get them. Then what one frame costs in each coding.
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
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks import record
from videolstm_jax.config import DataConfig
from videolstm_jax.features import records
from videolstm_jax.features.compact import compact
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.types import Video

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
ROOT = pathlib.Path(__file__).parents[1]
SHAPE, FRAMES = (7, 7, 512), 30
STEP_SECONDS = 0.11
"""What an H200 is reckoned to take for a step of VideoLSTM at batch 128 x 30."""


def maps(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Heavy-tailed maps, about three quarters of them zero, as VGG-16's pool5 is."""
    normal = rng.standard_normal((frames, *SHAPE), np.float32)
    scale = np.exp(
        rng.standard_normal(SHAPE[-1:], np.float32)
    )  # some channels are much stronger than others
    return np.maximum((normal - 0.7) * 6 * scale, 0).astype(np.float16)


def write(folder: pathlib.Path, videos: int, seed: int = 0) -> None:
    """The same features four times: two stores, and TFRecords of a frame or of a video a record."""
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    writer = FeatureWriter(folder / "float16", SHAPE, {"made": "up"})
    names = [f"c{at % 5}/v{at:03}" for at in range(videos)]
    for name in names:
        array = maps(
            rng, int(np.clip(rng.lognormal(5.1, 0.5), 29, 900))
        )  # mean 186 frames, as UCF101's
        writer.write(name, array)
        for kind, rows in (
            ("frames", [frame.tobytes() for frame in array]),
            ("video", [array.tobytes()]),
        ):
            path = folder / kind / f"{name}.tfrecord"
            path.parent.mkdir(parents=True, exist_ok=True)
            with tf.io.TFRecordWriter(str(path)) as file:
                for row in rows:
                    file.write(row)
    writer.finish(names)
    compact(folder / "float16", folder / "uint8")


def ours(folder: pathlib.Path, kind: str, batch: int, workers: int) -> Iterator[Any]:
    """Batches as the stage train draws them."""
    from videolstm_jax.clips.batches import train_batches

    store = FeatureStore.open(folder / kind)
    videos = [
        Video(name, "", 0, "train", name, length + 1, 1, 1, 25.0)
        for name, length in store.frames.items()
    ]
    drawn = train_batches(
        store,
        None,
        videos,
        DataConfig(batch=batch, frames=FRAMES, workers=workers),
        seed=0,
        dtype="float16",
    )
    return (batch.clip.inputs.x for batch in drawn)


def rival(folder: pathlib.Path, kind: str, batch: int, workers: int) -> Iterator[Any]:
    """The same draws from a TFRecord a video; a record a frame lets it stop behind the last frame
    it wants.
    """
    import tensorflow as tf

    store = FeatureStore.open(folder / "float16")
    paths = tf.constant([str(folder / kind / f"{name}.tfrecord") for name in store.frames])
    lengths = tf.constant(list(store.frames.values()), tf.int64)

    def clip(at: Any) -> Any:
        video = tf.random.stateless_uniform(
            [], seed=[0, at], minval=0, maxval=len(store.frames), dtype=tf.int64
        )
        taken = tf.minimum(lengths[video], FRAMES)
        start = tf.random.stateless_uniform(
            [], seed=[1, at], minval=0, maxval=lengths[video] - taken + 1, dtype=tf.int64
        )
        file = tf.data.TFRecordDataset(paths[video])
        if kind == "frames":
            rows = (
                file.skip(start)
                .take(taken)
                .map(lambda row: tf.io.decode_raw(row, tf.float16))
                .batch(FRAMES)
            )
        else:
            rows = file.map(
                lambda row: tf.reshape(
                    tf.io.decode_raw(row, tf.float16), (-1, int(np.prod(SHAPE)))
                )[start : start + taken]
            )
        index = tf.minimum(tf.range(FRAMES, dtype=tf.int64), taken - 1)
        return rows.map(lambda row: tf.reshape(tf.gather(row, index), (FRAMES, *SHAPE)))

    clips = tf.data.Dataset.range(2**62).interleave(
        clip,
        cycle_length=max(2, workers),
        block_length=1,
        num_parallel_calls=max(2, workers),
        deterministic=True,
    )
    return clips.batch(batch, drop_remainder=True).prefetch(2).as_numpy_iterator()


CONTENDERS: dict[str, tuple[Callable[..., Iterator[Any]], str]] = {
    "store, float16": (ours, "float16"),
    "store, uint8": (ours, "uint8"),
    "TFRecord, a record a frame": (rival, "frames"),
    "TFRecord, a record a video": (rival, "video"),
}


def measured(
    folder: pathlib.Path, batch: int, batches: int, workers: int, repeats: int
) -> dict[str, dict]:
    """Useful MB/s of each contender, in turns, on the cores this process may use."""
    useful = batches * batch * FRAMES * records.record_bytes(SHAPE) / 1e6
    passes: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTENDERS}
    for turn in range(repeats + 1):
        for name, (reader, kind) in CONTENDERS.items():
            drawn = reader(folder, kind, batch, workers)
            list(itertools.islice(drawn, 2))
            wall, busy = time.perf_counter(), time.process_time()
            for _ in itertools.islice(drawn, batches):
                pass
            if turn:  # the first turn warms
                passes[name].append(
                    (useful / (time.perf_counter() - wall), useful / (time.process_time() - busy))
                )
            del drawn
    return {
        name: {
            "median_mb_s": round(statistics.median(rate for rate, _ in found)),
            "best_mb_s": round(max(rate for rate, _ in found)),
            "best_mb_per_processor_s": round(max(rate for _, rate in found)),
        }
        for name, found in passes.items()
    }


def codings(frames: int = 64) -> dict[str, dict]:
    """Bytes of a frame, error and speed of one thread in plain NumPy; a bitmask with its values for
    comparison.
    """
    array = maps(np.random.default_rng(1), frames)
    rows = array.reshape(frames, -1)

    def unmasked(data: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        values = np.zeros(rows.size, np.float16)
        values[np.unpackbits(data[0]).astype(bool)] = data[1]
        return values.reshape(array.shape)

    peaks = array.max((1, 2, 3), keepdims=True).astype(np.float32)
    levels = np.rint(array / peaks * 255).astype(np.uint8)
    mask = (np.packbits(rows.ravel() > 0), rows.ravel()[rows.ravel() > 0])
    made = {kind: records.encode(array, kind) for kind in records.DTYPES}
    ways: dict[str, tuple[float, Callable[[], np.ndarray]]] = {
        kind: (
            len(data) / frames,
            lambda data=data, kind=kind: records.decode(data, SHAPE, kind).copy(),
        )
        for kind, data in made.items()
    }
    ways["uint8 in equal steps"] = (
        len(made["uint8"]) / frames,
        lambda: (levels * (peaks / 255)).astype(np.float16),
    )
    ways["bitmask and float16 values"] = (
        (mask[0].nbytes + mask[1].nbytes) / frames,
        lambda: unmasked(mask),
    )
    found = {}
    for name, (size, decode) in ways.items():
        error, deviation = (
            decode().astype(np.float64) - array,
            float(array.astype(np.float64).std()),
        )
        lost = float(((decode() == 0) & (array > 0)).sum() / (array > 0).sum())
        began, turns = time.process_time(), 0
        while time.process_time() - began < 1:
            decode()
            turns += 1
        rate = turns * array.nbytes / 1e6 / (time.process_time() - began)
        found[name] = {
            "bytes_a_frame": round(size),
            "of_float16": round(size / records.record_bytes(SHAPE), 3),
            "rms_error_in_deviations": round(float(np.sqrt(np.mean(error**2))) / deviation, 6),
            "above_zero_lost": round(lost, 5),
            "decoded_mb_per_processor_s": round(rate),
        }
    return found | {"zeros": round(float((array == 0).mean()), 3)}


def main() -> None:
    """Writes what is read, measures on 1, 2, 4 .. cores, prints it and writes it to
    benchmarks/results/.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cores", type=int, nargs="*", help="1, 2, 4 .. up to all, if not given")
    parser.add_argument(
        "--folder",
        type=pathlib.Path,
        help="where features made before lie, or will; else temporary",
    )
    parser.add_argument("--child", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        os.sched_setaffinity(
            0, set(sorted(os.sched_getaffinity(0))[: args.child])
        )  # before TensorFlow counts them
        print(
            json.dumps(
                measured(args.folder, args.batch, args.batches, 2 * args.child, args.repeats)
            )
        )
        return
    there = len(os.sched_getaffinity(0))
    cores = args.cores or [*(2**k for k in range(there.bit_length()) if 2**k < there), there]
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or pathlib.Path(temporary)
        if not (folder / "uint8" / "index.json").exists():
            write(folder, args.videos)
        found = {}
        for count in cores:
            words = [
                sys.executable,
                "-m",
                "benchmarks.store",
                f"--child={count}",
                f"--folder={folder.absolute()}",
                f"--batch={args.batch}",
                f"--batches={args.batches}",
                f"--repeats={args.repeats}",
            ]
            done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
            found[count] = json.loads(done.stdout)
            print(
                f"{count} cores: "
                + ", ".join(
                    f"{name} {rates['median_mb_s']} MB/s" for name, rates in found[count].items()
                ),
                flush=True,
            )
    report(args, found)


def report(args: argparse.Namespace, found: dict[int, dict[str, dict]]) -> None:
    """Prints and writes all of it, with the ratios that were asked for."""
    ratio = {
        count: round(
            rates["store, float16"]["median_mb_s"]
            / max(rates[name]["median_mb_s"] for name in CONTENDERS if name.startswith("TF")),
            2,
        )
        for count, rates in found.items()
    }
    wanted = 128 * FRAMES * records.record_bytes(SHAPE) / 1e6 / STEP_SECONDS
    record.save(
        "store",
        {
            "device": record.processor(),
            "videos": args.videos,
            "batch": args.batch,
            "frames": FRAMES,
            "shape": SHAPE,
            "repeats": args.repeats,
            "cores": found,
            "float16_beside_the_faster_tfrecord": ratio,
            "an_h200_at_128_x_30_wants_mb_s": round(wanted),
            "codings": codings(),
        },
    )


if __name__ == "__main__":
    main()
