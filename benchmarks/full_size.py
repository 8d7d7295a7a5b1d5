"""How long do the stages take at the paper's sizes, and how many bytes do they leave?

    python -m benchmarks.full_size --data DIR

Compares the stages with each other on real clips of many sizes: flow at 340 x 256, VGG-16 at
224 x 224. DIR holds ucf101_clips, hmdb51_clips and fight_surv. The first 64 frames of every clip go
through `prepare` and `extract` as in a pipeline, with random weights, which take as long as trained
ones. Then a few training steps of VGG-16 and of the VideoLSTM are timed. `benchmarks.costs` makes
docs/costs.md of the results.
Results: benchmarks/results/full_size_<backend>.json.
"""

from __future__ import annotations

import argparse
import csv
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import command_line, record
from videolstm_jax import Batch, Clip, Inputs, ModelConfig, make_model
from videolstm_jax.config import RunConfig, change
from videolstm_jax.dataset.folders.video_names import video_extension
from videolstm_jax.files import read_jsonl
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.stages import extract, fit_convnet, prepare
from videolstm_jax.train.optim import optimizer_of_convnet, rmsprop
from videolstm_jax.train.state import new_training_state
from videolstm_jax.train.step import convnet_loss, make_step, model_loss
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

SETS = ("ucf101_clips", "hmdb51_clips", "fight_surv")
CLASSES = 101
"""Of UCF101; the layers that training steps are timed with have as many outputs."""


def copy_clips(data: pathlib.Path, folder: pathlib.Path, most: int) -> None:
    """Copies the clips of each set, and writes labels.csv: in turn for training and for testing.

    Args:
      data: the folder of the sets.
      folder: of the copies and the list; a list names no file outside of its folder.
      most: clips of each set; 0 takes all.
    """
    with (folder / "labels.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "part"))
        for name in SETS:
            clips = [path for path in (data / name).rglob("*") if video_extension(path.name)]
            for number, path in enumerate(sorted(clips)[: most or None]):
                target = pathlib.Path("clips") / path.relative_to(data)
                (folder / target).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / target)
                rows.writerow((target, name, ("train", "test")[number % 2]))


# ---- stages --------------------------------------------------------------------------------------


def time_stages(cfg: RunConfig, *, online: bool) -> dict:
    """Runs the stages, and returns their frames and seconds and the bytes that they leave.

    Args:
      cfg: of all stages.
      online: whether the extraction in one pass is timed, too.
    """
    work = Workdir(cfg.workdir)
    figures = {
        "decode and check": _time_stage(
            "decode and check", cfg, lambda: prepare.run(change(cfg, flow__online=True))
        ),
        "prepare": _time_stage("prepare", cfg, lambda: prepare.run(cfg)),
    }
    for stream in ("rgb", "flow"):
        stream_cfg = change(cfg, data__stream=stream)
        # `extract` needs a backbone; its single step is not part of the measured time.
        fit_convnet.run(stream_cfg)
        name = f"extract {stream}"
        figures[name] = _time_stage(name, cfg, lambda cfg=stream_cfg: extract.run(cfg))
    sizes = {"flow": _bytes_of(work.flow)}
    for layer in ("pool5", "fc7", "logits"):
        sizes[layer] = _bytes_of(work.features("rgb", layer))
    if online:
        # Features of the extraction from stored flow are moved away, to compare the bytes.
        two_steps = work.path / "features of two steps"
        (work.path / "features").rename(two_steps)
        name = "extract online"
        figures[name] = _time_stage(name, cfg, lambda: extract.run(change(cfg, flow__online=True)))
        same = _contents(work.path / "features") == _contents(two_steps)
        figures[name]["same_bytes_as_two_steps"] = same
    frames = figures["prepare"]["frames"]
    bytes_per_frame = {}
    for name, size in sizes.items():
        bytes_per_frame[name] = round(size / frames, 1)
    bad = []
    # The file is absent where every video could be read.
    if work.bad.exists():
        bad = read_jsonl(work.bad)
    return {"stages": figures, "bytes_per_frame": bytes_per_frame, "bad": len(bad)}


def _time_stage(name: str, cfg: RunConfig, run: Callable[[], object]) -> dict:
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    videos = load_dataset(Workdir(cfg.workdir).dataset).videos
    # Pairs of frames: each gives a flow image and a record of features.
    frames = 0
    for video in videos:
        frames += video.frames - 1
    rate = frames / seconds
    print(f"{name}: {frames} frames in {seconds:.1f} s, {rate:.2f} a second", flush=True)
    return {
        "frames": frames,
        "seconds": round(seconds, 2),
        "frames_per_second": round(rate, 2),
    }


def _bytes_of(folder: os.PathLike) -> int:
    size = 0
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file():
            size += path.stat().st_size
    return size


def _contents(folder: os.PathLike) -> dict[str, bytes]:
    """Returns the bytes of all files of a folder by their relative paths."""
    contents = {}
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file():
            contents[str(path.relative_to(folder))] = path.read_bytes()
    return contents


# ---- training steps ------------------------------------------------------------------------------


def time_training(cfg: RunConfig, *, images: int, clips: int, frames: int, steps: int) -> dict:
    """Returns the seconds of a training step of VGG-16 and of the VideoLSTM.

    Args:
      cfg: sizes of the backbone and the optimizer.
      images: of a step of VGG-16.
      clips: of a step of the VideoLSTM.
      frames: of a clip.
      steps: that are timed.
    """
    backbone_seconds = _time_backbone(cfg, images, steps)
    model_seconds = _time_model(cfg, clips, frames, steps)
    return {
        "vgg16": {
            "batch": images,
            "seconds_a_step": backbone_seconds,
            "seconds_a_frame": round(backbone_seconds / images, 5),
        },
        "videolstm": {
            "batch": clips,
            "frames": frames,
            "seconds_a_step": model_seconds,
            "seconds_a_frame": round(model_seconds / clips / frames, 5),
        },
    }


def _time_backbone(cfg: RunConfig, images: int, steps: int) -> float:
    net, tx = image_network(cfg.convnet, 3, CLASSES), optimizer_of_convnet(cfg.convnet)
    side = cfg.convnet.image_size
    pixels = np.random.default_rng(0).normal(0, 50, (images, side, side, 3)).astype(np.float32)
    labels = np.arange(images) % CLASSES
    state = new_training_state(jax.jit(net.init)(jax.random.key(0)), tx)
    return _best_seconds(make_step(convnet_loss(net.apply), tx, 0), state, (pixels, labels), steps)


def _time_model(cfg: RunConfig, clips: int, frames: int, steps: int) -> float:
    model, tx = make_model(ModelConfig(classes=CLASSES)), rmsprop(cfg.optim)
    normal = np.random.default_rng(0).normal(size=(2, clips, frames, 7, 7, 512))
    x, motion = normal.clip(0).astype(np.float32)
    batch = Batch(
        Clip(Inputs(x, motion), np.ones((clips, frames), bool)),
        np.arange(clips) % CLASSES,
        np.ones(clips, "f"),
    )
    state = new_training_state(jax.jit(model.init)(jax.random.key(0)), tx)
    return _best_seconds(make_step(model_loss(model.apply), tx, 0), state, batch, steps)


def _best_seconds(step: Callable, state: object, batch: object, steps: int) -> float:
    """Returns the seconds of the quickest of some steps, after one that compiles."""
    batch = jax.tree.map(jnp.asarray, batch)
    times = []
    for _ in range(steps + 1):
        # A step takes its state's memory over, so each turn goes on from the last one.
        start = time.perf_counter()
        state, metrics = step(state, batch)
        jax.block_until_ready(metrics.loss)
        times.append(time.perf_counter() - start)
    # The quickest: other work on the machine only adds to a time.
    return round(min(times[1:]), 3)


# ---- command -------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, name="full_size")
    parser.add_argument(
        "--data", default=os.environ.get("VIDEOLSTM_REAL_DATA", ""), help="the folder of real clips"
    )
    parser.add_argument("--clips", type=int, default=0, help="of each set; 0 takes all")
    parser.add_argument("--max_frames", type=int, default=64, help="of each clip")
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
    return parser


def _config(options: argparse.Namespace, folder: str) -> RunConfig:
    return change(
        RunConfig(workdir=f"{folder}/work"),
        data__videos=folder,
        data__max_frames=options.max_frames,
        data__workers=options.workers,
        convnet__steps=1,
        convnet__batch=2,
        # Random weights stay as they are, and give features that float16 holds.
        convnet__learning_rate=0.0,
        convnet__pixel_scale=1 / 58,
    )


def main() -> None:
    """Times stages and training steps, prints the figures and writes them."""
    options = _parser().parse_args()
    if not options.data:
        print("full_size: no folder of real clips; expected --data DIR or VIDEOLSTM_REAL_DATA")
        return
    with tempfile.TemporaryDirectory() as folder:
        copy_clips(pathlib.Path(options.data), pathlib.Path(folder), options.clips)
        cfg = _config(options, folder)
        figures = time_stages(cfg, online=bool(options.online))
        videos = load_dataset(Workdir(cfg.workdir).dataset).videos
    figures |= {
        "device": record.device(),
        "backend": jax.default_backend(),
        "jax": jax.__version__,
        "workers": options.workers,
        "clips": len(videos),
        "sizes": sorted({f"{video.width}x{video.height}" for video in videos}),
        "max_frames": options.max_frames,
        "training": time_training(
            cfg,
            images=options.images,
            clips=options.train_clips,
            frames=options.train_frames,
            steps=options.steps,
        ),
    }
    record.save(f"{options.name}_{jax.default_backend()}", figures, options.out)


if __name__ == "__main__":
    main()
