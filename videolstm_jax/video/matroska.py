"""The number of blocks in a Matroska or WebM file, counted in its bytes.

Matroska declares no number of pictures, and FFmpeg passes over a damaged part without an error. But
every element has its length, so that the elements of an undamaged file follow each other without
a gap up to the end that the first one declares (RFC 8794 and RFC 9559).
"""

from __future__ import annotations

import os
from typing import BinaryIO

from etils import epath

from videolstm_jax.errors import VideoError

EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
BLOCK_GROUP, BLOCK, SIMPLE_BLOCK = 0xA0, 0xA1, 0xA3
OPENED = (SEGMENT, CLUSTER, BLOCK_GROUP)
"""Elements whose contents are looked at; all others are passed over."""
KNOWN = {
    *(EBML, SEGMENT, CLUSTER, BLOCK_GROUP, BLOCK, SIMPLE_BLOCK),
    # in a segment: SeekHead, Info, Tracks, Cues, Attachments, Chapters, Tags
    *(0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367),
    # in a cluster: Timestamp, SilentTracks, Position, PrevSize, EncryptedBlock
    *(0xE7, 0x5854, 0xA7, 0xAB, 0xAF),
    # in a group: BlockVirtual, BlockAdditions, BlockDuration, ReferencePriority, ReferenceBlock,
    # ReferenceVirtual, CodecState, DiscardPadding, Slices, ReferenceFrame
    *(0xA2, 0x75A1, 0x9B, 0xFA, 0xFB, 0xFD, 0xA4, 0x75A2, 0x8E, 0xC8),
    # anywhere: Void, CRC-32
    *(0xEC, 0xBF),
}
LACING = 0x06
"""Bits of a block's flags that say that it holds several frames; no one does this with pictures."""


def block_count(path: str | os.PathLike, track: int) -> int | None:
    """Counts the blocks of a track.

    Args:
      path: of the file.
      track: number of the track.

    Returns:
      The count, or None where it cannot be known: there is no file (a pipe), it is in a bucket,
      the length of the segment is unknown (a stream that was never finished), or it has elements
      that are not in the standard.

    Raises:
      VideoError: the file ends before its segment, or an element does not fit into the segment.
    """
    file = epath.Path(path)
    # In a bucket each of the many short reads would be a request of its own.
    if "://" in str(path) or not file.is_file():
        return None
    length = file.stat().length
    with file.open("rb") as source:
        return _count(source, os.fspath(path), length, track)


def _count(source: BinaryIO, path: str, length: int, track: int) -> int | None:
    """Walks through the elements of an open file; see `block_count`."""
    count, position, end = 0, 0, None
    while end is None or position < end:
        source.seek(position)
        head = source.read(16)
        identity, id_bytes = _identity(head)
        size, size_bytes = _size(head[id_bytes:])
        content = position + id_bytes + size_bytes
        if identity == SEGMENT:
            if size is None:
                return None
            end = content + size
            if end > length:
                raise VideoError(f"{path}: cut short: {length} bytes; expected {end} as declared")
        fits = id_bytes > 0 and size_bytes > 0 and (end is None or content + (size or 0) <= end)
        if not fits:
            if end is None:
                return None  # not even a segment: FFmpeg took it for Matroska by its own lights
            raise VideoError(
                f"{path}: damaged: no element of Matroska at byte {position}; expected a sound file"
            )
        if identity not in KNOWN:
            return None
        if identity in (BLOCK, SIMPLE_BLOCK):
            number, number_bytes = _size(head[id_bytes + size_bytes :])
            flags = head[id_bytes + size_bytes + number_bytes + 2 :][:1]
            if number == track and flags and flags[0] & LACING:
                return None
            count += number == track
        position = content if identity in OPENED else content + (size or 0)
    return count


def _identity(data: bytes) -> tuple[int, int]:
    """The identity that begins some bytes, and its length, 0 where there is none."""
    length = 9 - data[0].bit_length() if data and data[0] else 0
    # An identity whose bits are all set is reserved.
    if not 1 <= length <= 4 or len(data) < length or data[0] == 0xFF:
        return 0, 0
    return int.from_bytes(data[:length], "big"), length


def _size(data: bytes) -> tuple[int | None, int]:
    """The number of variable length that begins some bytes, and its length in bytes.

    The number is None if all its bits are set (unknown); the length is 0 where there is no number.
    """
    length = 9 - data[0].bit_length() if data and data[0] else 0
    if not 1 <= length <= 8 or len(data) < length:
        return None, 0
    value = int.from_bytes(data[:length], "big") & (1 << 7 * length) - 1
    return (None if value == (1 << 7 * length) - 1 else value), length
