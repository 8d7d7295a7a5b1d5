"""Runs the ConvNets over every frame of every video, for their features and their own scores."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath

from videolstm_jax.artifacts import Workdir, load_dataset, load_missing, save_scores
from videolstm_jax.clips.frames import FrameReader, video_frames
from videolstm_jax.clips.images import pixels, preprocess, squashed
from videolstm_jax.clips.prefetch import prefetch
from videolstm_jax.config import STREAMS, RunConfig
from videolstm_jax.dataset import prepared
from videolstm_jax.dataset.prepared import FlowRange
from videolstm_jax.errors import FileError
from videolstm_jax.features.shards import Shard
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.files import write_json
from videolstm_jax.flow import pace
from videolstm_jax.measure.accuracy import accuracy_text, top_k
from videolstm_jax.measure.scores import softmax
from videolstm_jax.nn.vgg import Taps, make_convnet
from videolstm_jax.train.log import Progress
from videolstm_jax.trained.backbone import TrainedConvNet, load_convnet
from videolstm_jax.types import Dataset, Scores, Video
from videolstm_jax.video.online import FlowSettings, both_streams

BLOCK = 32
"""Frames in each pass; a video's last block is filled up, so that nothing is traced twice."""
SCORED = 25
"""Equally spaced frames whose class probabilities are averaged for the score of a video."""


class _Net(NamedTuple):
    """The ConvNet of one stream: images to taps, where they are written, its side, and how it is
    fed.
    """

    stream: str
    apply: Callable[[np.ndarray], Taps]
    writers: Taps
    side: int
    how: Mapping[str, Any]


class _Block(NamedTuple):
    """Preprocessed frames of one video, at most BLOCK of them, for one ConvNet; `last` are the last
    of the video.

    `motion` is what moves in flow that is stored nowhere.
    """

    video: Video
    net: _Net
    images: np.ndarray
    last: bool
    motion: FlowRange | None = None


def run(cfg: RunConfig, *, shard: Shard = Shard()) -> epath.Path:  # noqa: B008
    """Writes `features/<stream>/{pool5,fc7,logits}` of all videos, and what the ConvNet alone says
    of the test list.

    That is `scores.npz` and `accuracy.json`, of frames and of videos, in `convnets/<stream>/`. A
    video of L frames has L - 1, since so many have a flow. What a killed run finished is not made
    again. With `flow.online` flow is computed here and kept nowhere, and both streams are extracted
    from one decoding.

    Of several workers, each takes its shard of the videos; who finds that no other has any left
    finishes the stores.

    Returns:
      The folder of the stream's features, or of both streams'.

    Raises:
      FileError: no ConvNet, or one of other classes; videos that cannot be read; features of
        another ConvNet are in the way.
      ConfigError: not prepared with these settings.
      VideoError: a video is not as `prepare` found it.
    """
    work = Workdir(cfg.workdir)
    dataset, index = load_dataset(work.dataset), prepared.read_flow_index(work, cfg.data)
    nets = [
        _net(cfg, work, dataset, index, stream, shard)
        for stream in (STREAMS if cfg.flow.online else (cfg.data.stream,))
    ]
    missing = _missing(nets, dataset)
    left = [video for video in shard.of(dataset.videos) if video.name in missing]
    if nets[0].stream == "rgb":
        prepared.check_fingerprints(index, left)
    blocks = (
        _online(cfg, work, index, left, nets)
        if cfg.flow.online
        else _stored(cfg, work, left, *nets)
    )
    _extract(blocks, len(left), len(nets))
    folder = work.features(nets[0].stream, "pool5").parent
    folder = folder.parent if cfg.flow.online else folder
    if shard.count > 1 and (others := _missing(nets, dataset)):
        print(
            f"shard {shard.number} of {shard.count} is done; {len(others)} videos of others are not. The last worker "
            "finishes the stores; if none does, run extract once more without --shard",
            flush=True,
        )
        return folder
    unread = () if cfg.eval.allow_missing else load_missing(work, dataset.classes)
    for net in nets:
        pace.warn_of_flow(net.writers.logits.noted("motion"), "extract")
        stores = _finish(net.writers, dataset)
        _score(stores.logits, dataset, work.convnet(net.stream), net.stream, unread)
    return folder


def _missing(nets: Sequence[_Net], dataset: Dataset) -> set[str]:
    """The videos that lack one of the taps."""
    return set().union(
        *(
            writer.missing(video.name for video in dataset.videos)
            for net in nets
            for writer in net.writers
        )
    )


def _net(
    cfg: RunConfig,
    work: Workdir,
    dataset: Dataset,
    index: Mapping[str, Any],
    stream: str,
    shard: Shard,
) -> _Net:
    trained = load_convnet(work.convnet(stream))
    if trained.classes != dataset.classes:
        raise FileError(
            f"{work.convnet(stream)}: the ConvNet knows {', '.join(trained.classes)}; {work.dataset} "
            f"lists {', '.join(dataset.classes)}; expected the same"
        )
    net = make_convnet(trained.config, trained.channels, len(trained.classes))
    image = (BLOCK, trained.config.image_size, trained.config.image_size, trained.channels)
    shapes = jax.eval_shape(net.apply, trained.params, jax.ShapeDtypeStruct(image, np.float32))
    about = _about(cfg, trained, index, stream)
    dtypes = Taps(
        cfg.data.feature_dtype, cfg.data.feature_dtype, "float16"
    )  # logits may be below zero
    writers = Taps(
        *(
            FeatureWriter(
                work.features(stream, layer),
                shape.shape[1:],
                about | {"layer": layer},
                dtype=dtype,
                worker=shard.worker,
                source=index["source"],
            )
            for layer, shape, dtype in zip(Taps._fields, shapes, dtypes, strict=True)
        )
    )
    apply = jax.jit(net.apply)
    how = {"preprocessing": trained.config.preprocessing, "pixel_scale": trained.config.pixel_scale}
    return _Net(
        stream,
        lambda images: apply(trained.params, images),
        writers,
        trained.config.image_size,
        how,
    )


def _about(
    cfg: RunConfig, trained: TrainedConvNet, index: Mapping[str, Any], stream: str
) -> dict[str, Any]:
    flow = index if stream == "flow" else {}
    mean, scale = pixels(stream, trained.config.preprocessing, trained.config.pixel_scale)
    kept = {
        name: flow[name] for name in ("method", "width", "height", "bound", "image") if name in flow
    }
    return {
        "stream": stream,
        "convnet": dataclasses.asdict(trained.config),
        "sha256": trained.sha256,
        "preprocessing": {
            "squash": "bilinear",
            "side": trained.config.image_size,
            "order": "RGB",
            "name": trained.config.preprocessing,
            "mean": mean,
            "scale": scale,
            "fps": cfg.data.fps,
            "max_frames": cfg.data.max_frames,
            "flow": kept,
        },
    }


def _extract(blocks: Iterator[_Block], videos: int, streams: int) -> None:
    """Writes the taps of each video; decoding runs ahead in a thread of its own."""
    frames = written = 0
    begun = time.monotonic()
    progress, taps = Progress(videos, 0, unit="video"), []
    for video, net, images, last, motion in prefetch(blocks, depth=4):
        padded = np.zeros((BLOCK, *images.shape[1:]), np.float32)
        padded[: len(images)] = images
        found = jax.device_get(net.apply(padded))
        taps.append(Taps(*(tap[: len(images)] for tap in found)))
        if not last:
            continue
        for writer, parts in zip(net.writers, zip(*taps, strict=True), strict=True):
            writer.write(
                video.name, np.concatenate(parts), **({"motion": motion} if motion else {})
            )
        taps, written = [], written + 1
        if written % streams == 0:
            number, frames = written // streams, frames + video.frames - 1
            progress.show(
                number, {"frames/s": frames / (time.monotonic() - begun)}, logged=number % 100 == 0
            )


def _stored(cfg: RunConfig, work: Workdir, videos: Sequence[Video], net: _Net) -> Iterator[_Block]:
    reader = FrameReader(
        net.stream,
        net.side,
        flow=work.flow,
        fps=cfg.data.fps,
        workers=cfg.data.workers,
        limit=cfg.data.time_limit,
    )
    for video in videos:
        seen = 0
        for images in video_frames(video, reader, block=BLOCK, **net.how):
            seen += len(images)
            yield _Block(video, net, images, seen == video.frames - 1)


def _online(
    cfg: RunConfig,
    work: Workdir,
    index: Mapping[str, Any],
    videos: Sequence[Video],
    nets: Sequence[_Net],
) -> Iterator[_Block]:
    """Both streams of each video in turn."""
    settings = FlowSettings.of(index, work.flow / "index.json")
    for video, rgb, flow in both_streams(
        videos, settings, nets[0].side, workers=cfg.data.workers, limit=cfg.data.time_limit
    ):
        motion = FlowRange(flow.largest, flow.saturated)
        for net, images in zip(nets, (rgb, flow.images), strict=True):
            for start in range(0, video.frames - 1, BLOCK):
                block = preprocess(
                    squashed(images[start : start + BLOCK], net.side), net.stream, **net.how
                )
                yield _Block(
                    video,
                    net,
                    block,
                    start + BLOCK >= video.frames - 1,
                    motion if net.stream == "flow" else None,
                )


def _finish(writers: Taps, dataset: Dataset) -> Taps:
    names = [video.name for video in dataset.videos]
    train = [video.name for video in dataset.videos if video.part == "train"]
    stores = Taps(
        writers.pool5.finish(names, train=train),
        writers.fc7.finish(names, train=train),
        writers.logits.finish(names),
    )
    for store in stores:
        for video in dataset.videos:
            if store.frames[video.name] != video.frames - 1:
                raise FileError(
                    f"{store.folder}: {video.name} has {store.frames[video.name]} frames of features; "
                    f"expected {video.frames - 1}; remove the folder and extract again"
                )
    return stores


def _score(
    logits: FeatureStore,
    dataset: Dataset,
    folder: epath.Path,
    stream: str,
    unread: Sequence[int] | np.ndarray,
) -> None:
    """What the ConvNet alone says of the test list: the ConvNet column of Table 1.

    The score of a video is its probabilities averaged over equally spaced frames; frames are
    counted all. Videos that could not be read are `missing` and count as wrong.
    """
    videos = dataset.part("test")
    scores, frames, frames_right = [], 0, 0
    for video in videos:
        found = logits.read(video.name)
        scores.append(
            softmax(found[np.round(np.linspace(0, len(found) - 1, SCORED)).astype(int)]).mean(0)
        )
        frames, frames_right = (
            frames + len(found),
            frames_right + top_k(found, np.full(len(found), video.label)),
        )
    label = np.array([video.label for video in videos])
    found = Scores(tuple(video.name for video in videos), np.stack(scores), label, dataset.classes)
    save_scores(folder / "scores.npz", found)
    right = top_k(found.scores, label)
    write_json(
        folder / "accuracy.json",
        {
            "videos": len(videos) + len(unread),
            "videos_right": right,
            "missing": len(unread),
            "frames": frames,
            "frames_right": frames_right,
        },
    )
    print(
        f"the {stream} ConvNet alone: {accuracy_text(found.scores, label, unread)}, "
        f"{100 * frames_right / frames:.1f} % of their frames",
        flush=True,
    )
