"""Packets of a sound stream that give no picture, recognised by their first bytes.

VP8 and VP9 code pictures that are never shown, to predict others from them (alternate reference
frames). MPEG-4 encoders write a "not coded" picture where nothing changed, or where a picture
travels in the packet of its neighbour (a packed bitstream). FFmpeg decodes all of these without an
error and without a picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import av

PLACEHOLDER = 1
"""Bytes of a packet without a picture.

XviD writes such packets into AVI files where a picture travels in the packet of its neighbour.
"""
HEADER_BYTES = 64
"""Bytes of a packet within which the header of a picture lies."""
SUPERFRAME = 0xC0
"""The three highest bits of the last byte of a VP9 packet that holds several frames."""
START_CODE = b"\0\0\1"
MPEG4_PICTURE = b"\0\0\1\xb6"
"""The start code of a picture of MPEG-4."""
PACKED = re.compile(rb"DivX\d+(?:Build|b)\d+p")
"""The program's name in a stream of MPEG-4 whose packets may hold two pictures."""
HEVC_RASL = (8, 9)
"""Types of HEVC units of leading pictures that need a picture before the key picture."""
HEVC_IRAP = range(16, 24)
"""Types of HEVC units of key pictures."""
H264_SLICE, H264_IDR = 1, 5
"""Types of H.264 units."""
H264_B = 1
"""The type of a B slice of H.264, modulo 5."""
LENGTH_PLACE = {"h264": 4, "hevc": 21}
"""The byte of the codec's configuration record that gives the length of lengths."""


class Debt(NamedTuple):
    """What a packet owes: its number of pictures, and how many of them belong to later packets."""

    pictures: int
    ahead: int = 0


NOTHING = Debt(0)


class PacketReader:
    """Says of each packet of one stream, in the order of the file, which pictures it owes."""

    def __init__(self, stream: av.VideoStream) -> None:
        """Prepares for the codec of a stream."""
        self._codec = stream.codec_context.name
        extradata = bytes(stream.codec_context.extradata or b"")
        self._time_bits = time_bits(extradata)
        # H.264 and HEVC in MP4 and Matroska: units begin with their length, of so many bytes.
        self._length_bytes = 0
        place = LENGTH_PLACE.get(self._codec)
        if place and len(extradata) > place and extradata[0] == 1:
            self._length_bytes = extradata[place] % 4 + 1
        self._is_packed = PACKED.search(extradata) is not None
        self._key_pictures = 0
        self._references = 0

    def debt(self, packet: av.Packet) -> Debt:
        """Which pictures a decoder must give for this packet."""
        if packet.size <= PLACEHOLDER or packet.is_discard:
            return NOTHING
        if self._codec == "mpeg4":
            return self._mpeg4_debt(packet)
        silent = False
        if self._codec == "vp8":
            silent = vp8_is_hidden(bytes(packet))
        elif self._codec == "vp9":
            silent = vp9_is_hidden(bytes(packet))
        elif self._codec == "hevc":
            silent = self._is_skipped_hevc(packet)
        elif self._codec == "h264":
            silent = self._is_skipped_h264(packet)
        return NOTHING if silent else Debt(1)

    def _mpeg4_debt(self, packet: av.Packet) -> Debt:
        data = bytes(packet)
        # The header of the layer is repeated before key pictures.
        self._time_bits = time_bits(data) or self._time_bits
        self._is_packed = self._is_packed or PACKED.search(data) is not None
        if data.count(MPEG4_PICTURE) > 1:
            # The second picture has a packet of its own behind, which is without content. FFmpeg
            # decodes it only if the stream is marked as packed.
            return Debt(2 if self._is_packed else 1, ahead=1)
        return NOTHING if mpeg4_is_not_coded(data, self._time_bits) else Debt(1)

    def _is_skipped_hevc(self, packet: av.Packet) -> bool:
        """Whether this is a leading picture of the first key picture, which FFmpeg skips.

        `Tally` finds leading pictures of every codec by their time stamps. HEVC in a stream without
        time stamps, or cut so that they would be negative, marks them in the types of its units.
        """
        if self._key_pictures > 1:
            return False
        types = [unit[0] >> 1 & 63 for unit in units(bytes(packet), self._length_bytes)]
        self._key_pictures += any(kind in HEVC_IRAP for kind in types)
        return self._key_pictures == 1 and any(kind in HEVC_RASL for kind in types)

    def _is_skipped_h264(self, packet: av.Packet) -> bool:
        """Whether this may be a leading picture, in a stream of H.264 without time stamps.

        These are the B pictures between the first key picture and the next reference. FFmpeg may
        decode them or not, as it finds what they need.
        """
        if packet.pts is not None or self._references > 1:
            return False
        for unit in units(bytes(packet), self._length_bytes):
            kind = unit[0] & 31
            if kind == H264_IDR:
                self._references = 2  # nothing behind it needs a picture before it
            if kind == H264_SLICE:
                bits = _Bits(unit[1:HEADER_BYTES])
                bits.take_golomb()  # first_mb_in_slice
                if bits.take_golomb() % 5 == H264_B:
                    return self._references == 1
                self._references += 1
                return False
        return False


def vp8_is_hidden(head: bytes) -> bool:
    """Whether a VP8 frame is not shown: bit 4 of the frame tag (RFC 6386, section 9.1)."""
    return not head[0] >> 4 & 1


def vp9_is_hidden(data: bytes) -> bool:
    """Whether a VP9 packet holds one frame that is not shown.

    Usually such a frame shares the packet of a shown one (a superframe). The bits are those of
    section 6.2 and annex B of the VP9 bitstream specification.
    """
    if data[-1] & 0xE0 == SUPERFRAME:
        return False
    bits = _Bits(data[:HEADER_BYTES])
    if bits.take(2) != 2:  # frame_marker
        return False
    profile = bits.take(1) + 2 * bits.take(1)
    if profile == 3:
        bits.take(1)  # reserved_zero
    if bits.take(1):  # show_existing_frame
        return False
    bits.take(1)  # frame_type
    return not bits.take(1)  # show_frame


def time_bits(head: bytes) -> int | None:
    """Reads from an MPEG-4 layer header how many bits the time of a picture takes.

    Returns:
      The length of `vop_time_increment` (ISO/IEC 14496-2, section 6.2.3); None without a header.
    """
    for number in range(0x20, 0x30):  # start codes of video object layers
        start = head.find(bytes((0, 0, 1, number)))
        if start >= 0:
            break
    else:
        return None
    bits = _Bits(head[start + 4 : start + HEADER_BYTES])
    bits.take(9)  # random_accessible_vol, video_object_type_indication
    version = 1
    if bits.take(1):  # is_object_layer_identifier
        version = bits.take(4)
        bits.take(3)  # priority
    if bits.take(4) == 15:  # aspect_ratio_info: width and height follow
        bits.take(16)
    if bits.take(1):  # vol_control_parameters
        bits.take(3)  # chroma_format, low_delay
        if bits.take(1):  # vbv_parameters
            bits.take(79)
    # Grey shapes of later versions carry an extension.
    if bits.take(2) == 3 and version != 1:
        bits.take(4)
    bits.take(1)  # marker
    resolution = bits.take(16)
    return max(1, (resolution - 1).bit_length()) if resolution else None


def mpeg4_is_not_coded(head: bytes, increment_bits: int | None) -> bool:
    """Whether the first picture of an MPEG-4 packet has `vop_coded` = 0 (section 6.2.5)."""
    start = head.find(MPEG4_PICTURE)
    if start < 0 or increment_bits is None:
        return False
    bits = _Bits(head[start + 4 : start + HEADER_BYTES])
    bits.take(2)  # vop_coding_type
    while bits.take(1):  # modulo_time_base, one bit a second
        pass
    bits.take(1 + increment_bits + 1)  # the time between two markers
    return not bits.take(1) and not bits.exhausted


def units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """Yields the first bytes of the units of a packet of H.264 or HEVC.

    Args:
      data: the packet.
      length_bytes: bytes of the length before each unit; 0 where start codes are before them.
    """
    if length_bytes:
        start = length_bytes
        while start < len(data):
            yield data[start : start + HEADER_BYTES]
            start += int.from_bytes(data[start - length_bytes : start], "big") + length_bytes
        return
    start = data.find(START_CODE)
    while 0 <= start < len(data) - len(START_CODE):
        start += len(START_CODE)
        yield data[start : start + HEADER_BYTES]
        start = data.find(START_CODE, start)


class _Bits:
    """Reads numbers of some bits, the highest bit first; zeros behind the end."""

    def __init__(self, data: bytes) -> None:
        self._number = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    @property
    def exhausted(self) -> bool:
        """Whether more bits were taken than there were."""
        return self._left < 0

    def take(self, count: int) -> int:
        self._left -= count
        return self._number >> self._left & (1 << count) - 1 if self._left >= 0 else 0

    def take_golomb(self) -> int:
        """Takes a number of Exp-Golomb code (ISO/IEC 14496-10, section 9.1)."""
        zeros = 0
        while not self.take(1) and self._left > 0:
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)
