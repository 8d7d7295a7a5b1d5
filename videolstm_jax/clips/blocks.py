"""All frames of all videos in blocks, preprocessed for a backbone: what extraction reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.clips.frames import frame_chunks_of_video
from videolstm_jax.clips.images import mirrored_image, square_images
from videolstm_jax.errors import ConfigError
from videolstm_jax.flow_images.online import FlowSettings, frames_and_flow_images
from videolstm_jax.square import PictureFit
from videolstm_jax.types import Stream, Video, View
from videolstm_jax.video.decode import FrameFormat


class BackboneImages(NamedTuple):
    """The images that the backbone of a stream reads.

    Attributes:
      stream: `rgb` or `flow`.
      side: S, pixels.
      fit: how pictures of another shape are brought to the square.
      prepare: makes what the backbone reads of them, [n, S, S, ch] uint8; see `ImageNetwork`.
    """

    stream: Stream
    side: int
    fit: PictureFit
    prepare: Callable[[np.ndarray], np.ndarray]

    def inputs(self, images: np.ndarray, view: View, video: Video) -> np.ndarray:
        """What the backbone reads of images of a video.

        Args:
          images: [n, S, S, ch] uint8, as filmed.
          view: the side that the backbone reads.
          video: that they are of.

        Raises:
          ConfigError: a function of the user's own cannot be used on them.
        """
        # The picture is mirrored, not the features: no backbone is exactly symmetric.
        if view == "mirrored":
            # Contiguous, since a function of the user's own may not read backwards.
            images = np.ascontiguousarray(mirrored_image(images, self.stream))
        try:
            return self.prepare(images)
        except ConfigError as error:
            # A function may fail on one video of thousands, and does not know its name.
            raise ConfigError(f"{video.name} ({view}): {error}") from error


class FrameBlock(NamedTuple):
    """Some consecutive frames of one video, for one backbone.

    Attributes:
      video: that they are of.
      stream: of the backbone.
      view: the side that they show.
      images: as the backbone reads them, float32 [n, ..].
      is_last: whether this view of the video's stream ends with them.
      flow_range: of the video's flow, where that is stored nowhere: the greatest displacement in
        pixels, and the share of pixels at or beyond the bound.
    """

    video: Video
    stream: Stream
    view: View
    images: np.ndarray
    is_last: bool
    flow_range: tuple[float, float] | None = None


def clip_blocks_of_stream(
    videos: Sequence[Video],
    views: Mapping[str, Sequence[View]],
    reader: FrameReader,
    images: BackboneImages,
    size: int,
) -> Iterator[FrameBlock]:
    """Yields the L - 1 frames of each video of one stream, at most `size` at a time.

    Args:
      videos: to read.
      views: of each video, by its name. A block is read once and yielded in each of them.
      reader: of the stream.
      images: of the backbone.
      size: frames of a block at most.
    """
    for video in videos:
        # Counted, since only the block itself says how many frames it has.
        count = 0
        for frames in frame_chunks_of_video(video, reader, block=size):
            count += len(frames)
            for view in views[video.name]:
                yield FrameBlock(
                    video,
                    images.stream,
                    view,
                    images.inputs(frames, view, video),
                    is_last=count == video.frames - 1,
                )


def clip_blocks_of_both_streams(
    videos: Sequence[Video],
    views: Mapping[str, Sequence[View]],
    settings: FlowSettings,
    images: Sequence[BackboneImages],
    size: int,
    *,
    workers: int,
    limit: float,
) -> Iterator[FrameBlock]:
    """Yields the frames of each video, then its flow, which is computed on the way.

    Args:
      videos: as the stage prepare listed them.
      views: of each video, by its name.
      settings: of the flow.
      images: of the RGB backbone and of the flow backbone.
      size: frames of a block at most.
      workers: processes that decode.
      limit: seconds that decoding one video may take.
    """
    # Each video is decoded once for both streams.
    rgb_format = FrameFormat((images[0].side, images[0].side), fit=images[0].fit)
    decoded = frames_and_flow_images(videos, settings, rgb_format, workers=workers, limit=limit)
    for video, rgb, flow in decoded:
        flow_range = (flow.largest, flow.saturated)
        for stream_images, frames in zip(images, (rgb, flow.images), strict=True):
            stream = stream_images.stream
            # Flow of this kind is stored nowhere, so its range goes along with the features.
            stream_range = None
            if stream == "flow":
                stream_range = flow_range
            for start in range(0, video.frames - 1, size):
                pictures = frames[start : start + size]
                # Once for both views, and block by block: the squares of a long video would fill
                # the memory.
                squares = square_images(pictures, stream_images.side, stream_images.fit)
                for view in views[video.name]:
                    yield FrameBlock(
                        video,
                        stream,
                        view,
                        stream_images.inputs(squares, view, video),
                        is_last=start + size >= video.frames - 1,
                        flow_range=stream_range,
                    )
