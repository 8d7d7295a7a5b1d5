"""Pictures at another rate: the nearest in time, by the time stamps of the file."""

from __future__ import annotations

import math
from collections.abc import Iterator

import av

from videolstm_jax.video.declared import declared_end, video_frame_rate

HELD = 0.5
"""Periods beyond its own for which a last picture counts as held: declared ends are rounded."""
SHORTEST = 1e-4
"""Seconds between two pictures below which a time stamp is no use (FFmpeg counts Dirac so)."""
ROUNDING = 1e-6
"""Frames of the result within which two times are equal."""
FINE_TICKS = 4
"""Ticks a period from which a container's times are rounded ones; with fewer they are exact."""


class Timeline:
    """Times of the pictures of a stream in seconds, the first at 0, and the end of the last one."""

    def __init__(self, stream: av.VideoStream, container: av.container.Container | None) -> None:
        """Prepares for a stream.

        Args:
          stream: of pictures.
          container: of the stream; None where it has no end, such as a camera.
        """
        self._period = 1 / video_frame_rate(stream)
        self._tick = float(stream.time_base or 0)
        self._declared = 0.0
        self._has_sample_durations = False
        if container is not None:
            self._declared = declared_end(container, stream)
            self._has_sample_durations = "mp4" in container.format.name
        self._first: float | None = None
        self._last_duration = self._longest = self._period
        self.time = 0.0
        """Of the last picture that was added."""

    def add(self, stamp: float | None, duration: float) -> float:
        """Adds the next picture in display order and returns its time.

        Args:
          stamp: its time stamp in seconds, None where there is none.
          duration: how long it is shown by its packet, 0 where that is not known.
        """
        self._last_duration = duration or self._period
        self._longest = max(self._longest, duration)
        if self._first is None:
            self._first = stamp or 0.0
        elif stamp is None or stamp - self._first < self.time + SHORTEST:
            self.time += self._period  # no usable stamp: one period after the picture before
        else:
            self.time = stamp - self._first
        return self.time

    @property
    def end(self) -> float:
        """When the last picture ends; it may be held beyond its own duration."""
        computed = self.time + self._last_duration
        # Stamps need not begin at 0, and what is declared is on their clock.
        declared = self._declared - (self._first or 0.0)
        if not self._has_sample_durations:
            if declared > computed + HELD * self._period:
                return declared
            return computed
        # MP4 stores durations in the order of decoding. Where there are B pictures, that of the
        # last one is with another, so none is longer than the longest.
        if declared <= self.time:
            return computed
        return min(declared, self.time + self._longest)

    def count(self, fps: float) -> int:
        """The number of frames after resampling: one for each k / fps before the end."""
        tolerance = ROUNDING / fps
        # Matroska and FLV round to milliseconds: without this, a frame more at every third length.
        if self._tick * FINE_TICKS < self._period:
            tolerance = max(tolerance, self._tick)
        return max(1, math.ceil((self.end - tolerance) * fps))


def resampled_video_pictures(
    pictures: Iterator[av.VideoFrame], timeline: Timeline, fps: float
) -> Iterator[av.VideoFrame]:
    """Yields the picture nearest to each k / fps, for all k / fps before the end of the video.

    Args:
      pictures: all pictures in display order.
      timeline: of their stream, empty.
      fps: frames a second to yield.
    """
    k, last, time = 0, None, 0.0
    for picture in pictures:
        next_time = timeline.add(picture.time, duration_of_picture(picture))
        # The picture before is the nearest one up to halfway; it wins a tie.
        while last is not None and k / fps <= (time + next_time) / 2 + 1e-9:
            yield last
            k += 1
        last, time = picture, next_time
    if last is None:
        return
    # A video has at least one frame, so the first picture is shown in any case.
    for _ in range(k, timeline.count(fps)):
        yield last


def duration_of_picture(timed: av.VideoFrame | av.Packet) -> float:
    """Returns for how many seconds a picture or a packet is shown, 0 where that is not known."""
    return float((timed.duration or 0) * (timed.time_base or 0))
