"""Streams of H.264 whose pictures are fields, which x264 cannot write (interlaced cameras do).

Every macroblock holds its pixels as they are (I_PCM), or repeats the field before (P_Skip), so a
writer of bits is enough. The sections are those of ISO/IEC 14496-10.
"""

from collections.abc import Sequence

import numpy as np

MACROBLOCK = 16
START = b"\0\0\0\1"
NON_IDR, IDR, SPS, PPS = 1, 5, 7, 8
P_SLICE, I_SLICE = 5, 7
I_PCM = 25
FRAME_NUMBERS = 16  # frame_num has 4 bits
ORDERS = 256  # pic_order_cnt_lsb has 8 bits


class BitWriter:
    """Numbers of some bits, the highest bit first."""

    def __init__(self):
        self.bits = ""

    def put(self, count: int, value: int) -> None:
        self.bits += format(value, f"0{count}b")

    def golomb(self, value: int) -> None:
        """Exp-Golomb code (section 9.1)."""
        code = format(value + 1, "b")
        self.bits += "0" * (len(code) - 1) + code

    def pixels(self, plane: np.ndarray) -> None:
        self.bits += "".join(format(value, "08b") for value in plane.ravel().tolist())

    def align(self, first: str = "") -> None:
        self.bits += first
        self.bits += "0" * (-len(self.bits) % 8)

    def unit(self, kind: int, reference: int = 3) -> bytes:
        """The unit with its start code, its header, and escapes of what looks like one."""
        self.align("1")
        content = int(self.bits, 2).to_bytes(len(self.bits) // 8, "big")
        escaped, zeros = bytearray(), 0
        for byte in content:
            if zeros == 2 and byte <= 3:
                escaped.append(3)
                zeros = 0
            escaped.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return START + bytes([reference << 5 | kind]) + bytes(escaped)


def parameters(height: int, width: int, *, high: bool = False) -> bytes:
    """The parameter sets of a stream of frames of these sides, at 25 frames a second."""
    sps = BitWriter()
    sps.put(8, 100 if high else 77)  # profile_idc: High or Main
    sps.put(8, 0)
    sps.put(8, 30)  # level_idc
    sps.golomb(0)  # seq_parameter_set_id
    if high:
        sps.golomb(1)  # chroma_format_idc: 4:2:0
        sps.golomb(0)  # bit_depth_luma
        sps.golomb(0)  # bit_depth_chroma
        sps.put(1, 0)
        # Scaling matrices: one list of 4x4 that is written out, the others by the fall-back rule.
        sps.put(1, 1)
        sps.put(1, 1)
        for _ in range(16):
            sps.golomb(0)
        sps.put(7, 0)
    sps.golomb(0)  # log2_max_frame_num: 4
    sps.golomb(0)  # pic_order_cnt_type
    sps.golomb(4)  # log2_max_pic_order_cnt_lsb: 8
    sps.golomb(1)  # max_num_ref_frames
    sps.put(1, 0)
    sps.golomb(width // MACROBLOCK - 1)
    sps.golomb(height // (2 * MACROBLOCK) - 1)
    sps.put(2, 0)  # frame_mbs_only_flag, mb_adaptive_frame_field_flag
    sps.put(1, 1)  # direct_8x8_inference_flag
    sps.put(1, 0)  # no cropping
    sps.put(1, 1)  # vui_parameters
    sps.put(4, 0)
    sps.put(1, 1)  # timing: two ticks a frame
    sps.put(32, 1)
    sps.put(32, 50)
    sps.put(1, 1)
    sps.put(3, 0)
    sps.put(1, 1)  # bitstream_restriction: pictures come in order
    sps.put(1, 1)
    for value in (0, 0, 10, 10, 0, 1):
        sps.golomb(value)

    pps = BitWriter()
    pps.golomb(0)
    pps.golomb(0)
    pps.put(2, 0)  # CAVLC, no order of bottom fields
    for _ in range(3):  # slice groups, default numbers of references
        pps.golomb(0)
    pps.put(3, 0)  # no weighted prediction
    for _ in range(3):  # quantisers
        pps.golomb(0)
    pps.put(3, 0b100)  # deblocking_filter_control_present_flag
    return sps.unit(SPS) + pps.unit(PPS)


def _slice(number: int, kind: int, *, field: int | None, idr: bool) -> BitWriter:
    """A slice header up to the macroblocks; `field` 0 is the top field, 1 the bottom one."""
    bits = BitWriter()
    bits.golomb(0)  # first_mb_in_slice
    bits.golomb(kind)
    bits.golomb(0)  # pic_parameter_set_id
    bits.put(4, number % FRAME_NUMBERS)
    bits.put(1, field is not None)
    if field is not None:
        bits.put(1, field)
    if idr:
        bits.golomb(0)  # idr_pic_id
    bits.put(8, (2 * number + (field or 0)) % ORDERS)
    if kind == P_SLICE:
        bits.put(2, 0)  # default references, in default order
    bits.put(2 if idr else 1, 0)  # marking of references
    bits.golomb(0)  # slice_qp_delta
    bits.golomb(1)  # no deblocking
    return bits


def _picture(number: int, planes: Sequence[np.ndarray], *, field: int | None, idr: bool) -> bytes:
    """A picture of I_PCM macroblocks from planes of luma and both chromas."""
    bits = _slice(number, I_SLICE, field=field, idr=idr)
    luma, *chromas = planes
    for top in range(0, luma.shape[0], MACROBLOCK):
        for left in range(0, luma.shape[1], MACROBLOCK):
            bits.golomb(I_PCM)
            bits.align()
            bits.pixels(luma[top : top + MACROBLOCK, left : left + MACROBLOCK])
            for chroma in chromas:
                half = MACROBLOCK // 2
                bits.pixels(chroma[top // 2 :, left // 2 :][:half, :half])
    return bits.unit(IDR if idr else NON_IDR)


def fields(
    number: int, luma: np.ndarray, *, bottom_first: bool = False, skipped: bool = False
) -> tuple[bytes, bytes]:
    """Two units for the fields of frame `number`.

    Args:
      number: 0 for the frame that begins a stream.
      luma: [H, W] uint8 in 16 to 235; H a multiple of 32. The chromas are a constant.
      bottom_first: the order of the fields.
      skipped: code the second field as a repetition of the first.
    """
    order = (1, 0) if bottom_first else (0, 1)
    units = []
    for place, field in enumerate(order):
        lines = luma[field::2]
        if place and skipped:
            bits = _slice(number, P_SLICE, field=field, idr=False)
            bits.golomb(lines.size // MACROBLOCK**2)  # mb_skip_run
            units.append(bits.unit(NON_IDR))
            continue
        chroma = np.full((lines.shape[0] // 2, lines.shape[1] // 2), 100, np.uint8)
        planes = (lines, chroma, chroma)
        units.append(_picture(number, planes, field=field, idr=not number and not place))
    return units[0], units[1]


def frame(number: int, luma: np.ndarray) -> bytes:
    """One unit for a frame that is not split; cameras use both kinds in one stream."""
    chroma = np.full((luma.shape[0] // 2, luma.shape[1] // 2), 100, np.uint8)
    return _picture(number, (luma, chroma, chroma), field=None, idr=not number)
