"""The units (NAL units) of which packets of H.264 and HEVC consist."""

from __future__ import annotations

from collections.abc import Iterator

START_CODE = b"\0\0\1"
UNIT_BYTES = 512
"""Bytes of a unit that are looked at: parameter sets are short, and so are headers of slices."""
OTHER_UNITS = {"h264": range(6, 13), "hevc": range(32, 41)}
"""Types of units that are no part of a picture: parameters, messages, ends, filling."""
LENGTH_PLACE = {"h264": 4, "hevc": 21}
"""The byte of the codec's configuration record that gives the length of lengths."""


def nal_length_bytes(codec: str, extradata: bytes) -> int:
    """Returns the bytes of the length before each unit, 0 where start codes are before them.

    In MP4 and Matroska units begin with their length. There `extradata` is a configuration record,
    whose first byte is 1.
    """
    place = LENGTH_PLACE.get(codec)
    if place is None or len(extradata) <= place or extradata[0] != 1:
        return 0
    return extradata[place] % 4 + 1


def nal_codes_no_picture(data: bytes, lengths: int, codec: str) -> bool:
    """Whether a packet has units of other kinds only, such as messages or the end of a stream.

    Types that are not known count as parts of pictures, so that damage does not look like this.

    Args:
      data: the packet.
      lengths: what `nal_length_bytes` returned.
      codec: `h264` or `hevc`.
    """
    is_empty = True
    for unit in nal_units(data, lengths):
        if nal_unit_type(unit, codec) not in OTHER_UNITS[codec]:
            return False
        is_empty = False
    return not is_empty


def nal_unit_type(unit: bytes, codec: str) -> int:
    """The type in the header of a unit."""
    if codec == "hevc":
        return unit[0] >> 1 & 63
    return unit[0] & 31


def nal_units(data: bytes, lengths: int) -> Iterator[bytes]:
    """Yields the first bytes of the units of a packet.

    Args:
      data: the packet.
      lengths: what `nal_length_bytes` returned.
    """
    if lengths:
        # `start` is behind a length. A wrong one leads behind the end, and the loop ends.
        start = lengths
        while start < len(data):
            yield data[start : start + UNIT_BYTES]
            start += int.from_bytes(data[start - lengths : start], "big") + lengths
        return
    # A start code cannot be within a unit: its content is escaped.
    start = data.find(START_CODE)
    while 0 <= start < len(data) - len(START_CODE):
        start += len(START_CODE)
        yield data[start : start + UNIT_BYTES]
        start = data.find(START_CODE, start)
