"""What do the stages cost at the paper's sizes: flow at 340 x 256, VGG-16 at 224 x 224, on real
clips of many sizes?

Run from the root of the checkout: python -m benchmarks.full_size --data DIR, where DIR holds
ucf101_clips, hmdb51_clips and fight_surv. Every clip goes through `prepare` and `extract` as in a
walk, its first 64 frames, with random weights, which cost as much as trained ones. Then a few
training steps of VGG-16 and of the VideoLSTM. `benchmarks.costs` makes docs/costs.md of the
results.
"""

from __future__ import annotations

import argparse
import csv
import os
import pathlib
import tempfile
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import record
from videolstm_jax import Batch, Clip, Inputs, ModelConfig, make_model
from videolstm_jax.artifacts import Workdir, load_dataset
from videolstm_jax.config import RunConfig, change
from videolstm_jax.dataset.lists import video_extension
from videolstm_jax.files import read_jsonl
from videolstm_jax.nn.vgg import make_convnet
from videolstm_jax.stages import extract, fit_convnet, prepare
from videolstm_jax.train.optim import convnet_optimizer, rmsprop
from videolstm_jax.train.state import new_state
from videolstm_jax.train.step import convnet_loss, make_step, model_loss

SETS = ("ucf101_clips", "hmdb51_clips", "fight_surv")


def write_list(data: pathlib.Path, folder: pathlib.Path, most: int) -> None:
    """Writes labels.csv of the clips of each set, at most so many a set, in turn for training and
    for testing.
    """
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "part"))
        for name in SETS:
            clips = sorted(path for path in (data / name).rglob("*") if video_extension(path.name))
            for number, path in enumerate(clips[: most or None]):
                rows.writerow((path.resolve(), name, ("train", "test")[number % 2]))


def stages(cfg: RunConfig, *, online: bool) -> dict:
    """Frames and seconds of each stage, and the bytes that they leave."""
    found: dict[str, dict] = {}
    work = Workdir(cfg.workdir)

    def timed(name: str, run: Callable[[], object]) -> None:
        began = time.perf_counter()
        run()
        seconds = time.perf_counter() - began
        frames = sum(video.frames - 1 for video in load_dataset(work.dataset).videos)
        found[name] = {
            "frames": frames,
            "seconds": round(seconds, 2),
            "frames_per_second": round(frames / seconds, 2),
        }
        print(
            f"{name}: {frames} frames in {seconds:.1f} s, {frames / seconds:.2f} a second",
            flush=True,
        )

    timed("decode and check", lambda: prepare.run(change(cfg, flow__online=True)))
    timed("prepare", lambda: prepare.run(cfg))
    for stream in ("rgb", "flow"):
        here = change(cfg, data__stream=stream)
        fit_convnet.run(here)
        timed(f"extract {stream}", lambda here=here: extract.run(here))
    kept = {"flow": _bytes(work.flow)} | {
        layer: _bytes(work.features("rgb", layer)) for layer in ("pool5", "fc7", "logits")
    }
    if online:
        (work.path / "features").rename(work.path / "features of two steps")
        timed("extract online", lambda: extract.run(change(cfg, flow__online=True)))
        same = _files(work.path / "features") == _files(work.path / "features of two steps")
        found["extract online"]["same_bytes_as_two_steps"] = same
    frames = found["prepare"]["frames"]
    return {
        "stages": found,
        "bytes_per_frame": {name: round(size / frames, 1) for name, size in kept.items()},
        "bad": len(read_jsonl(work.bad)) if work.bad.exists() else 0,
    }


def training(cfg: RunConfig, *, images: int, clips: int, frames: int, steps: int) -> dict:
    """Seconds of a training step: VGG-16 on `images` frames, VideoLSTM on `clips` of so many
    frames.
    """
    random = np.random.default_rng(0)
    net, tx = make_convnet(cfg.convnet, 3, 101), convnet_optimizer(cfg.convnet)
    side = cfg.convnet.image_size
    image = random.normal(0, 50, (images, side, side, 3)).astype(np.float32)
    state = new_state(jax.jit(net.init)(jax.random.key(0)), tx)
    seconds = _step(
        make_step(convnet_loss(net.apply), tx, 0), state, (image, np.arange(images) % 101), steps
    )
    found = {
        "vgg16": {
            "batch": images,
            "seconds_a_step": seconds,
            "seconds_a_frame": round(seconds / images, 5),
        }
    }
    del state
    model, tx = make_model(ModelConfig(classes=101)), rmsprop(cfg.optim)
    maps = random.normal(size=(2, clips, frames, 7, 7, 512)).clip(0).astype(np.float32)
    batch = Batch(
        Clip(Inputs(*maps), np.ones((clips, frames), bool)),
        np.arange(clips) % 101,
        np.ones(clips, "f"),
    )
    state = new_state(jax.jit(model.init)(jax.random.key(0)), tx)
    seconds = _step(make_step(model_loss(model.apply), tx, 0), state, batch, steps)
    return found | {
        "videolstm": {
            "batch": clips,
            "frames": frames,
            "seconds_a_step": seconds,
            "seconds_a_frame": round(seconds / clips / frames, 5),
        }
    }


def _step(step: Callable, state: object, batch: object, steps: int) -> float:
    """The quickest of some steps, in seconds, after one that compiles."""
    batch, times = jax.tree.map(jnp.asarray, batch), []
    for _ in range(steps + 1):
        began = time.perf_counter()
        state, metrics = step(state, batch)
        jax.block_until_ready(metrics.loss)
        times.append(time.perf_counter() - began)
    return round(min(times[1:]), 3)


def _bytes(folder: os.PathLike) -> int:
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())


def _files(folder: os.PathLike) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in pathlib.Path(folder).rglob("*")
        if path.is_file()
    }


def main() -> None:
    """Measures, prints and writes benchmarks/results/full_size_<backend>.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", default=os.environ.get("VIDEOLSTM_REAL_DATA", ""), help="the folder of real clips"
    )
    parser.add_argument("--clips", type=int, default=0, help="of each set; 0 takes all")
    parser.add_argument("--max_frames", type=int, default=64)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--images", type=int, default=16, help="in a training step of VGG-16")
    parser.add_argument(
        "--train_clips", type=int, default=4, help="in a training step of VideoLSTM"
    )
    parser.add_argument("--train_frames", type=int, default=10, help="of each of them")
    parser.add_argument("--steps", type=int, default=3, help="training steps that are timed")
    parser.add_argument(
        "--online", type=int, default=1, help="0 leaves out the extraction in one pass"
    )
    parser.add_argument(
        "--results", default=str(record.RESULTS), help="where the figures are written"
    )
    args = parser.parse_args()
    if not args.data:
        print("full_size: no folder of real clips; expected --data DIR or VIDEOLSTM_REAL_DATA")
        return
    with tempfile.TemporaryDirectory() as folder:
        write_list(pathlib.Path(args.data), pathlib.Path(folder), args.clips)
        cfg = change(
            RunConfig(workdir=f"{folder}/work"),
            data__videos=folder,
            data__max_frames=args.max_frames,
            data__workers=args.workers,
            convnet__steps=1,
            convnet__batch=2,
            convnet__learning_rate=0.0,
            convnet__pixel_scale=1 / 58,
        )  # random weights as they are, and features that float16 holds
        found = stages(cfg, online=bool(args.online))
        sizes = {
            f"{video.width}x{video.height}"
            for video in load_dataset(Workdir(cfg.workdir).dataset).videos
        }
        videos = len(load_dataset(Workdir(cfg.workdir).dataset).videos)
    found |= {
        "device": record.device(),
        "backend": jax.default_backend(),
        "jax": jax.__version__,
        "workers": args.workers,
        "clips": videos,
        "sizes": sorted(sizes),
        "max_frames": args.max_frames,
        "training": training(
            cfg,
            images=args.images,
            clips=args.train_clips,
            frames=args.train_frames,
            steps=args.steps,
        ),
    }
    record.save(f"full_size_{jax.default_backend()}", found, args.results)


if __name__ == "__main__":
    main()
