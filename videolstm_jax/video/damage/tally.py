"""The tally of a stream: how many pictures its packets and its header owe.

The rule: what FFmpeg decodes without an error is sound. Damage is what the decoder reports, or a
lack of pictures that no packet explains. These explain a lack:

- packets that code no picture to show, or the second field of a frame (`silent_packets`);
- pictures at the start of a cut stream that need one before the cut (an open GOP);
- chunks of no bytes in an AVI file, which repeat the picture before (`avi`);
- in Matroska, a last picture that is held, where all blocks of the file are there (`matroska`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import av

from videolstm_jax.errors import VideoError
from videolstm_jax.video.damage.avi import Chunks
from videolstm_jax.video.damage.silent_packets import PLACEHOLDER, PacketReader
from videolstm_jax.video.declared import declared_end, declared_packets, video_frame_rate

if TYPE_CHECKING:
    from videolstm_jax.video.container import OpenVideo

TOLERANCE = 1
"""Pictures that an undamaged file may lack of what its packets owe.

Decoders of MPEG-4 keep the last picture of some files for themselves.
"""
END_PERIODS = 2
"""Periods before the declared end of Matroska at which the last picture must have ended."""


class Tally:
    """Counts the packets and pictures of one stream, and compares them at its end."""

    def __init__(self, video: OpenVideo) -> None:
        """Prepares to count, before the first packet."""
        self.pictures = 0
        self.packets = 0
        """Packets with content, those left out by edit lists aside."""
        self._video = video
        self._reader = PacketReader(video.stream)
        self._leading = _LeadingPictures()
        format_name = video.container.format.name
        self._is_matroska = "matroska" in format_name
        self._chunks = Chunks(video.stream) if format_name == "avi" else None
        # Taken before the first packet: where a file has no index, FFmpeg makes one of the packets
        # it reads.
        self._declared = declared_packets(video.container, video.stream)
        self._owed = 0
        self._end = 0.0  # seconds
        self._times: list[tuple[int, int]] = []  # stamps and durations of packets, in ticks

    def add_packet(self, packet: av.Packet) -> None:
        """Counts a packet; call it before the packet is decoded."""
        self.packets += packet.size > PLACEHOLDER and not packet.is_discard
        debt = self._reader.debt(packet)
        self._owed += debt.pictures
        if self._chunks is not None:
            self._chunks.add(packet, debt)
            # Of a pipe, only what is behind the last chunk is of interest later.
            self._video.content.drop_before(self._chunks.end or 0)
        elif debt.pictures and packet.pts is not None:
            self._leading.add_packet(packet.pts)
            self._times.append((packet.pts, packet.duration or 0))

    def add_picture(self, picture: av.VideoFrame) -> None:
        """Counts a picture, and sets the time of one from an AVI file."""
        if self._chunks is not None:
            self._chunks.set_time(picture, self.pictures)
        elif picture.pts is not None:
            self._leading.add_picture(picture.pts)
        self.pictures += 1
        self._end = max(self._end, (picture.time or 0.0) + 1 / video_frame_rate(self._video.stream))

    def times(self) -> list[tuple[float, float]]:
        """Returns stamp and duration in seconds of each picture that is owed, in display order."""
        times = sorted(self._times)
        if self._chunks is not None:
            times = self._chunks.times(self._owed)
        tick = self._video.stream.time_base
        seconds = []
        for stamp, duration in times[self._leading.count :]:
            seconds.append((float(stamp * tick), float(duration * tick)))
        return seconds

    def check(self) -> None:
        """Compares the counts after the last packet.

        Raises:
          VideoError: pictures are missing and no packet explains it.
        """
        name = self._video.name
        if not self.pictures:
            raise VideoError(f"{name}: 0 frames decoded; expected at least 1")
        declared = self._all_declared_packets()
        # FFmpeg decodes leading pictures or skips them; none is owed.
        owed = self._owed - self._leading.count
        if self.packets < (declared or 0) or self.pictures < owed - TOLERANCE:
            expected = max(owed, (declared or 0) - self.packets + self._owed)
            raise VideoError(
                f"{name}: cut short or damaged: {self.pictures} frames decoded; expected {expected}"
            )
        if self._is_matroska and declared is None:
            self._check_end()

    def _all_declared_packets(self) -> int | None:
        """Returns how many packets with content the file declares, None where it does not say."""
        if self._is_matroska:
            return self._video.content.block_count(self._video.stream.id)
        if self._chunks is None:
            return self._declared
        if self._chunks.end is None:
            return self._chunks.declared(self._declared, None)
        with self._video.content.behind(self._chunks.end) as source:
            return self._chunks.declared(self._declared, source)

    def _check_end(self) -> None:
        """Compares the end of the pictures with the declared one.

        Only Matroska needs this, and only where its blocks could not be counted: a block that is
        missing at the end leaves no other trace, but a last picture that is held looks the same.
        """
        video = self._video
        seconds = declared_end(video.container, video.stream)
        if self._end < seconds - END_PERIODS / video_frame_rate(video.stream):
            raise VideoError(
                f"{video.name}: cut short: pictures end at {self._end:.2f} s; expected "
                f"{seconds:.2f} s as declared"
            )


class _LeadingPictures:
    """Counts the packets of pictures that are shown before the first key picture.

    FFmpeg skips those that need a picture before the beginning of the stream. They come behind the
    packet of the key picture and before all others. Later in a file, times may start anew where two
    streams were joined.
    """

    def __init__(self) -> None:
        """Begins at the first packet."""
        self.count = 0
        self._first_time: int | None = None  # of the first picture, in ticks
        self._early: list[int] = []  # times of packets before it is known
        self._is_over = False

    def add_packet(self, time: int) -> None:
        """Adds the packet of a picture, in the order of the file."""
        if self._first_time is None:
            self._early.append(time)
            return
        if time > self._first_time:
            self._is_over = True
        if not self._is_over:
            self.count += time < self._first_time

    def add_picture(self, time: int) -> None:
        """Adds a picture; the first one decides which packets belong to leading pictures."""
        if self._first_time is not None:
            return
        self._first_time = time
        # A lack before the packet of the picture that is shown first is a key picture that was
        # lost, so only the packets behind it count.
        if time in self._early:
            for early in self._early[self._early.index(time) :]:
                self.add_packet(early)
        self._early.clear()
