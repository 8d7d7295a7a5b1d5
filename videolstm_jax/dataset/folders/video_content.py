"""Decides by their content whether files of unknown names are videos."""

from __future__ import annotations

import os
from collections.abc import Sequence

from etils import epath

from videolstm_jax.errors import VideoError
from videolstm_jax.video import guard

# Containers have binary numbers within their first bytes.
_HEAD = 512
# Seconds for one file. Opening a video takes milliseconds.
_LIMIT = 20.0


def video_begins_with_text(path: epath.Path) -> bool:
    """Whether the first bytes of a file are printable text, as no container's are."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    # The end of the head may cut a character in two.
    letters = head.decode("utf-8", "ignore")
    if len(letters.encode()) < len(head) - 3:
        return False
    # Python takes white space other than the blank for not printable.
    for white_space in "\t\r\n\f":
        letters = letters.replace(white_space, "")
    return letters.isprintable()


def is_regular_video_file(path: epath.Path) -> bool:
    """Whether reading a file comes to an end; a pipe or a device would wait for ever."""
    # `epath` takes pipes for files. Buckets have none.
    return "://" in str(path) or os.path.isfile(path)


def are_video_files(paths: Sequence[epath.Path], *, workers: int = 2) -> list[bool]:
    """Whether FFmpeg finds a video of two frames or more in each file.

    Text is never given to FFmpeg: a playlist would lead it to other files.

    Args:
      paths: files whose names do not say what they are.
      workers: processes that open files; a damaged one may crash them.
    """
    candidates = []
    for path in paths:
        if is_regular_video_file(path) and not video_begins_with_text(path):
            candidates.append(path)
    if not candidates:
        return [False] * len(paths)
    crew = guard.Crew(workers, limit=_LIMIT)
    try:
        headers = list(guard.videos_decoded_ahead(crew, lambda path: crew.probe(path), candidates))
    finally:
        crew.end()
    videos = set()
    for path, header in zip(candidates, headers, strict=True):
        # One frame is a picture, or the cover of a sound file.
        if not isinstance(header, VideoError) and header.frames > 1:
            videos.add(path)
    return [path in videos for path in paths]
