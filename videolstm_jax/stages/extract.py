"""The stage `extract`: runs the backbones over every frame of every video and scores them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from etils import epath

from videolstm_jax.clips.blocks import (
    FrameBlock,
    clip_blocks_of_both_streams,
    clip_blocks_of_stream,
)
from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.clips.prefetch import prefetched_batches
from videolstm_jax.config import STREAMS, RunConfig
from videolstm_jax.dataset.prepared import check_fingerprints
from videolstm_jax.errors import FileError
from videolstm_jax.extraction.convnet_scores import save_extracted_convnet_scores
from videolstm_jax.extraction.sharing import (
    extracted_stream_folders,
    one_shard_at_a_time,
    remove_unfinished_features,
    remove_unfinished_of_shard,
    sole_shard,
)
from videolstm_jax.extraction.stores import (
    BLOCK,
    BackboneWithStores,
    ExtractionJob,
    backbone_to_extract_with,
    extracted_features_of_images,
    open_stores_to_extract_to,
    write_extracted_features,
)
from videolstm_jax.extraction.unfinished import (
    mirrored_bytes_to_extract,
    views_to_extract,
    views_without_features,
)
from videolstm_jax.features.shards import ALONE, Shard
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.flow import pace
from videolstm_jax.flow_images.flow_index import check_flow, read_flow_index
from videolstm_jax.flow_images.online import FlowSettings
from videolstm_jax.quantities import size_text
from videolstm_jax.train.log import ProgressLine
from videolstm_jax.types import Video, View, names_of
from videolstm_jax.workdir.dataset_json import load_dataset, load_labels_of_bad_videos
from videolstm_jax.workdir.layout import Workdir

# Blocks of frames that are decoded ahead of the backbone.
_PREFETCHED_BLOCKS = 4
# Off a terminal, progress is printed every so many videos.
_LOGGED_EVERY = 100


def run(cfg: RunConfig, *, shard: Shard = ALONE) -> epath.Path:
    """Writes `features/<stream>/{pool5,fc7,logits}` of all videos and the scores of the backbone.

    With `data.mirrored`, `{pool5,fc7,logits}-mirrored` beside them have the features of the
    training list with left and right exchanged.

    Scores are `scores.npz` and `accuracy.json` in `convnets/<stream>/`. A video of L frames has
    L - 1 records, since so many have a flow. What a killed run finished is not made again. With
    `flow.online` flow is computed here and not stored, and both streams are extracted from one
    decoding.

    Of several workers, each takes its shard of the videos. At its end each one looks, one after
    another, whether all videos are done. So the last one does finish the stores.

    Returns:
      The folder of the stream's features, or of both streams' with `flow.online`.

    Raises:
      ConfigError: the videos were not prepared with these settings.
      FileError: no backbone, or one of other classes; videos that cannot be read; or features of
        another backbone in the same folders; or another process extracts them.
      VideoError: a video is not as `prepare` found it.
    """
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    index = read_flow_index(work, cfg.data)
    job = ExtractionJob(cfg, work, dataset, index, shard)
    streams: Sequence[str] = (cfg.data.stream,)
    if cfg.flow.online:
        streams = STREAMS
    folders = extracted_stream_folders(job, streams)
    with contextlib.ExitStack() as stack:
        for folder in folders:
            stack.enter_context(sole_shard(job, folder))
            remove_unfinished_of_shard(job, folder)
        _extract(job, streams)
    if cfg.flow.online:
        return folders[0].parent
    return folders[0]


def _extract(job: ExtractionJob, streams: Sequence[str]) -> None:
    """Writes the features of this worker's videos, and finishes the stores if it is the last."""
    # All are opened before any frame is read: a missing backbone is refused at once.
    fitted = {}
    for stream in streams:
        fitted[stream] = backbone_to_extract_with(job, stream)
    backbones = {}
    # Two workers that both make the settings of a store would mix them.
    with one_shard_at_a_time(job, streams):
        for stream, backbone in fitted.items():
            backbones[stream] = open_stores_to_extract_to(job, backbone, stream)
    views = views_to_extract(job, backbones)
    videos = []
    for video in job.dataset.videos:
        if video.name in views:
            videos.append(video)
    _check_sources(job, videos, backbones)
    _print_mirrored(videos, views, backbones)
    _write_features(_blocks(job, videos, views, backbones), views, backbones)
    with one_shard_at_a_time(job, streams):
        _finish_if_last(job, backbones)


def _finish_if_last(job: ExtractionJob, backbones: Mapping[str, BackboneWithStores]) -> None:
    """Finishes the stores of all streams, unless another shard has videos to do."""
    shard = job.shard
    # A worker that is alone has just done all that was missing.
    missing: Mapping[str, Sequence[View]] = {}
    if shard.count > 1:
        missing = views_without_features(job, backbones)
    if missing:
        print(
            f"shard {shard.number} of {shard.count} is done; {len(missing)} videos of others are "
            "not. The last worker finishes the stores",
            flush=True,
        )
        return
    for stream, backbone in backbones.items():
        remove_unfinished_features(job, stream)
        _finish(job, backbone)


# ---- what is to be done --------------------------------------------------------------------------


def _check_sources(
    job: ExtractionJob, videos: Sequence[Video], backbones: Mapping[str, BackboneWithStores]
) -> None:
    """Raises VideoError or FileError where a file is not as `prepare` found or wrote it."""
    # The flow backbone alone reads stored flow, not the videos.
    if "rgb" in backbones:
        check_fingerprints(job.index, videos)
    if "flow" in backbones:
        check_flow(job.work, videos, job.cfg.data.verify)


def _print_mirrored(
    videos: Sequence[Video],
    views: Mapping[str, Sequence[View]],
    backbones: Mapping[str, BackboneWithStores],
) -> None:
    """Prints, before the first frame is read, what mirrored features will take on disk."""
    # Now, because a full disk is noticed hours later: pool5 of UCF101 takes 125 GB a stream.
    count, size = mirrored_bytes_to_extract(videos, views, backbones)
    if not count:
        return
    print(
        f"mirrored features of {count} training videos take {size_text(size)} more; "
        "--data.mirrored=false leaves them out",
        flush=True,
    )


# ---- features ------------------------------------------------------------------------------------


def _blocks(
    job: ExtractionJob,
    videos: Sequence[Video],
    views: Mapping[str, Sequence[View]],
    backbones: Mapping[str, BackboneWithStores],
) -> Iterator[FrameBlock]:
    """Returns all frames of the videos in their views, for the backbones of one or both streams."""
    images = [backbone.images for backbone in backbones.values()]
    data = job.cfg.data
    if job.cfg.flow.online:
        settings = FlowSettings.of(job.index, job.work.flow / "index.json")
        return clip_blocks_of_both_streams(
            videos, views, settings, images, BLOCK, workers=data.workers, limit=data.time_limit
        )
    reader = FrameReader(
        images[0].stream,
        images[0].side,
        fit=images[0].fit,
        flow=job.work.flow,
        fps=data.fps,
        workers=data.workers,
        limit=data.time_limit,
    )
    return clip_blocks_of_stream(videos, views, reader, images[0], BLOCK)


def _write_features(
    blocks: Iterator[FrameBlock],
    views: Mapping[str, Sequence[View]],
    backbones: Mapping[str, BackboneWithStores],
) -> None:
    """Writes the features of each video; decoding runs ahead in a thread of its own."""
    progress = ProgressLine(len(views), 0, unit="video")
    start = time.monotonic()
    frames = finished_videos = finished_views = 0
    # Of the blocks of the current video; blocks of its views come in turn.
    features: dict[View, list[dict[str, np.ndarray]]] = {"filmed": [], "mirrored": []}
    for block in prefetched_batches(blocks, depth=_PREFETCHED_BLOCKS):
        backbone = backbones[block.stream]
        features[block.view].append(extracted_features_of_images(block.images, backbone))
        if not block.is_last:
            continue
        write_extracted_features(block, features[block.view], backbone.writers[block.view])
        features[block.view] = []
        frames += block.video.frames - 1
        finished_views += 1
        # A video counts when all its streams are written in all its views.
        if finished_views == len(backbones) * len(views[block.video.name]):
            finished_videos += 1
            finished_views = 0
            rate = frames / (time.monotonic() - start) / len(backbones)
            is_logged = finished_videos % _LOGGED_EVERY == 0
            progress.show(finished_videos, {"frames/s": rate}, logged=is_logged)


def _finish(job: ExtractionJob, backbone: BackboneWithStores) -> None:
    """Finishes the stores of a stream and writes the scores of its backbone."""
    pace.warn_of_flow_cost(backbone.writers["filmed"]["logits"].noted("motion"), "extract")
    stores = _finish_view(job, backbone, "filmed")
    if "mirrored" in job.views:
        _finish_view(job, backbone, "mirrored")
    # The scores may be of logits that were written days ago. They are small, so no record is kept.
    if job.cfg.data.verify != "never":
        stores["logits"].verify(names_of(job.dataset.listed("test")))
    unread = ()
    if not job.cfg.eval.allow_missing:
        unread = load_labels_of_bad_videos(job.work, job.dataset.classes)
    stream = backbone.images.stream
    save_extracted_convnet_scores(
        stores["logits"],
        job.dataset,
        job.work.convnet(stream),
        stream,
        unread,
        trained_on=set(backbone.trained_on),
    )


def _finish_view(
    job: ExtractionJob, backbone: BackboneWithStores, view: View
) -> dict[str, FeatureStore]:
    """Finishes the stores of one view of the videos, and returns them by layer.

    Raises:
      FileError: features of another number of frames than the video has.
    """
    videos = job.videos_of(view)
    train = names_of(job.dataset.listed("train"))
    stores = {}
    for layer, writer in backbone.writers[view].items():
        # Logits are never read as features, so their deviation is not needed.
        deviation_of: tuple[str, ...] = ()
        if layer != "logits":
            deviation_of = train
        stores[layer] = writer.finish(names_of(videos), train=deviation_of)
    for store in stores.values():
        for video in videos:
            if store.frames[video.name] != video.frames - 1:
                raise FileError(
                    f"{store.folder}: {video.name} has {store.frames[video.name]} frames of "
                    f"features; expected {video.frames - 1}; remove the folder and extract again"
                )
    return stores
