"""Single frames for the backbones: random ones to train on, and all of a video for its features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.clips.balance import class_order_of_clips, labels_of_clip_videos
from videolstm_jax.clips.draws import ClipDraws
from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.clips.images import cropped_image, mirrored_image, shifted_image
from videolstm_jax.config import ConvNetConfig
from videolstm_jax.errors import ConfigError
from videolstm_jax.types import Video


class FrameDraws(NamedTuple):
    """The random frames of one batch.

    `video` [B] is the index in the list, `frame` [B] the frame, `mirror` [B] bool, `shift` [B, 2]
    pixels down and to the right.
    """

    video: np.ndarray
    frame: np.ndarray
    mirror: np.ndarray
    shift: np.ndarray


# ---- random frames -------------------------------------------------------------------------------


def draw_frames(
    videos: Sequence[Video],
    step: int,
    *,
    batch: int,
    seed: int,
    reach: int = 0,
    balanced: bool = False,
) -> FrameDraws:
    """Draws the frames of batch `step`: a video of the list, then one of its L - 1 frames.

    A pure function of (seed, step). Classes come as often as the list holds them, or all as often.

    Args:
      videos: the list.
      step: which batch.
      batch: B.
      seed: of all batches.
      reach: the largest shift in pixels, either way.
      balanced: draw a class first, then a video of it.
    """
    generator = np.random.default_rng([seed, step])
    if balanced:
        order = class_order_of_clips(labels_of_clip_videos(videos))
        label = generator.integers(len(order.count), size=batch)
        video = order.video[order.first[label] + generator.integers(order.count[label])]
    else:
        video = generator.integers(len(videos), size=batch)
    # Of each video in the list, then of those that were drawn.
    pairs_of_list = np.array([listed_video.frames - 1 for listed_video in videos])
    pairs = pairs_of_list[video]
    # A random number for each row is drawn whatever the lengths are: the draws behind it stay.
    frame = np.floor(generator.random(batch) * pairs).astype(np.int64)
    mirror = generator.random(batch) < 0.5
    # Last, so that another reach leaves the videos and frames of a seed as they are.
    shift = generator.integers(-reach, reach + 1, (batch, 2))
    return FrameDraws(video, frame, mirror, shift)


def draw_crops(step: int, *, batch: int, seed: int, side: int, smallest: float) -> np.ndarray:
    """Draws where the frames of batch `step` are cut.

    A pure function of (seed, step), drawn apart from `draw_frames`. Height and width are uniform
    and independent, from `smallest` of the side up to all of it, so that size and shape vary; the
    place is uniform.

    Args:
      step: which batch.
      batch: B.
      seed: of all batches.
      side: of the frames in pixels.
      smallest: the least share of the side.

    Returns:
      x0, y0, x1, y1 [B, 4], half-open whole pixels.
    """
    # The third number makes these draws independent of those of `draw_frames`.
    generator = np.random.default_rng([seed, step, 1])
    sides = generator.integers(max(1, round(smallest * side)), side + 1, (batch, 2))
    corner = np.floor(generator.random((batch, 2)) * (side + 1 - sides)).astype(np.int64)
    return np.concatenate([corner, corner + sides], 1)


def frame_batches(
    videos: Sequence[Video],
    reader: FrameReader,
    cfg: ConvNetConfig,
    draws: ClipDraws,
    *,
    start_step: int = 0,
    workers: int = 2,
    cache_bytes: int = 2 << 30,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields random frames with their labels without end; batch k is a pure function of (seed, k).

    Args:
      videos: the training list.
      reader: of the stream and size wanted.
      cfg: batch (B), flip, shift and crop.
      draws: the seed, whether classes are balanced, and the part of each batch that is yielded.
      start_step: the first batch to yield.
      workers: threads that decode.
      cache_bytes: memory for videos that are kept whole.

    Returns:
      Images [B, S, S, ch] uint8, and labels [B] int32, B = cfg.batch / host.count.

    Raises:
      ConfigError: no videos, or a video without a pair of frames, or a batch that the hosts cannot
        share.
    """
    problem = _problem(videos, cfg, draws.host.count)
    if problem:
        raise ConfigError(problem)
    # Videos that fit are decoded once, not for every frame that is drawn of them.
    reader.cache_first(videos, cache_bytes)
    return _frame_batches(videos, reader, cfg, draws, start_step, workers)


def frame_batch_videos(
    videos: Sequence[Video], cfg: ConvNetConfig, draws: ClipDraws, number: int
) -> list[str]:
    """The names of the videos of one batch of `frame_batches` of all hosts, row by row.

    Args:
      videos: the training list.
      cfg: as of `frame_batches`.
      draws: as of `frame_batches`; its host does not matter.
      number: of the batch.
    """
    # Shifts are drawn after the videos, so their size does not matter here.
    frame_draws = draw_frames(
        videos, number, batch=cfg.batch, seed=draws.seed, balanced=draws.balanced
    )
    return [videos[index].name for index in frame_draws.video]


def _problem(videos: Sequence[Video], cfg: ConvNetConfig, hosts: int) -> str:
    """Why there are no batches of frames of these videos; empty where there are."""
    if not videos:
        return "no videos to train on; expected at least one in the training list"
    for video in videos:
        if video.frames < 2:
            return f"{video.name} has {video.frames} frame; expected at least 2"
    if cfg.batch % hosts:
        return f"convnet.batch is {cfg.batch} for {hosts} hosts; expected a multiple of the hosts"
    return ""


def _frame_batches(
    videos: Sequence[Video],
    reader: FrameReader,
    cfg: ConvNetConfig,
    draws: ClipDraws,
    step: int,
    workers: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    labels = labels_of_clip_videos(videos).astype(np.int32)
    reach = round(cfg.shift * reader.side)
    share = cfg.batch // draws.host.count
    own_rows = slice(draws.host.index * share, (draws.host.index + 1) * share)

    def read_image(index: int, *draws_of_frame: Any) -> np.ndarray:
        return _read_varied(reader, cfg, videos[index], *draws_of_frame)

    with ThreadPoolExecutor(workers) as pool:
        while True:
            # All is drawn before anything is read, so that threads cannot change the draws.
            frame_draws = draw_frames(
                videos,
                step,
                batch=cfg.batch,
                seed=draws.seed,
                reach=reach,
                balanced=draws.balanced,
            )
            boxes = draw_crops(
                step, batch=cfg.batch, seed=draws.seed, side=reader.side, smallest=cfg.crop
            )
            # The whole batch is drawn, so that it is the same whatever the number of hosts.
            own_draws = FrameDraws(*[rows[own_rows] for rows in frame_draws])
            images = np.stack(list(pool.map(read_image, *own_draws, boxes[own_rows])))
            yield images, labels[own_draws.video]
            step += 1


def _read_varied(
    reader: FrameReader,
    cfg: ConvNetConfig,
    video: Video,
    frame: int,
    mirror: bool,
    shift: np.ndarray,
    box: np.ndarray,
) -> np.ndarray:
    """Reads one frame, and varies it by what was drawn for it."""
    image = reader.read(video, frame, frame + 1)[0]
    # Mirrored first: shift and box are drawn for what the network sees.
    if cfg.flip and mirror:
        image = mirrored_image(image, reader.stream)
    if cfg.crop < 1:
        image = cropped_image(image, box)
    if cfg.shift:
        image = shifted_image(image, *shift)
    return image


# ---- whole videos --------------------------------------------------------------------------------


def frame_chunks_of_video(
    video: Video, reader: FrameReader, *, block: int = 64
) -> Iterator[np.ndarray]:
    """Yields all L - 1 frames of a video in order, in blocks of images.

    Args:
      video: of the list.
      reader: of the stream and size wanted.
      block: frames of a block; the last one may have fewer.

    Yields:
      uint8 [n, S, S, ch].
    """
    # RGB is decoded from the start of the file for every block, so it is read once. Flow files give
    # any block at its own price.
    rgb = None
    if reader.stream == "rgb":
        rgb = reader.read(video)
    for start in range(0, video.frames - 1, block):
        stop = min(start + block, video.frames - 1)
        if rgb is None:
            yield reader.read(video, start, stop)
        else:
            yield rgb[start:stop]
