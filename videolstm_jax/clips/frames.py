"""Single frames for the ConvNets: random ones to train on, and all of a video to extract features
from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.clips.images import CHANNELS, cropped, mirrored, preprocess, shifted, squashed
from videolstm_jax.clips.prefetch import prefetch
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.files import PathLike
from videolstm_jax.types import Stream, Video
from videolstm_jax.video import flow_file, guard


class Draws(NamedTuple):
    """What one batch of random frames is: `video` [B] index, `frame` [B], `mirror` [B] bool,
    `shift` [B, 2] (y, x).
    """

    video: np.ndarray
    frame: np.ndarray
    mirror: np.ndarray
    shift: np.ndarray


class FrameReader:
    """Reads frames of one stream, squashed to a square, and keeps as many whole videos as fit in
    memory.

    Videos are kept from the first of the list on. Of the others only what is needed is decoded: all
    RGB frames before the one asked for, since codecs want that, or the one pair of flow images.
    """

    def __init__(
        self,
        stream: Stream,
        image_size: int,
        *,
        flow: PathLike = "",
        fps: float = 0.0,
        online: Callable[[PathLike, int, int], np.ndarray] | None = None,
        workers: int = 2,
        limit: float = guard.LIMIT,
    ):
        """Sets what is read.

        Args:
          stream: `rgb`, three channels R, G, B, or `flow`, two channels x and y.
          image_size: side of the square in pixels.
          flow: the folder of flow files, for `flow`.
          fps: the rate RGB frames are resampled to; 0 is each video's own.
          online: makes flow images of a video's pairs start to stop where none are stored, see
            `video.online`.
          workers: processes that decode RGB frames.
          limit: seconds that decoding one video may take.
        """
        if stream not in CHANNELS:
            raise ConfigError(f"stream is {stream!r}; expected 'rgb' or 'flow'")
        self.stream: Stream = stream
        self.side = image_size
        self._flow = epath.Path(flow)
        self._fps = fps
        self._online = online
        self._crew = guard.Crew(workers, limit=limit)
        self._keep: frozenset[str] = frozenset()
        self._kept: dict[str, np.ndarray] = {}

    @property
    def channels(self) -> int:
        """3 of `rgb`, 2 of `flow`."""
        return CHANNELS[self.stream]

    def keep(self, videos: Sequence[Video], size: int) -> None:
        """Lets the first videos whose frames fit in `size` bytes stay in memory once they are read."""
        sizes = np.cumsum([(video.frames - 1) * self.side**2 * self.channels for video in videos])
        self._keep = frozenset(
            video.name for video, needed in zip(videos, sizes, strict=True) if needed <= size
        )

    def read(self, video: Video, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Frames start <= t < stop of the L - 1 that have a flow: uint8 [n, S, S, channels].

        Raises:
          FileError: the file has fewer frames than the list says.
          VideoError: it cannot be decoded.
        """
        stop = video.frames - 1 if stop is None else stop
        if video.name in self._keep:
            if video.name not in self._kept:
                self._kept[video.name] = self._read(video, 0, video.frames - 1)
            return self._kept[video.name][start:stop]
        return self._read(video, start, stop)

    def _read(self, video: Video, start: int, stop: int) -> np.ndarray:
        if self.stream == "rgb":
            path = video.path
            images = self._crew.read(
                path, fps=self._fps, start=start, max_frames=stop, size=(self.side, self.side)
            )
        elif self._online:
            path = video.path
            images = squashed(self._online(path, start, stop), self.side)
        else:
            path = str(self._flow / f"{video.name}.zip")
            images = squashed(flow_file.read_flow(path, start, stop), self.side)
        if len(images) != stop - start:
            raise FileError(
                f"{path}: {start + len(images)} frames of {video.name}; expected {stop} at least"
            )
        return images


def crops(step: int, *, batch: int, seed: int, side: int, smallest: float) -> np.ndarray:
    """Where the frames of batch `step` are cut: x0, y0, x1, y1 [B, 4], half-open whole pixels of a
    square.

    A pure function of (seed, step), drawn apart from `draws`. Height and width are uniform and
    independent, from `smallest` of the side up to all of it, so that size and shape vary; the place
    is uniform.
    """
    generator = np.random.default_rng([seed, step, 1])
    sides = generator.integers(max(1, round(smallest * side)), side + 1, (batch, 2))
    corner = np.floor(generator.random((batch, 2)) * (side + 1 - sides)).astype(np.int64)
    return np.concatenate([corner, corner + sides], 1)


def draws(videos: Sequence[Video], step: int, *, batch: int, seed: int, reach: int = 0) -> Draws:
    """Batch `step` of independent draws: a video of the list, then one of its L - 1 frames.

    A pure function of (seed, step). Classes come as often as the list holds them.

    Args:
      videos: the list.
      step: which batch.
      batch: B.
      seed: of all batches.
      reach: the largest shift in pixels, either way.
    """
    generator = np.random.default_rng([seed, step])
    video = generator.integers(len(videos), size=batch)
    pairs = np.array([videos[at].frames - 1 for at in video])
    frame = np.floor(generator.random(batch) * pairs).astype(np.int64)
    return Draws(
        video,
        frame,
        generator.random(batch) < 0.5,
        generator.integers(-reach, reach + 1, (batch, 2)),
    )


def frame_batches(
    videos: Sequence[Video],
    reader: FrameReader,
    *,
    batch: int,
    seed: int,
    start_step: int = 0,
    flip: bool = False,
    shift: float = 0.0,
    crop: float = 1.0,
    preprocessing: str = "caffe",
    pixel_scale: float = 1.0,
    workers: int = 2,
    cache_bytes: int = 2 << 30,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields random frames with their labels without end; batch k is a pure function of (seed, k).

    Args:
      videos: the training list.
      reader: of the stream and size wanted.
      batch: B.
      seed: of all draws.
      start_step: the first batch to yield.
      flip: mirror half of the frames; the x component of flow changes its sign.
      shift: move frames by up to this share of their side, repeating the edge.
      crop: cut frames to between this share of their sides and all of it; see `crops`.
      preprocessing: see `pixels`.
      pixel_scale: see `pixels`.
      workers: threads that decode.
      cache_bytes: memory for videos that are kept whole.

    Returns:
      Images [B, S, S, ch] float32, preprocessed, and labels [B] int32.

    Raises:
      ConfigError: no videos, or a video without a pair of frames.
    """
    if not videos:
        raise ConfigError("no videos to train on; expected at least one in the training list")
    for video in videos:
        if video.frames < 2:
            raise ConfigError(f"{video.name} has {video.frames} frame; expected at least 2")
    reader.keep(videos, cache_bytes)
    labels = np.array([video.label for video in videos], np.int32)
    reach = round(shift * reader.side)

    def image(row: tuple) -> np.ndarray:
        at, frame, mirror, (down, right), box = row
        one = reader.read(videos[at], frame, frame + 1)[0]
        one = mirrored(one, reader.stream) if flip and mirror else one
        one = cropped(one, box) if crop < 1 else one
        return shifted(one, down, right) if reach else one

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        step = start_step
        with ThreadPoolExecutor(workers) as pool:
            while True:
                drawn = draws(videos, step, batch=batch, seed=seed, reach=reach)
                boxes = crops(step, batch=batch, seed=seed, side=reader.side, smallest=crop)
                images = np.stack(list(pool.map(image, zip(*drawn, boxes, strict=True))))
                images = preprocess(
                    images, reader.stream, preprocessing=preprocessing, pixel_scale=pixel_scale
                )
                yield images, labels[drawn.video]
                step += 1

    return prefetch(batches())


def video_frames(
    video: Video,
    reader: FrameReader,
    *,
    block: int = 64,
    preprocessing: str = "caffe",
    pixel_scale: float = 1.0,
) -> Iterator[np.ndarray]:
    """Yields all L - 1 frames of a video in order, preprocessed, float32 [n, S, S, ch] with n at
    most `block`.
    """
    whole = reader.read(video) if reader.stream == "rgb" else None
    for start in range(0, video.frames - 1, block):
        stop = min(start + block, video.frames - 1)
        images = reader.read(video, start, stop) if whole is None else whole[start:stop]
        yield preprocess(
            images, reader.stream, preprocessing=preprocessing, pixel_scale=pixel_scale
        )
