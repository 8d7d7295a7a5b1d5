"""Flow images made when they are wanted, the same as stored ones, for those who have no room to
store them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.errors import FileError, VideoError
from videolstm_jax.flow import batched, image
from videolstm_jax.types import Video
from videolstm_jax.video import flow_file, flow_methods, guard
from videolstm_jax.video.decode import View


class FlowSettings(NamedTuple):
    """What flow images depend on, as the stage `prepare` wrote it to flow/index.json; see
    `config.FlowConfig`.
    """

    method: str
    width: int
    height: int
    bound: float
    scaled: bool
    image: str
    fps: float
    max_frames: int

    @classmethod
    def of(cls, index: Mapping[str, Any], where: str | os.PathLike) -> FlowSettings:
        """The settings that an index holds.

        Raises:
          FileError: one is not there.
        """
        lacking = [name for name in cls._fields if name not in index]
        if lacking:
            raise FileError(
                f"{where}: lacks {', '.join(lacking)}; expected the settings of the stage prepare"
            )
        return cls(*(index[name] for name in cls._fields))

    @property
    def view(self) -> View:
        """The grey frames that flow is computed from."""
        return View((self.width, self.height) if self.width else None, grey=True)


class OnlineFlow:
    """Flow images of any pairs of a video, computed from its file; a stand-in for
    `flow_file.read_flow`.
    """

    def __init__(self, settings: FlowSettings, *, workers: int = 2, limit: float = guard.LIMIT):
        """Sets how flow is made, in how many processes videos are decoded, and the seconds each may
        take.
        """
        self._settings = settings
        self._method = flow_methods.method(settings.method)
        self._crew = guard.Crew(workers, limit=limit)

    def read(self, path: str | os.PathLike, start: int, stop: int) -> np.ndarray:
        """Pairs start <= t < stop of a video, [n, H, W, 2] uint8, fewer where it is shorter.

        Raises:
          VideoError: it cannot be decoded.
        """
        (grey,) = self._crew.read_views(
            path, [self._settings.view], fps=self._settings.fps, start=start, max_frames=stop + 1
        )
        bound = image.limit(self._settings.bound, scaled=self._settings.scaled)
        if (
            len(grey) == 2
        ):  # one pair of a long video: a batch of its own, since filling one up costs more
            height, width = grey.shape[1:]
            images = image.to_image(self._method(grey[:1], grey[1:]), bound(width, height))
        elif len(grey) > 2:
            (found,) = batched.flow_images([("", grey)], bound, method=self._method)
            images = found.images
        else:
            return np.zeros((0, *grey.shape[1:], 2), np.uint8)
        return flow_file.as_stored(images, self._settings.image)


def both_streams(
    videos: Sequence[Video],
    settings: FlowSettings,
    side: int,
    *,
    workers: int = 2,
    limit: float = guard.LIMIT,
) -> Iterator[tuple[Video, np.ndarray, batched.Images]]:
    """Decodes each video once, and gives its frames and its flow as they would be read from files.

    Pairs of several videos share a batch, in the order of the list, as in the stage `prepare`.

    Args:
      videos: as `prepare` listed them.
      settings: of the flow.
      side: pixels that RGB frames are squashed to.
      workers: processes that decode, and batches of flow at a time.
      limit: seconds that decoding one video may take.

    Yields:
      Each video with L - 1 frames [L-1, S, S, 3] uint8 and its flow, the images as they would be
      stored.

    Raises:
      VideoError: a video is not as it was when `prepare` read it.
    """
    rgb: dict[str, np.ndarray] = {}
    crew = guard.Crew(workers, limit=limit)

    def decoded(video: Video) -> list[np.ndarray]:
        return crew.read_views(
            video.path,
            [View((side, side)), settings.view],
            fps=settings.fps,
            max_frames=settings.max_frames,
        )

    def grey() -> Iterator[tuple[str, np.ndarray]]:
        for video, found in zip(videos, guard.ahead(crew, decoded, videos), strict=True):
            if isinstance(found, VideoError):
                raise found
            if len(found[0]) != video.frames:
                raise VideoError(
                    f"{video.path}: {len(found[0])} frames; expected {video.frames}, as when the stage "
                    "prepare read it: run that again"
                )
            rgb[video.name] = found[0][:-1]
            yield video.name, found[1]

    by_name = {video.name: video for video in videos}
    try:
        for done in batched.flow_images(
            grey(),
            image.limit(settings.bound, scaled=settings.scaled),
            method=flow_methods.method(settings.method),
            workers=workers,
        ):
            stored = done._replace(images=flow_file.as_stored(done.images, settings.image))
            yield by_name[done.name], rgb.pop(done.name), stored
    finally:
        crew.end()
