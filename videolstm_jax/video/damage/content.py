"""The bytes of a video apart from FFmpeg: some damage shows in them alone.

FFmpeg passes over a damaged part of a Matroska file, and does not report chunks of no bytes at the
end of an AVI file.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from etils import epath

from videolstm_jax.video.damage import matroska

EBML_MAGIC, RIFF_MAGIC = b"\x1a\x45\xdf\xa3", b"RIFF"
"""The first bytes of Matroska and of AVI files."""
MOST_KEPT = 1 << 22
"""Bytes of an AVI file from a pipe that are kept behind the last packet: more than an index has."""


class Content(Protocol):
    """What is asked of the bytes of a video, besides decoding them."""

    def block_count(self, track: int) -> int | None:
        """Returns the blocks of a track of Matroska; see `matroska.block_count`."""

    def drop_before(self, position: int) -> None:
        """Frees the memory of the bytes before a position."""

    def behind(self, position: int) -> contextlib.AbstractContextManager[BinaryIO]:
        """Opens the bytes from a position on, as far as they are known."""


class FileContent:
    """The bytes of a file, which can be read again."""

    def __init__(self, path: str | os.PathLike) -> None:
        """Opens nothing yet."""
        self._path = path

    def block_count(self, track: int) -> int | None:
        """Returns the blocks of a track of Matroska; see `matroska.block_count`."""
        return matroska.block_count(self._path, track)

    def drop_before(self, position: int) -> None:
        """Frees nothing: no bytes are in memory."""

    @contextlib.contextmanager
    def behind(self, position: int) -> Iterator[BinaryIO]:
        """Opens the bytes from a position on."""
        with epath.Path(self._path).open("rb") as source:
            source.seek(position)
            yield source


class PipeContent:
    """The bytes of a pipe, looked at while FFmpeg reads them, in bounded memory.

    It has `read` and no `seek`, so that PyAV does not try to jump in the pipe.
    """

    def __init__(self, pipe: BinaryIO, name: str) -> None:
        """Prepares to read.

        Args:
          pipe: a binary file object.
          name: what error messages call it.
        """
        self._pipe, self._name = pipe, name
        self._length = 0
        self._counter: matroska.BlockCounter | None = None
        self._kept: bytearray | None = None
        self._kept_from = 0

    def read(self, size: int = -1) -> bytes:
        """Reads from the pipe, for FFmpeg."""
        data = self._pipe.read(size)
        # The first bytes say what will be asked for at the end; of other kinds nothing is kept.
        if not self._length and data.startswith(EBML_MAGIC):
            self._counter = matroska.BlockCounter()
        if not self._length and data.startswith(RIFF_MAGIC):
            self._kept = bytearray()
        if self._counter is not None:
            self._counter.feed(self._length, data)
        self._length += len(data)
        if self._kept is not None:
            self._kept += data
            # `Tally` forgets what is behind it. This bound holds where packets have no position.
            self.drop_before(self._length - MOST_KEPT)
        return data

    def block_count(self, track: int) -> int | None:
        """Returns the blocks of a track of Matroska; see `matroska.block_count`."""
        if self._counter is None:
            return None
        # FFmpeg may leave the pipe at the last block; what follows decides whether it was cut.
        while not self._counter.is_done and self.read(io.DEFAULT_BUFFER_SIZE):
            pass
        return self._counter.count(self._name, track, self._length)

    def drop_before(self, position: int) -> None:
        """Drops what was kept before a position."""
        if self._kept is not None and position > self._kept_from:
            del self._kept[: position - self._kept_from]
            self._kept_from = position

    @contextlib.contextmanager
    def behind(self, position: int) -> Iterator[BinaryIO]:
        """Opens the bytes from a position on, as far as they are kept."""
        self.drop_before(position)
        # Where too much had to be dropped, the bytes kept begin later and cannot be read as chunks.
        is_kept = self._kept is not None and self._kept_from == position
        yield io.BytesIO(self._kept if is_kept else b"")
