"""Single frames for the ConvNets: random ones to train on, and all of a video to extract features from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from etils import epath
from PIL import Image

from videolstm_jax.artifacts import ArtifactError, PathLike
from videolstm_jax.config import ConfigError
from videolstm_jax.data.prefetch import prefetch
from videolstm_jax.types import Stream, Video
from videolstm_jax.video import decode, flow_file

MEANS = {"rgb": (123.68, 116.779, 103.939), "flow": (128.0, 128.0)}
"""Taken off every pixel: the ImageNet mean of the Caffe VGG, in the order R, G, B; the grey of no motion."""


class Draws(NamedTuple):
    """What one batch of random frames is: `video` [B] index, `frame` [B], `mirror` [B] bool, `shift` [B, 2] (y, x)."""

    video: np.ndarray
    frame: np.ndarray
    mirror: np.ndarray
    shift: np.ndarray


class FrameReader:
    """Reads frames of one stream, squashed to a square, and keeps as many whole videos as fit in memory.

    Videos are kept from the first of the list on. Of the others only what is needed is decoded: all RGB frames before
    the one asked for, since codecs want that, or the one pair of flow images.
    """

    def __init__(self, stream: Stream, image_size: int, *, flow: PathLike = "", fps: float = 0.0):
        """Sets what is read.

        Args:
          stream: `rgb`, three channels R, G, B, or `flow`, two channels x and y.
          image_size: side of the square in pixels.
          flow: the folder of flow files, for `flow`.
          fps: the rate RGB frames are resampled to; 0 is each video's own.
        """
        if stream not in MEANS:
            raise ConfigError(f"stream is {stream!r}; expected 'rgb' or 'flow'")
        self.stream: Stream = stream
        self.side = image_size
        self._flow = epath.Path(flow)
        self._fps = fps
        self._keep: frozenset[str] = frozenset()
        self._kept: dict[str, np.ndarray] = {}

    @property
    def channels(self) -> int:
        """3 of `rgb`, 2 of `flow`."""
        return len(MEANS[self.stream])

    def keep(self, videos: Sequence[Video], size: int) -> None:
        """Lets the first videos whose frames fit in `size` bytes stay in memory once they are read."""
        sizes = np.cumsum([(video.frames - 1) * self.side**2 * self.channels for video in videos])
        self._keep = frozenset(video.name for video, needed in zip(videos, sizes, strict=True) if needed <= size)

    def read(self, video: Video, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Frames start <= t < stop of the L - 1 that have a flow: uint8 [n, S, S, channels].

        Raises:
          ArtifactError: the file has fewer frames than the list says.
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
            images = decode.read(path, fps=self._fps, max_frames=stop, size=(self.side, self.side))[start:stop]
        else:
            path = str(self._flow / f"{video.name}.zip")
            images = squashed(flow_file.read_flow(path, start, stop), self.side)
        if len(images) != stop - start:
            raise ArtifactError(f"{path}: {start + len(images)} frames of {video.name}; expected {stop} at least")
        return images


def squashed(images: np.ndarray, side: int) -> np.ndarray:
    """Images [n, H, W, ch] uint8 squashed to [n, S, S, ch], channel by channel (Pillow's bilinear), no crop."""
    if images.shape[1:3] == (side, side):
        return images
    planes = [[np.asarray(Image.fromarray(np.ascontiguousarray(image[..., at])).resize(
        (side, side), Image.Resampling.BILINEAR)) for at in range(images.shape[-1])] for image in images]
    return np.stack([np.stack(channels, -1) for channels in planes]) if planes else images[:, :side, :side]


def preprocess(images: np.ndarray, stream: Stream, *, pixel_scale: float = 1.0) -> np.ndarray:
    """What every ConvNet is fed, in training and extraction: pixels minus their mean, times a factor.

    RGB keeps the order R, G, B; weights made for B, G, R have the channels of their first kernel turned at import.

    Args:
      images: [.., ch] uint8, 0 to 255.
      stream: whose mean is taken off.
      pixel_scale: 1 for ImageNet weights of the Caffe VGG; smaller for nets from scratch.

    Returns:
      float32 of the same shape.
    """
    return (images.astype(np.float32) - np.array(MEANS[stream], np.float32)) * np.float32(pixel_scale)


def mirrored(image: np.ndarray, stream: Stream) -> np.ndarray:
    """The image [.., S, ch] uint8 seen in a mirror: left is right, and motion to the right goes to the left."""
    image = image[..., ::-1, :]
    if stream == "flow":
        image = np.stack([255 - image[..., 0], image[..., 1]], -1)
    return image


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """The image [H, W, ch] moved by whole pixels; what comes in repeats the edge."""
    rows = np.clip(np.arange(image.shape[0]) - down, 0, image.shape[0] - 1)
    columns = np.clip(np.arange(image.shape[1]) - right, 0, image.shape[1] - 1)
    return image[rows][:, columns]


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
    return Draws(video, frame, generator.random(batch) < 0.5, generator.integers(-reach, reach + 1, (batch, 2)))


def frame_batches(videos: Sequence[Video], reader: FrameReader, *, batch: int, seed: int, start_step: int = 0,
                  flip: bool = False, shift: float = 0.0, pixel_scale: float = 1.0, workers: int = 2,
                  cache_bytes: int = 2 << 30) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields random frames with their labels without end; batch k is a pure function of (seed, k).

    Args:
      videos: the training list.
      reader: of the stream and size wanted.
      batch: B.
      seed: of all draws.
      start_step: the first batch to yield.
      flip: mirror half of the frames; the x component of flow changes its sign.
      shift: move frames by up to this share of their side, repeating the edge.
      pixel_scale: see `preprocess`.
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
        at, frame, mirror, (down, right) = row
        one = reader.read(videos[at], frame, frame + 1)[0]
        one = mirrored(one, reader.stream) if flip and mirror else one
        return shifted(one, down, right) if reach else one

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        step = start_step
        with ThreadPoolExecutor(workers) as pool:
            while True:
                drawn = draws(videos, step, batch=batch, seed=seed, reach=reach)
                images = np.stack(list(pool.map(image, zip(*drawn, strict=True))))
                yield preprocess(images, reader.stream, pixel_scale=pixel_scale), labels[drawn.video]
                step += 1

    return prefetch(batches())


def video_frames(video: Video, reader: FrameReader, *, block: int = 64,
                 pixel_scale: float = 1.0) -> Iterator[np.ndarray]:
    """Yields all L - 1 frames of a video in order, preprocessed, float32 [n, S, S, ch] with n at most `block`."""
    whole = reader.read(video) if reader.stream == "rgb" else None
    for start in range(0, video.frames - 1, block):
        stop = min(start + block, video.frames - 1)
        images = reader.read(video, start, stop) if whole is None else whole[start:stop]
        yield preprocess(images, reader.stream, pixel_scale=pixel_scale)
