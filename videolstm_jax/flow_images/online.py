"""Flow images computed when they are needed, equal to stored ones, for sets too large to store."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from annotated_types import Ge, Gt, Interval

from videolstm_jax.errors import FileError, VideoError
from videolstm_jax.flow import batched, image
from videolstm_jax.flow_images import flow_file, flow_methods
from videolstm_jax.json_records import parse_record
from videolstm_jax.types import Video
from videolstm_jax.video import guard
from videolstm_jax.video.decode import FrameFormat

# Sides of frames and numbers of frames are far smaller.
_Count = Annotated[int, Interval(ge=0, lt=1 << 31)]


class FlowSettings(NamedTuple):
    """The settings that flow images depend on; see `config.FlowConfig`.

    The stage `prepare` writes them to flow/index.json. `width` and `height` are 0 for frames of
    their own shape, whose shorter side is at most `shorter_side` pixels where that is not 0. `fps`
    and `max_frames` are those of `config.DataConfig`, as is `fit`: with `pad` and `crop` frames
    keep their shape and are scaled to fit into `width` x `height`.
    """

    method: str
    width: _Count
    height: _Count
    bound: Annotated[float, Gt(0)]
    scaled: bool
    image: Literal["jpeg", "png"]
    fps: Annotated[float, Ge(0)]
    max_frames: _Count
    shorter_side: _Count = 0
    fit: Literal["squash", "pad", "crop"] = "squash"

    @classmethod
    def of(cls, index: Mapping[str, Any], where: str | os.PathLike) -> FlowSettings:
        """Reads the settings from the contents of an index.

        Args:
          index: the contents of flow/index.json.
          where: its path, for error messages.

        Raises:
          FileError: a setting is missing, or is of another kind.
        """
        # An index of an earlier version lacks the fields that have a default.
        stored = {**cls._field_defaults, **index}
        settings = {}
        lacking = []
        for name in cls._fields:
            if name in stored:
                settings[name] = stored[name]
            else:
                lacking.append(name)
        if lacking:
            raise FileError(
                f"{where}: lacks {', '.join(lacking)}; expected the settings of the stage prepare"
            )
        return parse_record(json.dumps(settings).encode(), cls, where)

    @property
    def frame_format(self) -> FrameFormat:
        """The grey frames from which flow is computed."""
        size = None
        if self.width:
            size = (self.width, self.height)
        return online_flow_frames(size, self.shorter_side, self.fit)


def online_flow_frames(size: tuple[int, int] | None, shorter_side: int, fit: str) -> FrameFormat:
    """The grey frames that flow is computed from.

    With `squash` they are squashed to `size`, as the authors' were: a pixel is another length in x
    than in y then, in the flow as in the square. With `pad` and `crop` the square keeps the shape
    of the video, so the frames keep it too, and x and y have one unit.

    Args:
      size: (W, H) pixels, or None for the size of the video.
      shorter_side: see `FrameFormat`.
      fit: the setting `data.fit`.
    """
    keep_shape = fit != "squash"
    return FrameFormat(size, grey=True, shorter_side=shorter_side, keep_shape=keep_shape)


class OnlineFlow:
    """Flow images of any pairs of a video, computed from its file instead of read from a zip."""

    def __init__(self, settings: FlowSettings, *, workers: int = 2, limit: float = guard.LIMIT):
        """Prepares the computation.

        Args:
          settings: of the flow.
          workers: processes that decode.
          limit: seconds that decoding one video may take.
        """
        self._settings = settings
        self._method = flow_methods.flow_method(settings.method)
        self._crew = guard.Crew(workers, limit=limit)

    def read(self, path: str | os.PathLike, start: int, stop: int) -> np.ndarray:
        """Returns pairs start <= t < stop of a video, [n, H, W, 2] uint8, fewer if it is shorter.

        Raises:
          VideoError: it cannot be decoded.
        """
        settings = self._settings
        # n pairs need n + 1 frames
        (grey,) = self._crew.read_formats(
            path, [settings.frame_format], fps=settings.fps, start=start, max_frames=stop + 1
        )
        if len(grey) < 2:  # the video ends before the pair
            return np.zeros((0, *grey.shape[1:], 2), np.uint8)
        bound = image.flow_limit(settings.bound, scaled=settings.scaled)
        if len(grey) == 2:
            # One pair, as `fit_convnet` draws them: filling it up to a batch would cost more.
            height, width = grey.shape[1:]
            images = image.flow_to_image(self._method(grey[:1], grey[1:]), bound(width, height))
        else:
            (flow,) = batched.batched_tvl1_images([("", grey)], bound, method=self._method)
            images = flow.images
        return flow_file.as_stored_flow(images, settings.image)


def frames_and_flow_images(
    videos: Sequence[Video],
    settings: FlowSettings,
    rgb_format: FrameFormat,
    *,
    workers: int = 2,
    limit: float = guard.LIMIT,
) -> Iterator[tuple[Video, np.ndarray, batched.FlowImages]]:
    """Decodes each video once and yields its frames and its flow as files would hold them.

    Pairs of several videos share a batch, in the order of the list, as in the stage `prepare`; so
    the flow is equal to stored flow to the last bit.

    Args:
      videos: as `prepare` listed them.
      settings: of the flow.
      rgb_format: of the RGB frames.
      workers: processes that decode, and batches of flow at a time.
      limit: seconds that decoding one video may take.

    Yields:
      Each video with L - 1 frames [L-1, S, S, 3] uint8 and its flow, the images as they would be
      stored.

    Raises:
      VideoError: a video has changed since `prepare` read it.
    """
    # Frames wait here for their flow, which comes later: a batch has pairs of several videos.
    rgb: dict[str, np.ndarray] = {}
    crew = guard.Crew(workers, limit=limit)

    def grey_frames() -> Iterator[tuple[str, np.ndarray]]:
        for video, colour, grey in _decoded(crew, videos, settings, rgb_format):
            rgb[video.name] = colour[:-1]  # the last frame has no flow
            yield video.name, grey

    by_name = {video.name: video for video in videos}
    bound = image.flow_limit(settings.bound, scaled=settings.scaled)
    method = flow_methods.flow_method(settings.method)
    try:
        for flow in batched.batched_tvl1_images(
            grey_frames(), bound, method=method, workers=workers
        ):
            # Through JPEG and back, as files would hold it: the backbone must see the same pixels.
            stored = flow._replace(images=flow_file.as_stored_flow(flow.images, settings.image))
            yield by_name[flow.name], rgb.pop(flow.name), stored
    finally:
        crew.end()


def _decoded(
    crew: guard.Crew, videos: Sequence[Video], settings: FlowSettings, rgb_format: FrameFormat
) -> Iterator[tuple[Video, np.ndarray, np.ndarray]]:
    """Yields each video with its RGB frames [L, S, S, 3] and its grey frames [L, H, W]."""
    formats = [rgb_format, settings.frame_format]

    def read(video: Video) -> list[np.ndarray]:
        return crew.read_formats(
            video.path, formats, fps=settings.fps, max_frames=settings.max_frames
        )

    for video, frames in zip(videos, guard.videos_decoded_ahead(crew, read, videos), strict=True):
        if isinstance(frames, VideoError):
            raise frames
        colour, grey = frames
        # Features of another length would not fit those of other streams.
        if len(colour) != video.frames:
            raise VideoError(
                f"{video.path}: {len(colour)} frames; expected {video.frames}, as when the stage "
                "prepare read it: run that again"
            )
        yield video, colour, grey
