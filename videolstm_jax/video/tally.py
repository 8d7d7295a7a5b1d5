"""The tally of a stream: how many pictures its packets and its header owe.

The rule: what FFmpeg decodes without an error is sound. Damage is what the decoder reports, or a
lack of pictures that no packet explains. These explain a lack:

- packets that code no picture to show (`silent_packets`);
- pictures at the start of a cut stream that need one before the cut (an open GOP);
- chunks of no bytes in an AVI file, which repeat the picture before (null frames);
- in Matroska, a last picture that is held, where all blocks of the file are there.
"""

from __future__ import annotations

import bisect
import contextlib
import os

import av
from etils import epath

from videolstm_jax.errors import VideoError
from videolstm_jax.video import matroska
from videolstm_jax.video.silent_packets import PLACEHOLDER, Debt, PacketReader

TOLERANCE = 1
"""Pictures that an undamaged file may lack of what its packets owe.

Decoders of MPEG-4 keep the last picture of some files for themselves.
"""
DEFAULT_RATE = 25
"""Frames a second of a container that does not say."""
CHUNK_HEADER = 8
"""Bytes before the content of an AVI chunk: its name and its size."""


def frame_rate(stream: av.VideoStream) -> float:
    """Returns frames a second, 25 where the container does not say."""
    return float(stream.average_rate or stream.guessed_rate or stream.base_rate or DEFAULT_RATE)


def declared_count(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    """Returns the number of pictures that the container declares, 0 where it does not say."""
    format_name = container.format.name
    if "mp4" in format_name:
        # The header counts what edit lists cut away; the index marks it.
        return sum(not entry.is_discard for entry in stream.index_entries) or stream.frames
    if format_name == "ivf":
        return 0  # the header holds a duration, in units that differ among programs
    count = stream.frames - sum(entry.size <= PLACEHOLDER for entry in stream.index_entries)
    if format_name == "avi":
        count -= _index_gaps(stream)
    return max(0, count)


def _index_gaps(stream: av.VideoStream) -> int:
    """Null chunks of an AVI file before the last picture: numbers that its index passes over."""
    entries = stream.index_entries
    return entries[-1].timestamp + 1 - len(entries) if len(entries) else 0


class Tally:
    """Counts the packets and pictures of one stream, and compares them at its end."""

    def __init__(
        self,
        path: str | os.PathLike,
        container: av.container.InputContainer,
        stream: av.VideoStream,
    ) -> None:
        """Prepares to count.

        Args:
          path: of the file, or the name of a pipe.
          container: of the video.
          stream: of the video, before its first packet.
        """
        self.pictures = 0
        self.packets = 0
        """Packets with content, those left out by edit lists aside."""
        self._path, self._container, self._stream = path, container, stream
        self._reader = PacketReader(stream)
        self._is_avi = container.format.name == "avi"
        # Of AVI, the number in the header with all null chunks. Both are taken before the first
        # packet: where a file has no index, FFmpeg makes one of the packets it reads.
        self._declared = declared_count(container, stream)
        if self._is_avi:
            self._declared += _index_gaps(stream)
        self._owed = 0
        self._first_time: int | None = None  # of the first picture, in ticks
        self._early: list[int] = []  # times of packets before it is known
        self._leading = 0
        self._leading_over = False
        self._slots: list[int] = []  # AVI: numbers of the chunks that owe a picture
        self._delay = 0  # AVI: chunks by which pictures are shown later
        self._next_slot = 0
        self._ahead = 0  # AVI: pictures that came before their turn
        self._null_chunks = 0
        self._last_end: int | None = None  # AVI: byte behind the last chunk that was read
        self._blocks: int | None = None  # Matroska: in the bytes of the file
        self._end = 0.0  # seconds

    def add_packet(self, packet: av.Packet) -> None:
        """Counts a packet; call it before the packet is decoded."""
        self.packets += packet.size > PLACEHOLDER and not packet.is_discard
        debt = self._reader.debt(packet)
        self._owed += debt.pictures
        if self._is_avi:
            self._add_chunk(packet, debt)
        elif debt.pictures and packet.pts is not None:
            if self._first_time is None:
                self._early.append(packet.pts)
            else:
                self._add_behind_first(packet.pts)

    def _add_behind_first(self, time: int) -> None:
        """Counts a packet behind that of the first picture, if it is a leading picture.

        Leading pictures come before all others. Later in a file, times may start anew where two
        streams were joined.
        """
        if time > self._first_time:
            self._leading_over = True
        if not self._leading_over:
            self._leading += time < self._first_time

    def _add_chunk(self, packet: av.Packet, debt: Debt) -> None:
        """Counts the null chunks before a chunk: FFmpeg numbers them, but gives no packet."""
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
            self._last_end = packet.pos + packet.size + packet.size % 2

    def add_picture(self, picture: av.VideoFrame) -> None:
        """Counts a picture, and sets the time of one from an AVI file."""
        if self._is_avi:
            self._set_time(picture)
        elif self._first_time is None and picture.pts is not None:
            self._first_time = picture.pts
            # Leading pictures come behind the key packet that is shown first. A lack before it is a
            # key picture that was lost.
            if picture.pts in self._early:
                for time in self._early[self._early.index(picture.pts) :]:
                    self._add_behind_first(time)
            self._early.clear()
        self.pictures += 1
        self._end = max(self._end, (picture.time or 0.0) + 1 / frame_rate(self._stream))

    def _set_time(self, picture: av.VideoFrame) -> None:
        """Sets the time of a picture of an AVI file to the turn of its chunk.

        AVI has no time stamps, and those that FFmpeg makes up for B pictures are not in order. A
        picture is shown in the turn of its chunk or, where there are B pictures, of a later one.
        The stamp of the first picture gives how much later.
        """
        if not self.pictures and picture.pts is not None:
            self._delay = bisect.bisect_left(self._slots, picture.pts)
        turn = self.pictures + self._delay
        behind = turn - len(self._slots) + 1
        if self._slots:
            picture.pts = self._slots[turn] if behind <= 0 else self._slots[-1] + behind
            picture.time_base = self._stream.time_base

    def check(self) -> None:
        """Compares the counts after the last packet.

        Raises:
          VideoError: pictures are missing and no packet explains it.
        """
        if not self.pictures:
            raise VideoError(f"{self._path}: 0 frames decoded; expected at least 1")
        declared = self._declared_packets()
        expected = max(self._owed - self._leading, declared - self.packets + self._owed)
        if self.packets < declared or self.pictures < self._owed - self._leading - TOLERANCE:
            raise VideoError(
                f"{self._path}: cut short or damaged: {self.pictures} frames decoded; "
                f"expected {expected}"
            )
        self._check_end()

    def _declared_packets(self) -> int:
        """How many packets with content the container declares, as far as it does."""
        if "matroska" in self._container.format.name:
            self._blocks = matroska.block_count(self._path, self._stream.id)
            return self._blocks or 0
        if not self._is_avi:
            return self._declared
        present = sum(entry.size > PLACEHOLDER for entry in self._stream.index_entries)
        null_chunks = self._null_chunks + self._null_chunks_at_end()
        return max(present, self._declared - null_chunks)

    def _null_chunks_at_end(self) -> int:
        """Null chunks behind the last picture, which FFmpeg does not report."""
        file = epath.Path(self._path)
        if self._last_end is None or not file.is_file():  # a pipe
            return 0
        name, count = b"%02d" % self._stream.index, 0
        with file.open("rb") as source:
            source.seek(self._last_end)
            while True:
                header = source.read(CHUNK_HEADER)
                size = int.from_bytes(header[4:], "little")
                # Chunks of streams begin with two digits; others follow the pictures.
                if len(header) < CHUNK_HEADER or not header[:2].isdigit():
                    return count
                count += header[:2] == name and size == 0
                source.seek(size + size % 2, os.SEEK_CUR)

    def _check_end(self) -> None:
        """Compares the end of the pictures with the declared duration.

        Only Matroska needs this, and only where its blocks could not be counted: a block that is
        missing at the end leaves no other trace, but a last picture that is held looks the same.
        """
        if "matroska" not in self._container.format.name:
            return
        if self._blocks is not None:
            return
        seconds = declared_seconds(self._container, self._stream)
        if self._end < seconds - 2 / frame_rate(self._stream):
            raise VideoError(
                f"{self._path}: cut short: pictures end at {self._end:.2f} s; expected "
                f"{seconds:.2f} s as declared"
            )


def declared_seconds(container: av.container.InputContainer, stream: av.VideoStream) -> float:
    """Returns the time at which an AVI or Matroska file declares that its pictures end.

    Matroska and WebM declare no number of pictures. Their muxers write the duration of each stream
    as a tag, H:M:S; the duration of the whole file is that of the pictures only if there is no
    other stream. AVI declares its chunks, of which those without content hold a picture.

    Returns:
      Seconds, 0 where the container does not say.
    """
    if container.format.name == "avi":
        return float((stream.duration or 0) * stream.time_base)
    if "matroska" not in container.format.name:
        return 0.0
    tag = stream.metadata.get("DURATION", "").split(":")
    if len(tag) == 3:
        with contextlib.suppress(ValueError):
            return (int(tag[0]) * 60 + int(tag[1])) * 60 + float(tag[2])
    return (container.duration or 0) / av.time_base if len(container.streams) == 1 else 0.0
