"""Reads frames of one stream from videos or flow files, and may keep whole videos in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from etils import epath

from videolstm_jax.clips.images import square_images
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.files import PathLike
from videolstm_jax.flow_images import flow_file
from videolstm_jax.nn.preprocessing import STREAM_CHANNELS
from videolstm_jax.square import SQUASH, PictureFit
from videolstm_jax.types import Stream, Video, names_of
from videolstm_jax.video import guard
from videolstm_jax.video.decode import FrameFormat


class FrameReader:
    """Reads frames of one stream as squares, and may keep whole videos in memory.

    Of videos that are not kept only the needed part is decoded: all RGB frames before the wanted
    one, since codecs need them, or the one pair of flow images.
    """

    def __init__(
        self,
        stream: Stream,
        image_size: int,
        *,
        fit: PictureFit = SQUASH,
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
          fit: how frames of another shape are brought to the square.
          flow: the folder of flow files, for `flow`.
          fps: the rate RGB frames are resampled to; 0 is each video's own.
          online: computes flow images of a video's pairs start to stop where none are stored, see
            `flow_images.online`.
          workers: processes that decode RGB frames.
          limit: seconds that decoding one video may take.
        """
        if stream not in STREAM_CHANNELS:
            raise ConfigError(f"stream is {stream!r}; expected 'rgb' or 'flow'")
        self.stream: Stream = stream
        self.side = image_size
        self._fit = fit
        self._flow = epath.Path(flow)
        self._fps = fps
        self._online = online
        # Processes of their own: a damaged video may crash FFmpeg, and not the training with it.
        self._crew = guard.Crew(workers, limit=limit)
        self._cached_names: frozenset[str] = frozenset()
        self._cache: dict[str, np.ndarray] = {}

    @property
    def channels(self) -> int:
        """3 of `rgb`, 2 of `flow`."""
        return STREAM_CHANNELS[self.stream]

    def cache_first(self, videos: Sequence[Video], size: int) -> None:
        """Keeps the first videos whose frames fit in `size` bytes in memory once they are read."""
        frames = np.array([video.frames - 1 for video in videos])
        bytes_of = frames * self.side**2 * self.channels
        # Sizes add up and never fall, so the videos that fit are the first ones.
        count = int((np.cumsum(bytes_of) <= size).sum())
        self._cached_names = frozenset(names_of(videos[:count]))

    def read(self, video: Video, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Frames start <= t < stop of the L - 1 that have a flow: uint8 [n, S, S, channels].

        Raises:
          FileError: the file has fewer frames than the list has.
          VideoError: it cannot be decoded.
        """
        if stop is None:
            stop = video.frames - 1
        if video.name not in self._cached_names:
            return self._read(video, start, stop)
        # The whole video at once: a part of RGB costs the decoding of all frames before it.
        if video.name not in self._cache:
            self._cache[video.name] = self._read(video, 0, video.frames - 1)
        return self._cache[video.name][start:stop]

    def _read(self, video: Video, start: int, stop: int) -> np.ndarray:
        path = video.path
        if self.stream == "rgb":
            frame_format = FrameFormat((self.side, self.side), fit=self._fit)
            images = self._crew.read(
                path, fps=self._fps, start=start, max_frames=stop, frame_format=frame_format
            )
        elif self._online:
            images = square_images(self._online(path, start, stop), self.side, self._fit)
        else:
            path = str(self._flow / f"{video.name}.zip")
            images = square_images(flow_file.read_flow(path, start, stop), self.side, self._fit)
        # A file that was replaced by a shorter one would give fewer, without an error of its own.
        if len(images) != stop - start:
            raise FileError(
                f"{path}: {start + len(images)} frames of {video.name}; expected {stop} at least"
            )
        return images
