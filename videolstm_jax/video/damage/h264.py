"""Packets of H.264 that give no picture of their own: second fields, and leading pictures.

Interlaced cameras (AVCHD, broadcast) code some frames as two fields, one with the even and one with
the odd lines. Transport streams have a packet for each field; two packets then give one picture.
Sections are those of ISO/IEC 14496-10.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from videolstm_jax.video.damage.bits import BitReader
from videolstm_jax.video.damage.units import nal_length_bytes, nal_units

NON_IDR, IDR, SEQUENCE, PICTURE = 1, 5, 7, 8
"""Types of units: two of slices, two of parameter sets."""
B_SLICE = 1
"""The type of a B slice, modulo 5."""
SLICE_BYTES = 64
"""Bytes of a slice within which the part of its header lies that is read here."""
WITH_CHROMA_FORMAT = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}
"""Profiles whose parameters begin with the chroma format and scaling lists (section 7.3.2.1.1)."""
SEPARATE_PLANES = 3
"""The chroma format (4:4:4) whose planes may be coded apart."""


class SequenceParameters(NamedTuple):
    """The part of a sequence parameter set that the header of a slice depends on."""

    number: int
    separate_planes: bool
    frame_number_bits: int
    may_have_fields: bool


class SliceHeader(NamedTuple):
    """The beginning of a slice header; `field` is 0 or 1 (top, bottom), None for a frame."""

    is_b: bool
    frame_number: int
    field: int | None


class H264Reader:
    """Reads the packets of one stream, in the order of the file."""

    def __init__(self, extradata: bytes) -> None:
        """Prepares for a stream.

        Args:
          extradata: the parameter sets that the container holds, empty where it holds none.
        """
        self._length_bytes = nal_length_bytes("h264", extradata)
        self._sequences: dict[int, SequenceParameters] = {}
        self._sequence_of_picture: dict[int, int] = {}
        # A first field whose second field has not come: its frame's number and its parity.
        self._open_field: tuple[int, int] | None = None
        self._references = 0
        for unit in _configuration_units(extradata):
            self._add_parameters(unit)

    @property
    def may_have_fields(self) -> bool:
        """Whether the parameter sets so far allow pictures that are single fields."""
        return any(sequence.may_have_fields for sequence in self._sequences.values())

    def is_silent(self, data: bytes, *, has_time: bool) -> bool:
        """Whether a decoder gives no picture for a packet.

        Args:
          data: the packet.
          has_time: whether it has a time stamp; `Tally` finds leading pictures by theirs.
        """
        if self._is_second_field(data):
            return True
        return not has_time and self._is_leading(data)

    def _is_second_field(self, data: bytes) -> bool:
        """Whether all that a packet codes is the second field of a frame that has begun."""
        pictures = completed = 0
        last = None
        for header in self._slice_headers(data):
            # A field may have many slices, and a packet may hold both fields.
            if header.field is None or (header.frame_number, header.field) == last:
                pictures += header.field is None
                continue
            last = header.frame_number, header.field
            pictures += 1
            if self._open_field == (header.frame_number, 1 - header.field):
                completed += 1
                self._open_field = None
            else:
                self._open_field = last
        return pictures == completed == 1

    def _slice_headers(self, data: bytes) -> Iterator[SliceHeader]:
        """Yields the headers of the slices of a packet; none where the stream has no fields."""
        for unit in nal_units(data, self._length_bytes):
            kind = unit[0] & 31
            if kind in (SEQUENCE, PICTURE):
                self._add_parameters(unit)
            # Most streams have no fields. Their packets are left after the parameter sets.
            if kind in (NON_IDR, IDR):
                if not self.may_have_fields:
                    return
                yield self._slice_header(unit)

    def _slice_header(self, unit: bytes) -> SliceHeader:
        """Reads section 7.3.3 up to `bottom_field_flag`."""
        bits = BitReader(_unescaped(unit[1:SLICE_BYTES]))
        bits.take_golomb()  # first_mb_in_slice
        is_b = bits.take_golomb() % 5 == B_SLICE
        sequence = self._sequences.get(self._sequence_of_picture.get(bits.take_golomb(), -1))
        if sequence is None:
            return SliceHeader(is_b, 0, None)
        if sequence.separate_planes:
            bits.take(2)  # colour_plane_id
        frame_number = bits.take(sequence.frame_number_bits)
        if not sequence.may_have_fields or not bits.take(1):  # field_pic_flag
            return SliceHeader(is_b, frame_number, None)
        return SliceHeader(is_b, frame_number, bits.take(1))

    def _add_parameters(self, unit: bytes) -> None:
        """Remembers a parameter set; later ones replace earlier ones of the same number."""
        content = _unescaped(unit[1:])
        if unit[0] & 31 == SEQUENCE:
            sequence = _sequence_parameters(content)
            self._sequences[sequence.number] = sequence
        else:
            bits = BitReader(content)
            number = bits.take_golomb()
            self._sequence_of_picture[number] = bits.take_golomb()

    def _is_leading(self, data: bytes) -> bool:
        """Whether this may be a leading picture, in a stream without time stamps.

        These are the B pictures between the first key picture and the next reference. FFmpeg may
        decode them or not, as it finds what they need.
        """
        if self._references > 1:
            return False
        for unit in nal_units(data, self._length_bytes):
            kind = unit[0] & 31
            if kind == IDR:
                self._references = 2  # nothing behind it needs a picture before it
            if kind == NON_IDR:
                if self._slice_header(unit).is_b:
                    return self._references == 1
                self._references += 1
                return False
        return False


def _sequence_parameters(content: bytes) -> SequenceParameters:
    """Reads a sequence parameter set up to `frame_mbs_only_flag` (section 7.3.2.1.1)."""
    bits = BitReader(content)
    profile = bits.take(8)
    bits.take(16)  # constraints, level_idc
    number = bits.take_golomb()
    separate_planes = False
    if profile in WITH_CHROMA_FORMAT:
        chroma_format = bits.take_golomb()
        if chroma_format == SEPARATE_PLANES:
            separate_planes = bits.take(1) == 1
        bits.take_golomb()  # bit depths of luma and chroma
        bits.take_golomb()
        bits.take(1)  # qpprime_y_zero_transform_bypass_flag
        if bits.take(1):  # seq_scaling_matrix_present_flag
            _pass_scaling_lists(bits, 12 if chroma_format == SEPARATE_PLANES else 8)
    frame_number_bits = bits.take_golomb() + 4
    order_type = bits.take_golomb()
    if order_type == 0:
        bits.take_golomb()  # log2_max_pic_order_cnt_lsb_minus4
    elif order_type == 1:
        bits.take(1)
        bits.take_golomb()  # two offsets, then a cycle of them
        bits.take_golomb()
        for _ in range(min(bits.take_golomb(), 255)):
            bits.take_golomb()
    bits.take_golomb()  # max_num_ref_frames
    bits.take(1)  # gaps_in_frame_num_value_allowed_flag
    bits.take_golomb()  # width and height
    bits.take_golomb()
    frames_only = bits.take(1) == 1
    # A damaged set must not make progressive video look interlaced.
    may_have_fields = not frames_only and not bits.exhausted
    return SequenceParameters(number, separate_planes, frame_number_bits, may_have_fields)


def h264_may_have_fields(extradata: bytes) -> bool:
    """Whether a stream may have packets of single fields, as far as its container says."""
    return H264Reader(extradata).may_have_fields


def _pass_scaling_lists(bits: BitReader, count: int) -> None:
    """Takes scaling lists (section 7.3.2.1.1.1): six of 4x4, then those of 8x8."""
    for index in range(count):
        if not bits.take(1):
            continue
        last = following = 8
        size = 64
        if index < 6:
            size = 16
        for _ in range(size):
            # A list ends early where the following value would be 0.
            if following:
                following = (last + bits.take_signed_golomb()) % 256
            last = following or last


def _configuration_units(extradata: bytes) -> Iterator[bytes]:
    """Yields the parameter sets of a container (ISO/IEC 14496-15, section 5.3.3.1)."""
    if not extradata or extradata[0] != 1:
        for unit in nal_units(extradata, 0):
            if unit[0] & 31 in (SEQUENCE, PICTURE):
                yield unit
        return
    position = 5
    for mask in (31, 255):  # the numbers of both kinds of sets
        # A record that is cut short has fewer sets; a slice behind its end is empty.
        numbers = extradata[position : position + 1]
        position += 1
        for _ in range(sum(numbers) & mask):
            length = int.from_bytes(extradata[position : position + 2], "big")
            position += 2
            unit = extradata[position : position + length]
            if unit:
                yield unit
            position += length


def _unescaped(data: bytes) -> bytes:
    """The content of a unit: a 3 behind two zeros only keeps it from looking like a start code."""
    return data.replace(b"\0\0\3", b"\0\0")
