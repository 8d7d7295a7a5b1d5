"""Chunks of AVI files: their turns, and those of no bytes (null frames), which hold a picture.

AVI has no time stamps; the number of a chunk is its time. A camera or a screen recorder that drops
a picture writes a chunk of no bytes, and players show the picture before for longer. FFmpeg numbers
such chunks but gives no packet for them.
"""

from __future__ import annotations

import bisect
import os
from typing import BinaryIO

import av

from videolstm_jax.video.damage.silent_packets import PLACEHOLDER, Debt

CHUNK_HEADER = 8
"""Bytes before the content of a chunk: its name and its size."""


class Chunks:
    """The chunks of the pictures of one stream, in the order of the file."""

    def __init__(self, stream: av.VideoStream) -> None:
        """Prepares for a stream, before its first packet."""
        self._stream = stream
        self._slots: list[int] = []  # numbers of the chunks that owe a picture
        self._delay = 0  # chunks by which pictures are shown later
        self._next_slot = 0
        self._ahead = 0  # pictures that came before their turn
        self._null_chunks = 0
        self.end: int | None = None
        """The byte behind the last chunk that was read."""

    def add(self, packet: av.Packet, debt: Debt) -> None:
        """Counts a chunk and the null chunks before it."""
        if not packet.size:  # the end of the file
            return
        if packet.dts is not None:
            self._null_chunks += max(0, packet.dts - self._next_slot)
            self._next_slot = packet.dts + 1
            # A packet without a picture has a turn if a packet before it brought its picture.
            if debt.pictures or self._ahead:
                self._slots.append(packet.dts)
            self._ahead += debt.ahead - (self._ahead and not debt.pictures)
        if packet.pos is not None:
            # Contents of odd length are followed by a byte of padding.
            self.end = packet.pos + packet.size + packet.size % 2

    def set_time(self, picture: av.VideoFrame, number: int) -> None:
        """Sets the time of a picture to the turn of its chunk.

        The time stamps that FFmpeg makes up for B pictures are not in order. A picture is shown in
        the turn of its chunk or, where there are B pictures, of a later one. The stamp of the first
        picture gives how much later.

        Args:
          picture: the picture.
          number: how many came before it.
        """
        if not number and picture.pts is not None:
            self._delay = bisect.bisect_left(self._slots, picture.pts)
        if self._slots:
            picture.pts = self._turn(number)
            picture.time_base = self._stream.time_base

    def _turn(self, number: int) -> int:
        """The chunk in whose turn a picture is shown."""
        index = number + self._delay
        if index < len(self._slots):
            return self._slots[index]
        # The last pictures come when no chunk is left to give them a turn.
        return self._slots[-1] + index - len(self._slots) + 1

    def times(self, pictures: int) -> list[tuple[int, int]]:
        """Returns the turn of each picture, and its duration of one chunk."""
        times = []
        for number in range(pictures):
            times.append((self._turn(number), 1))
        return times

    def declared(self, all_chunks: int, source: BinaryIO | None) -> int:
        """Returns how many chunks with content the file declares.

        Args:
          all_chunks: what the header declares, null chunks among them.
          source: the bytes behind the last chunk that was read; None where they are not known.
        """
        null_chunks = self._null_chunks
        if source is not None:
            null_chunks += avi_null_chunks_in(source, self._stream.index)
        return max(_chunks_with_content(self._stream), all_chunks - null_chunks)


def _chunks_with_content(stream: av.VideoStream) -> int:
    """Returns how many chunks the index lists, null chunks and placeholders aside."""
    count = 0
    for entry in stream.index_entries:
        count += entry.size > PLACEHOLDER
    return count


def avi_index_gaps(stream: av.VideoStream) -> int:
    """Returns the null chunks before the last picture: numbers that the index passes over."""
    entries = stream.index_entries
    if not len(entries):
        return 0
    return entries[-1].timestamp + 1 - len(entries)


def avi_end_of_last_chunk(stream: av.VideoStream) -> int | None:
    """Returns the byte behind the last chunk of the index, None where there is no index."""
    entries = stream.index_entries
    if not len(entries):
        return None
    last = entries[-1]
    return last.pos + CHUNK_HEADER + last.size + last.size % 2


def avi_null_chunks_in(source: BinaryIO, stream_index: int) -> int:
    """Counts null chunks behind the last picture, to the end of the chunks.

    Args:
      source: bytes that begin with a chunk.
      stream_index: of the stream of pictures.
    """
    name, count = b"%02d" % stream_index, 0
    while True:
        header = source.read(CHUNK_HEADER)
        size = int.from_bytes(header[4:], "little")
        # Chunks of streams begin with two digits; others follow the pictures.
        if len(header) < CHUNK_HEADER or not header[:2].isdigit():
            return count
        count += header[:2] == name and size == 0
        source.seek(size + size % 2, os.SEEK_CUR)
