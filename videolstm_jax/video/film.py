"""A film of a video: every frame drawn by a function."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection

import numpy as np

from videolstm_jax.errors import VideoError
from videolstm_jax.files import PathLike
from videolstm_jax.types import Video
from videolstm_jax.video import encode, live


def write_film(
    path: PathLike,
    video: Video,
    draw: Callable[[np.ndarray, int], np.ndarray],
    *,
    fps: float = 0.0,
    keep: Collection[int] = (),
) -> dict[int, np.ndarray]:
    """Reads a video and films it one frame at a time, so that it may be of any length.

    Args:
      path: the film, see `encode.growing_video_file`.
      video: as `prepare` listed it.
      draw: makes a picture [H', W', 3] uint8 of a frame [H, W, 3] and its number; all of one size.
      fps: the rate to which the pipeline resamples its videos, 0 if it does not.
      keep: numbers of frames to return.

    Returns:
      The frames [H, W, 3] to keep, by number.

    Raises:
      VideoError: the file cannot be read, or has changed since `prepare` listed it. No film is
        left of it.
    """
    frames_to_return, count, size = {}, 0, (0, 0)
    with (
        live.open_live_video(video.path, fps=fps, max_frames=video.frames) as source,
        contextlib.ExitStack() as stack,
    ):
        # One frame at a time: a film of a long video would not fit into memory.
        for t, frame in enumerate(source.frames):
            picture = draw(frame, t)
            if not count:  # the size of the film is that of its first picture
                add = stack.enter_context(
                    encode.growing_video_file(path, picture.shape[1::-1], source.fps)
                )
            add(picture)
            if t in keep:
                frames_to_return[t] = frame
            count, size = count + 1, frame.shape[1::-1]
        # Within the block, so that `growing_video_file` discards the film of another video.
        _check_unchanged(video, count, size)
    return frames_to_return


def _check_unchanged(video: Video, count: int, size: tuple[int, int]) -> None:
    if (count, size) != (video.frames, (video.width, video.height)):
        raise VideoError(
            f"{video.path}: {count} frames of {size[0]} x {size[1]}; expected {video.frames} "
            f"of {video.width} x {video.height}, as the stage prepare found it"
        )
