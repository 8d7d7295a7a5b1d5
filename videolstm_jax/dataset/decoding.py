"""Decodes the listed videos to their ends, and keeps a row for each that cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.scan import bad_video_row
from videolstm_jax.dataset.splits.parts import ListedVideo, check_parts
from videolstm_jax.errors import VideoError
from videolstm_jax.flow import pace
from videolstm_jax.progress_lines import counted
from videolstm_jax.types import Dataset, Video
from videolstm_jax.video import guard
from videolstm_jax.video.decode import FrameFormat, VideoInfo


class VideoDecoder:
    """Decodes videos of a data set in worker processes.

    Where bad videos are skipped, `bad_rows` gets a line of bad.jsonl for each; else the first one
    raises its error.
    """

    def __init__(self, cfg: DataConfig, dataset: Dataset, *, skip_bad: bool | None = None):
        """Sets what is decoded.

        Args:
          cfg: how videos are read, and whether bad ones are skipped.
          dataset: the listed videos and their classes.
          skip_bad: overrides `cfg.on_bad_video`.
        """
        self.bad_rows: list[dict[str, str]] = []
        self._cfg = cfg
        self._classes = dataset.classes
        if skip_bad is None:
            skip_bad = cfg.on_bad_video != "fail"
        self._skip_bad = skip_bad

    def read_frames(
        self, videos: Sequence[Video], frame_format: FrameFormat
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yields the name and all frames of each good video.

        Args:
          videos: which ones.
          frame_format: of the frames.

        Raises:
          VideoError: a bad video that is not skipped.
        """
        return self._read(videos, frame_format, lambda video: (0, self._cfg.max_frames))

    def read_middles(
        self, videos: Sequence[Video], frame_format: FrameFormat
    ) -> Iterator[tuple[str, int, np.ndarray]]:
        """Yields three frames from the middle of each video, or as many as there are.

        The number of the first one stands between the name and the frames. The frames behind them
        are not decoded. See `read_frames`.
        """

        def middle(video: Video) -> tuple[int, int]:
            # Three frames are two pairs, of which flow is computed.
            start = max(0, video.frames // 2 - 1)
            return start, start + min(3, video.frames)

        # `_read` leaves bad videos out, so names tell which start belongs to which frames.
        starts = {}
        for video in videos:
            starts[video.name], _ = middle(video)
        for name, frames in self._read(videos, frame_format, middle):
            yield name, starts[name], frames

    def _read(
        self,
        videos: Sequence[Video],
        frame_format: FrameFormat,
        span: Callable[[Video], tuple[int, int]],
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yields names and frames; `span` gives the first frame, and where to stop or 0."""
        crew = guard.Crew(self._cfg.workers, limit=self._cfg.time_limit)

        def read(video: Video) -> np.ndarray:
            start, stop = span(video)
            # One format, so one array; other callers read colour and grey frames in one pass.
            (frames,) = crew.read_formats(
                video.path, [frame_format], fps=self._cfg.fps, start=start, max_frames=stop
            )
            return frames

        # A consumer that stops early closes this generator; the workers must end then too.
        try:
            decoded = guard.videos_decoded_ahead(crew, read, videos)
            for video, frames in self._good(videos, decoded, len):
                yield video.name, frames
        finally:
            crew.end()

    def count_frames(self, videos: Sequence[Video]) -> dict[str, int]:
        """Decodes the videos without keeping frames; L of each good one, by name.

        The header of a file may declare another number of frames than it has.

        Raises:
          VideoError: a bad video that is not skipped.
        """
        crew = guard.Crew(self._cfg.workers, limit=self._cfg.time_limit)

        def check(video: Video) -> VideoInfo:
            return crew.check(video.path, fps=self._cfg.fps, max_frames=self._cfg.max_frames)

        frames = {}
        # A bad video that is not skipped raises its error here; no worker may outlive it.
        try:
            headers = guard.videos_decoded_ahead(crew, check, videos)
            headers = counted(headers, len(videos), "prepare: checks videos")
            for video, header in self._good(videos, headers, lambda header: header.frames):
                frames[video.name] = header.frames
            return frames
        finally:
            crew.end()

    def good_videos(self, dataset: Dataset, frames: Mapping[str, int]) -> Dataset:
        """The videos that could be decoded, with the number of frames that were decoded.

        Args:
          dataset: all listed videos.
          frames: L of each decoded video, by name.

        Raises:
          FileError: a class has lost its last training clip with the bad videos.
        """
        videos, miscounted = [], []
        for video in dataset.videos:
            if video.name not in frames:
                continue
            count = frames[video.name]
            videos.append(video._replace(frames=count))
            # Not refused: encoders declare wrong numbers often, and every frame was decoded.
            if count != video.frames:
                miscounted.append(f"{video.name} ({video.frames} declared, {count} found)")
        # The parts were checked when the videos were listed, with the bad ones among them.
        if self.bad_rows:
            good = [listed_video(video, dataset.classes) for video in videos]
            # As if from lists: what `list_videos` checked strictly before may only warn here. A
            # class without training clips is refused all the same.
            check_parts(good, dataset.classes, from_lists=True)
        pace.warn_of_videos_for_flow(
            "other frames were found than the file declares, and flow has one pair less, in",
            miscounted,
        )
        return Dataset(dataset.classes, tuple(videos))

    def _good(
        self, videos: Sequence[Video], decoded_videos: Iterator, count: Callable[..., int]
    ) -> Iterator[tuple]:
        """Yields videos with what was decoded of them; notes those with an error or one frame.

        `count` gives the number of frames of what was decoded: of an array, or of a header.
        """
        for video, decoded in zip(videos, decoded_videos, strict=True):
            # The workers return an error in place of frames, so that the next videos still come.
            error = None
            if isinstance(decoded, VideoError):
                error = decoded
            elif count(decoded) < 2:
                error = VideoError(f"{video.path}: 1 frame; flow needs 2")
            if error is None:
                yield video, decoded
            elif not self._skip_bad:
                raise error
            else:
                self.bad_rows.append(bad_video_row(listed_video(video, self._classes), error))


def listed_video(video: Video, classes: Sequence[str]) -> ListedVideo:
    """A video as it was before it was opened."""
    return ListedVideo(video.name, video.path, classes[video.label], video.group, video.part)
