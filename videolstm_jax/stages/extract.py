"""Runs the ConvNet of one stream over every frame of every video, for its features and its own scores."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

from videolstm_jax.artifacts import ArtifactError, Workdir, load_dataset, read_json, save_scores, write_json
from videolstm_jax.config import RunConfig
from videolstm_jax.data.features import FeatureStore, FeatureWriter
from videolstm_jax.data.frames import FrameReader, video_frames
from videolstm_jax.data.images import pixels
from videolstm_jax.data.prefetch import prefetch
from videolstm_jax.data.shards import Shard
from videolstm_jax.measure.accuracy import top_k
from videolstm_jax.measure.scores import softmax
from videolstm_jax.nn.vgg import Taps, make_convnet
from videolstm_jax.train.log import Progress
from videolstm_jax.train.runs import TrainedConvNet, load_convnet
from videolstm_jax.types import Dataset, Scores, Video

BLOCK = 32
"""Frames in each pass; a video's last block is filled up, so that nothing is traced twice."""
SCORED = 25
"""Equally spaced frames whose class probabilities are averaged for the score of a video."""


def run(cfg: RunConfig, *, shard: Shard = Shard()) -> epath.Path:  # noqa: B008, a tuple that nothing can change
    """Writes `features/<stream>/{pool5,fc7,logits}` of all videos, and what the ConvNet alone says of the test list.

    That is `scores.npz` and `accuracy.json`, of frames and of videos, in `convnets/<stream>/`.
    A video of L frames has L - 1, since so many have a flow. What a killed run finished is not made again.

    Of several workers, each takes its shard of the videos; who finds that no other has any left finishes the stores.

    Returns:
      The folder of the stream's features.

    Raises:
      ArtifactError: no ConvNet, or one of other classes; videos that cannot be read; features of another ConvNet are
        in the way.
    """
    work, stream = Workdir(cfg.workdir), cfg.data.stream
    dataset = load_dataset(work.dataset)
    trained = load_convnet(work.convnet(stream))
    if trained.classes != dataset.classes:
        raise ArtifactError(f"{work.convnet(stream)}: the ConvNet knows {', '.join(trained.classes)}; {work.dataset} "
                            f"lists {', '.join(dataset.classes)}; expected the same")
    net = make_convnet(trained.config, trained.channels, len(trained.classes))
    image = (BLOCK, trained.config.image_size, trained.config.image_size, trained.channels)
    shapes = jax.eval_shape(net.apply, trained.params, jax.ShapeDtypeStruct(image, np.float32))
    about = _about(cfg, trained, work)
    dtypes = Taps(cfg.data.feature_dtype, cfg.data.feature_dtype, "float16")  # logits may be below zero
    writers = Taps(*(FeatureWriter(work.features(stream, layer), shape.shape[1:], about | {"layer": layer}, dtype=dtype,
                                   worker=shard.worker)
                     for layer, shape, dtype in zip(Taps._fields, shapes, dtypes, strict=True)))
    reader = FrameReader(stream, trained.config.image_size, flow=work.flow, fps=cfg.data.fps)
    missing = _missing(writers, dataset)
    left = [video for video in shard.of(dataset.videos) if video.name in missing]
    apply = jax.jit(net.apply)
    how = {"preprocessing": trained.config.preprocessing, "pixel_scale": trained.config.pixel_scale}
    _extract(lambda images: apply(trained.params, images), left, reader, writers, how)
    folder = work.features(stream, "pool5").parent
    if shard.count > 1 and (others := _missing(writers, dataset)):
        print(f"shard {shard.number} of {shard.count} is done; {len(others)} videos of others are not. The last worker "
              "finishes the stores; if none does, run extract once more without --shard", flush=True)
        return folder
    stores = _finish(writers, dataset)
    _score(stores.logits, dataset, work.convnet(stream), stream)
    return folder


def _missing(writers: Taps, dataset: Dataset) -> set[str]:
    """The videos that lack one of the taps."""
    return set().union(*(writer.missing(video.name for video in dataset.videos) for writer in writers))


def _about(cfg: RunConfig, trained: TrainedConvNet, work: Workdir) -> dict[str, Any]:
    stream = cfg.data.stream
    flow = read_json(work.flow / "index.json", made_by="prepare") if stream == "flow" else {}
    mean, scale = pixels(stream, trained.config.preprocessing, trained.config.pixel_scale)
    kept = {name: flow[name] for name in ("method", "width", "height", "bound", "image") if name in flow}
    return {
        "stream": stream, "convnet": dataclasses.asdict(trained.config), "sha256": trained.sha256,
        "preprocessing": {"squash": "bilinear", "side": trained.config.image_size, "order": "RGB",
                          "name": trained.config.preprocessing, "mean": mean, "scale": scale,
                          "fps": cfg.data.fps, "max_frames": cfg.data.max_frames, "flow": kept}}


def _extract(apply: Any, videos: Sequence[Video], reader: FrameReader, writers: Taps,
             how: Mapping[str, Any]) -> None:
    """Writes the taps of each video; decoding runs ahead in a thread of its own."""
    frames, begun = 0, time.monotonic()
    progress, taps = Progress(len(videos), 0, unit="video"), []
    for video, images, number, last in prefetch(_blocks(videos, reader, how), depth=4):
        padded = np.zeros((BLOCK, *images.shape[1:]), np.float32)
        padded[:len(images)] = images
        found = jax.device_get(apply(padded))
        taps.append(Taps(*(tap[:len(images)] for tap in found)))
        frames += len(images)
        if last:
            for writer, parts in zip(writers, zip(*taps, strict=True), strict=True):
                writer.write(video.name, np.concatenate(parts))
            taps = []
            rate = frames / (time.monotonic() - begun)
            progress.show(number, {"frames/s": rate}, logged=number % 100 == 0)


def _blocks(videos: Sequence[Video], reader: FrameReader,
            how: Mapping[str, Any]) -> Iterator[tuple[Video, np.ndarray, int, bool]]:
    for number, video in enumerate(videos, 1):
        seen = 0
        for images in video_frames(video, reader, block=BLOCK, **how):
            seen += len(images)
            yield video, images, number, seen == video.frames - 1


def _finish(writers: Taps, dataset: Dataset) -> Taps:
    names = [video.name for video in dataset.videos]
    train = [video.name for video in dataset.videos if video.part == "train"]
    stores = Taps(writers.pool5.finish(names, train=train), writers.fc7.finish(names, train=train),
                  writers.logits.finish(names))
    for store in stores:
        for video in dataset.videos:
            if store.frames[video.name] != video.frames - 1:
                raise ArtifactError(f"{store.folder}: {video.name} has {store.frames[video.name]} frames of features; "
                                    f"expected {video.frames - 1}; remove the folder and extract again")
    return stores


def _score(logits: FeatureStore, dataset: Dataset, folder: epath.Path, stream: str) -> None:
    """What the ConvNet alone says of the test list: the ConvNet column of Table 1.

    The score of a video is its probabilities averaged over equally spaced frames; frames are counted all.
    """
    videos = [video for video in dataset.videos if video.part == "test"]
    if not videos:
        raise ArtifactError(f"the dataset beside {folder} lists no test videos; expected at least one")
    scores, frames, frames_right = [], 0, 0
    for video in videos:
        found = logits.read(video.name)
        scores.append(softmax(found[np.round(np.linspace(0, len(found) - 1, SCORED)).astype(int)]).mean(0))
        frames, frames_right = frames + len(found), frames_right + top_k(found, np.full(len(found), video.label))
    label = np.array([video.label for video in videos])
    found = Scores(tuple(video.name for video in videos), np.stack(scores), label, dataset.classes)
    save_scores(folder / "scores.npz", found)
    right = top_k(found.scores, label)
    write_json(folder / "accuracy.json", {"videos": len(videos), "videos_right": right, "frames": frames,
                                          "frames_right": frames_right})
    print(f"the {stream} ConvNet alone: {right} of {len(videos)} test videos right, {100 * right / len(videos):.1f} %, "
          f"{100 * frames_right / frames:.1f} % of their frames", flush=True)
