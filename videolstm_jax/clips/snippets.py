"""Which frames a clip or a segment consists of: arithmetic of frame numbers only."""

from __future__ import annotations

import numpy as np

SEGMENT_RULES = ("paper", "authors")


def segment_starts(length: int, segments: int, frames: int, *, rule: str = "paper") -> np.ndarray:
    """First frames of the S segments a video is scored by (Sec. 5.2, "25 equally-spaced segments").

    `paper` spaces them evenly from the first frame to the last: round(linspace(0, L - T, S)),
    halves to the even number. `authors` is their integer rule with T = 30 and S = 25:
    avg = int((L - 29) / 25), int(avg / 2 + j avg). It does not read the end of many videos. A video
    of at most T frames has S equal segments, which all start at 0.

    Args:
      length: L, frames of the video.
      segments: S.
      frames: T, frames of a segment.
      rule: `paper` or `authors`.

    Returns:
      Integer array [S], never decreasing; each start + T is at most max(L, T).

    Raises:
      ValueError: a number below 1, or a rule that does not exist.
    """
    for name, value in (("length", length), ("segments", segments), ("frames", frames)):
        if value < 1:
            raise ValueError(f"{name} is {value}; expected at least 1")
    if rule not in SEGMENT_RULES:
        rules = ", ".join(map(repr, SEGMENT_RULES))
        raise ValueError(f"segment rule is {rule!r}; expected one of {rules}")
    if length <= frames:
        return np.zeros(segments, np.int64)
    # NumPy rounds halves to the even number, as the docstring says.
    if rule == "paper":
        return np.round(np.linspace(0, length - frames, segments)).astype(np.int64)
    # L - 29 for T = 30: so many places a segment can begin at.
    average = (length - (frames - 1)) // segments
    # The cast drops the half of an odd average / 2, as the authors' int() does.
    return (average / 2 + average * np.arange(segments)).astype(np.int64)


def unique_segment_starts(starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different starts in rising order and their counts, so that equal segments run once.

    Args:
      starts: [S] of `segment_starts`.

    Returns:
      Starts [U] and counts [U], which sum to S.
    """
    return np.unique(starts, return_counts=True)


def clip_indices(length: int, start: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """The T frames that a clip reads; behind the end of the video the last frame is repeated.

    Args:
      length: L, frames of the video.
      start: first frame, inside the video.
      frames: T.

    Returns:
      Index [T] and mask [T], true where the frame exists.

    Raises:
      ValueError: a start outside the video, or no frames.
    """
    if frames < 1 or not 0 <= start < length:
        raise ValueError(f"a clip of {frames} frames from frame {start} of a video of {length}")
    index = start + np.arange(frames)
    return np.minimum(index, length - 1), index < length
