"""The number of blocks in a Matroska or WebM file, counted in its bytes.

Matroska declares no number of pictures, and FFmpeg passes over a damaged part without an error. But
every element has its length, so that the elements of an undamaged file follow each other without
a gap up to the end that the first one declares (RFC 8794 and RFC 9559).
"""

from __future__ import annotations

import collections
import os

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


HEAD_BYTES = 16
"""An element's identity and length and, of a block, its track and flags fit into these."""


class BlockCounter:
    """Counts the blocks of each track in the bytes of a file, which may come piece by piece."""

    def __init__(self) -> None:
        """Begins at the first byte of a file."""
        self.position = 0
        """Of the next element; bytes before it are not needed any more."""
        self.is_done = False
        self._pending = bytearray()  # bytes from `position` on
        self._end: int | None = None
        self._problem: int | None = None  # byte at which no element begins
        self._is_known = True
        self._blocks: collections.Counter[int] = collections.Counter()
        self._laced: set[int] = set()

    def feed(self, position: int, data: bytes) -> None:
        """Takes the bytes at a position; no byte behind `self.position` may be left out."""
        needed = self.position + len(self._pending)
        self._pending += data[needed - position :]
        while len(self._pending) >= HEAD_BYTES and not self.is_done:
            self._pass_element()
        if self.is_done:
            self._pending.clear()

    def count(self, name: str, track: int, length: int) -> int | None:
        """Returns the blocks of a track after the last byte; see `block_count`.

        Args:
          name: what an error message calls the file.
          track: number of the track.
          length: bytes of the file.
        """
        while self._pending and not self.is_done:
            self._pass_element()
        if self._end is not None and self._end > length:
            raise VideoError(f"{name}: cut short: {length} bytes; expected {self._end} as declared")
        if self._problem is not None:
            raise VideoError(
                f"{name}: damaged: no element of Matroska at byte {self._problem}; "
                "expected a sound file"
            )
        is_known = self._is_known and self._end is not None and track not in self._laced
        if not is_known:
            return None
        return self._blocks[track]

    def _pass_element(self) -> None:
        """Looks at the element at `position` and goes on to the next one."""
        head = bytes(self._pending[:HEAD_BYTES])
        identity, id_bytes = _identity(head)
        size, size_bytes = _size(head[id_bytes:])
        content = self.position + id_bytes + size_bytes
        if identity == SEGMENT and self._end is None:
            # A stream that was never finished does not know its length.
            self._end = None if size is None else content + size
            self._is_known = size is not None
        end = content + (size or 0)
        if not self._fits(id_bytes, size_bytes, end):
            # Without a segment FFmpeg took it for Matroska by other signs.
            if self._end is not None:
                self._problem = self.position
            self._is_known = False
        elif identity not in KNOWN:
            self._is_known = False
        elif identity in (BLOCK, SIMPLE_BLOCK):
            self._add_block(head[id_bytes + size_bytes :])
        following = end
        # The elements within it are looked at one by one.
        if identity in OPENED:
            following = content
        del self._pending[: following - self.position]
        self.position = following
        reached_end = self._end is not None and self.position >= self._end
        self.is_done = reached_end or not self._is_known

    def _fits(self, id_bytes: int, size_bytes: int, end: int) -> bool:
        """Whether an element has a name and a length, and ends within the segment."""
        return id_bytes > 0 and size_bytes > 0 and (self._end is None or end <= self._end)

    def _add_block(self, head: bytes) -> None:
        track, track_bytes = _size(head)
        # Behind the track come two bytes of time, then the flags.
        flags = head[track_bytes + 2 : track_bytes + 3]
        if flags and flags[0] & LACING:
            self._laced.add(track)
        self._blocks[track] += 1


def block_count(path: str | os.PathLike, track: int) -> int | None:
    """Counts the blocks of a track.

    Args:
      path: of the file.
      track: number of the track.

    Returns:
      The count, or None where it cannot be known: there is no file, it is in a bucket, the length
      of the segment is unknown (a stream that was never finished), or it has elements that are not
      in the standard.

    Raises:
      VideoError: the file ends before its segment, or an element does not fit into the segment.
    """
    file = epath.Path(path)
    # In a bucket each of the many short reads would be a request of its own.
    if "://" in str(path) or not file.is_file():
        return None
    counter = BlockCounter()
    with file.open("rb") as source:
        while not counter.is_done:
            # From element to element: what a block contains is not read.
            position = source.seek(counter.position)
            head = source.read(HEAD_BYTES)
            if len(head) < HEAD_BYTES:
                counter.feed(position, head)
                break
            counter.feed(position, head)
    return counter.count(os.fspath(path), track, file.stat().length)


def _identity(data: bytes) -> tuple[int, int]:
    """The identity that begins some bytes, and its length, 0 where there is none."""
    length = _number_length(data)
    # An identity whose bits are all set is reserved.
    if not 1 <= length <= 4 or len(data) < length or data[0] == 0xFF:
        return 0, 0
    # The bits that give the length belong to the identity.
    return int.from_bytes(data[:length], "big"), length


def _size(data: bytes) -> tuple[int | None, int]:
    """The number of variable length that begins some bytes, and its length in bytes.

    The number is None if all its bits are set (unknown); the length is 0 where there is no number.
    """
    length = _number_length(data)
    if not length or len(data) < length:
        return None, 0
    largest = (1 << 7 * length) - 1
    value = int.from_bytes(data[:length], "big") & largest
    if value == largest:
        return None, length
    return value, length


def _number_length(data: bytes) -> int:
    """The length of a number in bytes by its leading zeros, 0 where there is none (RFC 8794)."""
    if not data or not data[0]:
        return 0
    return 9 - data[0].bit_length()
