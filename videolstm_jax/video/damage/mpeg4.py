"""Packets of MPEG-4 (XviD, DivX) that give no picture, or whose picture belongs to another packet.

Encoders write a "not coded" picture where nothing changed, or where a picture travels in the packet
of its neighbour (a packed bitstream). Sections are those of ISO/IEC 14496-2.
"""

from __future__ import annotations

import re

from videolstm_jax.video.damage.bits import BitReader

HEADER_BYTES = 64
"""Bytes of a packet within which the header of a picture lies."""
PICTURE_CODE = b"\0\0\1\xb6"
"""The start code of a picture."""
LAYER_CODES = range(0x20, 0x30)
"""Last bytes of the start codes of video object layers."""
EXTENDED_ASPECT = 15
"""The aspect ratio behind which width and height follow."""
GREY_SHAPE = 3
PACKED = re.compile(rb"DivX\d+(?:Build|b)\d+p")
"""The program's name in a stream whose packets may hold two pictures."""


class Mpeg4Reader:
    """Reads the packets of one stream, in the order of the file."""

    def __init__(self, extradata: bytes) -> None:
        """Prepares for a stream with the headers that its container holds."""
        self._time_bits = mpeg4_time_bits(extradata)
        self._is_packed = PACKED.search(extradata) is not None

    def pictures(self, data: bytes) -> tuple[int, int]:
        """Returns how many pictures a packet owes, and how many of them belong to later ones."""
        # The header of the layer is repeated before key pictures.
        self._time_bits = mpeg4_time_bits(data) or self._time_bits
        self._is_packed = self._is_packed or PACKED.search(data) is not None
        if data.count(PICTURE_CODE) > 1:
            # The second picture has a packet of its own behind, which is without content. FFmpeg
            # decodes it only if the stream is marked as packed.
            return 1 + self._is_packed, 1
        is_coded = not mpeg4_is_not_coded(data, self._time_bits)
        return int(is_coded), 0


def mpeg4_time_bits(head: bytes) -> int | None:
    """Reads from an MPEG-4 layer header how many bits the time of a picture takes.

    Returns:
      The length of `vop_time_increment` (ISO/IEC 14496-2, section 6.2.3); None without a header.
    """
    for number in LAYER_CODES:
        start = head.find(bytes((0, 0, 1, number)))
        if start >= 0:
            break
    else:
        return None
    bits = BitReader(head[start + 4 : start + HEADER_BYTES])
    bits.take(9)  # random_accessible_vol, video_object_type_indication
    version = 1
    if bits.take(1):  # is_object_layer_identifier
        version = bits.take(4)
        bits.take(3)  # priority
    if bits.take(4) == EXTENDED_ASPECT:
        bits.take(16)
    if bits.take(1):  # vol_control_parameters
        bits.take(3)  # chroma_format, low_delay
        if bits.take(1):  # vbv_parameters
            bits.take(79)
    # Grey shapes of later versions carry an extension.
    if bits.take(2) == GREY_SHAPE and version != 1:
        bits.take(4)
    bits.take(1)  # marker
    resolution = bits.take(16)
    # The standard forbids 0.
    if not resolution:
        return None
    return max(1, (resolution - 1).bit_length())


def mpeg4_is_not_coded(head: bytes, increment_bits: int | None) -> bool:
    """Whether the first picture of an MPEG-4 packet has `vop_coded` = 0 (section 6.2.5)."""
    start = head.find(PICTURE_CODE)
    if start < 0 or increment_bits is None:
        return False
    bits = BitReader(head[start + 4 : start + HEADER_BYTES])
    bits.take(2)  # vop_coding_type
    while bits.take(1):  # modulo_time_base, one bit a second
        pass
    bits.take(1 + increment_bits + 1)  # the time between two markers
    return not bits.take(1) and not bits.exhausted
