"""Computes and stores the flow of listed videos; flow that exists already is kept."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.config import RunConfig
from videolstm_jax.dataset.decoding import VideoDecoder
from videolstm_jax.flow import batched, image, pace
from videolstm_jax.flow.batched import FlowImages, FlowPart
from videolstm_jax.flow_images import flow_file, flow_methods
from videolstm_jax.flow_images.flow_index import FlowRange, finished_flow, flow_note
from videolstm_jax.flow_images.online import online_flow_frames
from videolstm_jax.presets import convnet_of
from videolstm_jax.progress_lines import ProgressLines, counted
from videolstm_jax.types import Dataset, Video
from videolstm_jax.video.decode import FrameFormat

# Training videos that are measured for a bound that is a percentile of displacements: at most 48,
# and fewer where these would take too long to decode up to their middles, or too much memory.
_SAMPLED_VIDEOS = 48
_FEWEST_SAMPLED = 8
# Pixels to decode; about ten seconds on two cores.
_DECODED_PIXELS = 2e9
# Pixels of flow that are kept, two pairs a video; eight bytes each.
_FLOW_PIXELS = 2**24
# The smallest such bound, as a share of the paper's. Without it, a set of still videos would be
# stored as amplified noise.
_LEAST_SHARE = 0.02


class FlowTarget(NamedTuple):
    """Where flow is stored, what it is made from, and how it is scaled.

    `fingerprints` are those of the videos by name, see `dataset.prepared.video_fingerprints`.
    `limit` gives the displacement that becomes 0 or 255, from (W, H).
    """

    folder: epath.Path
    fingerprints: Mapping[str, str]
    limit: Callable[[int, int], float]

    def path(self, name: str) -> epath.Path:
        """The flow file of a video."""
        return self.folder / f"{name}.zip"


class StoredFlow(NamedTuple):
    """L of each video whose flow is stored, and the range of its flow where that is known."""

    frames: dict[str, int]
    ranges: dict[str, FlowRange]


def read_stored_flow(folder: epath.Path, fingerprints: Mapping[str, str]) -> StoredFlow:
    """The flow that is stored already, of videos that have not been replaced since.

    Args:
      folder: of the flow.
      fingerprints: of the videos by name, see `FlowTarget`.
    """
    stored = StoredFlow({}, {})
    for name, fingerprint in fingerprints.items():
        pairs, flow_range = finished_flow(folder / f"{name}.zip", fingerprint)
        if pairs:
            stored.frames[name] = pairs + 1
        if flow_range:
            stored.ranges[name] = flow_range
    return stored


def write_missing_flow(
    cfg: RunConfig,
    target: FlowTarget,
    videos: Sequence[Video],
    stored: StoredFlow,
    decoder: VideoDecoder,
    computed: Mapping[str, FlowPart],
) -> dict[str, int]:
    """Writes the flow that is not stored yet, and warns of videos whose flow looks wrong.

    Args:
      cfg: `flow` and `data` say how.
      target: where the flow goes.
      videos: all listed videos.
      stored: the flow that is kept.
      decoder: reads the videos, and keeps the bad ones.
      computed: flow that the bound was found from, by video.

    Returns:
      L of every good video by name.
    """
    missing = []
    for video in videos:
        if video.name not in stored.frames:
            missing.append(video)
    progress = pace.FlowProgress(len(missing), _count_pairs(missing, computed))
    flow_of_videos = batched.batched_tvl1_images(
        decoder.read_frames(missing, stored_flow_frame_format(cfg)),
        target.limit,
        method=flow_methods.flow_method(cfg.flow.method),
        workers=cfg.data.workers,
        progress=progress.pairs_done,
        computed=computed,
    )
    written = _write_flow(cfg, target, flow_of_videos, progress)
    # Also of the flow that was stored before: its videos count in the warning all the same.
    pace.warn_of_flow_cost({**stored.ranges, **written.ranges})
    return {**stored.frames, **written.frames}


def _write_flow(
    cfg: RunConfig,
    target: FlowTarget,
    flow_of_videos: Iterator[FlowImages],
    progress: pace.FlowProgress,
) -> StoredFlow:
    """Writes the flow of each video while the next one is computed."""
    written = StoredFlow({}, {})
    with ThreadPoolExecutor(cfg.data.workers) as pool, ProgressLines(progress.line):
        writer = _FlowWriter(pool, cfg)
        for flow in flow_of_videos:
            # Flow is of pairs, so a video has a frame more.
            written.frames[flow.name] = len(flow.images) + 1
            flow_range = FlowRange(flow.largest, flow.saturated)
            written.ranges[flow.name] = flow_range
            note = flow_note(target.fingerprints[flow.name], flow_range)
            writer.write(target.path(flow.name), flow.images, note)
            progress.video_done()
        writer.finish()
    return written


def _count_pairs(videos: Sequence[Video], computed: Mapping[str, FlowPart]) -> int:
    """How many pairs of frames have no flow yet."""
    pairs = 0
    for video in videos:
        pairs += video.frames - 1
        if video.name in computed:
            pairs -= len(computed[video.name].flow)
    return pairs


class _FlowWriter:
    """Threads that compress and write flow, while the next flow is computed."""

    def __init__(self, pool: ThreadPoolExecutor, cfg: RunConfig):
        self._pool = pool
        self._format = cfg.flow.image
        # Two a thread: one that is compressed, and one that waits for it.
        self._most = 2 * cfg.data.workers
        self._writing: collections.deque[Future] = collections.deque()

    def write(self, path: epath.Path, images: np.ndarray, note: str) -> None:
        """Begins to write the flow images of a video; waits where too many are not written yet."""
        future = self._pool.submit(flow_file.write_flow, path, images, self._format, note=note)
        self._writing.append(future)
        # Flow is computed faster than it is compressed; waiting bounds the memory.
        if len(self._writing) > self._most:
            self._writing.popleft().result()

    def finish(self) -> None:
        """Waits for all files, and raises what a thread raised, such as a full disk."""
        for future in self._writing:
            future.result()


class FlowSample(NamedTuple):
    """The bound of flow in pixels at a longer side of 340, and by video the flow it was found from.

    `parts` are used in place of flow that would be computed again.
    """

    bound: float
    parts: Mapping[str, FlowPart]


def sample_stored_flow_bound(cfg: RunConfig, dataset: Dataset) -> FlowSample:
    """The percentile `cfg.flow.percentile` of displacements in the middle of some training videos.

    The bound is at most the paper's 20 pixels, since the percentile is taken in flow images of that
    range.
    """
    train = dataset.part("train")
    count = _sample_size(cfg, train)
    # Evenly spaced in the list, which is in the order of classes.
    step = max(1, len(train) // count)
    sample = train[::step][:count]
    # A bad video is no reason to stop here: `write_missing_flow` finds it again and reports it.
    decoder = VideoDecoder(cfg.data, dataset, skip_bad=True)
    sampled_flow = batched.flow_of_sampled_pairs(
        decoder.read_middles(sample, stored_flow_frame_format(cfg)),
        method=flow_methods.flow_method(cfg.flow.method),
        workers=cfg.data.workers,
    )
    label = "prepare: measures displacements for the bound of flow, videos"
    parts = {}
    for part in counted(sampled_flow, len(sample), label):
        parts[part.name] = part
    if not parts:
        return FlowSample(image.PAPER_BOUND, parts)
    # A byte b stands for a displacement of (2 b - 255) / 255 of the bound.
    levels = []
    for part in parts.values():
        height, width = part.flow.shape[1:3]
        images = image.flow_to_image(
            part.flow, image.scaled_flow_bound(image.PAPER_BOUND, width, height)
        )
        levels.append(np.abs(2 * images.astype(np.int16) - 255).ravel())
    # In 255ths of the bound, an integer: 48 videos of int16 take half the memory of floats.
    share = float(np.percentile(np.concatenate(levels), cfg.flow.percentile)) / 255
    bound = round(image.PAPER_BOUND * max(share, _LEAST_SHARE), 2)
    print(
        f"prepare: flow is bounded by {bound} pixels at a longer side of {image.PAPER_WIDTH}, the "
        f"{cfg.flow.percentile:g}th percentile of {len(levels)} training videos",
        flush=True,
    )
    return FlowSample(bound, parts)


def _sample_size(cfg: RunConfig, train: Sequence[Video]) -> int:
    """How many videos are measured."""
    frame_format = stored_flow_frame_format(cfg)
    decoded = flow = 0
    for video in train:
        # Up to the middle.
        decoded += video.width * video.height * video.frames // 2
        width, height = frame_format.size_of(video.width, video.height)
        flow += 2 * width * height
    affordable = len(train) * min(_DECODED_PIXELS / max(1, decoded), _FLOW_PIXELS / max(1, flow))
    return min(_SAMPLED_VIDEOS, max(_FEWEST_SAMPLED, int(affordable)))


def stored_flow_frame_format(cfg: RunConfig) -> FrameFormat:
    """The grey frames that flow is computed from."""
    flow = cfg.flow
    size = (flow.width, flow.height) if flow.width else None
    shorter_side = flow.shorter_side(convnet_of(cfg, "flow").image_size)
    return online_flow_frames(size, shorter_side, cfg.data.fit)
