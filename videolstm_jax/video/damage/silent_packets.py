"""How many pictures each packet of a stream owes; FFmpeg decodes some without giving a picture.

VP8 and VP9 code pictures that are never shown, to predict others from them (alternate reference
frames). `mpeg4` and `h264` say which packets of those codecs are silent.
"""

from __future__ import annotations

from typing import NamedTuple

import av

from videolstm_jax.video.damage.bits import BitReader
from videolstm_jax.video.damage.h264 import H264Reader
from videolstm_jax.video.damage.mpeg4 import Mpeg4Reader
from videolstm_jax.video.damage.units import (
    nal_codes_no_picture,
    nal_length_bytes,
    nal_unit_type,
    nal_units,
)

PLACEHOLDER = 1
"""Bytes of a packet without a picture.

XviD writes such packets into AVI files where a picture travels in the packet of its neighbour.
"""
HEADER_BYTES = 64
"""Bytes of a packet within which the header of a picture lies."""
READ_CODECS = {"vp8", "vp9", "mpeg2video", "h264", "hevc"}
"""Codecs whose packets are looked at; packets of others with content all give a picture."""
SUPERFRAME = 0xC0
"""The three highest bits of the last byte of a VP9 packet that holds several frames."""
MPEG2_END = b"\0\0\1\xb7"
"""The code that ends a sequence of MPEG-2, in a packet of its own."""
HEVC_RASL = (8, 9)
"""Types of HEVC units of leading pictures that need a picture before the key picture."""
HEVC_IRAP = range(16, 24)
"""Types of HEVC units of key pictures."""


class Debt(NamedTuple):
    """What a packet owes: its number of pictures, and how many of them belong to later packets."""

    pictures: int
    ahead: int = 0


NOTHING = Debt(0)


class PacketReader:
    """Gives the debt of each packet of one stream, in the order of the file."""

    def __init__(self, stream: av.VideoStream) -> None:
        """Prepares for the codec of a stream."""
        self._codec = stream.codec_context.name
        extradata = bytes(stream.codec_context.extradata or b"")
        # A reader of another codec than its own finds nothing in the extradata, or is not asked.
        self._mpeg4 = Mpeg4Reader(extradata)
        self._h264 = H264Reader(extradata)
        self._length_bytes = nal_length_bytes(self._codec, extradata)
        self._key_pictures = 0

    def debt(self, packet: av.Packet) -> Debt:
        """Returns which pictures a decoder must give for this packet."""
        if packet.size <= PLACEHOLDER or packet.is_discard:
            return NOTHING
        if self._codec == "mpeg4":
            return Debt(*self._mpeg4.pictures(bytes(packet)))
        is_silent = self._codec in READ_CODECS and self._is_silent(packet)
        return NOTHING if is_silent else Debt(1)

    def _is_silent(self, packet: av.Packet) -> bool:
        """Whether a packet of a codec in `READ_CODECS` gives no picture."""
        data = bytes(packet)
        if self._codec == "vp8":
            return _vp8_is_hidden(data)
        if self._codec == "vp9":
            return vp9_is_hidden(data)
        if self._codec == "mpeg2video":
            return data == MPEG2_END
        if nal_codes_no_picture(data, self._length_bytes, self._codec):
            return True
        if self._codec == "hevc":
            return self._is_skipped_hevc(data)
        return self._h264.is_silent(data, has_time=packet.pts is not None)

    def _is_skipped_hevc(self, data: bytes) -> bool:
        """Whether this is a leading picture of the first key picture, which FFmpeg skips.

        `Tally` finds leading pictures of every codec by their time stamps. HEVC in a stream without
        time stamps, or cut so that they would be negative, marks them in the types of its units.
        """
        if self._key_pictures > 1:
            return False
        types = {nal_unit_type(unit, "hevc") for unit in nal_units(data, self._length_bytes)}
        self._key_pictures += not types.isdisjoint(HEVC_IRAP)
        return self._key_pictures == 1 and not types.isdisjoint(HEVC_RASL)


def _vp8_is_hidden(head: bytes) -> bool:
    """Whether a VP8 frame is not shown: bit 4 of the frame tag (RFC 6386, section 9.1)."""
    return not head[0] >> 4 & 1


def vp9_is_hidden(data: bytes) -> bool:
    """Whether a VP9 packet holds one frame that is not shown.

    Usually such a frame shares the packet of a shown one (a superframe). The bits are those of
    section 6.2 and annex B of the VP9 bitstream specification.
    """
    if data[-1] & 0xE0 == SUPERFRAME:
        return False
    bits = BitReader(data[:HEADER_BYTES])
    if bits.take(2) != 2:  # frame_marker
        return False
    profile = bits.take(1) + 2 * bits.take(1)
    if profile == 3:
        bits.take(1)  # reserved_zero
    if bits.take(1):  # show_existing_frame
        return False
    bits.take(1)  # frame_type
    return not bits.take(1)  # show_frame
