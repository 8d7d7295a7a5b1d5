"""Frames that are JPEG or PNG already to a video file, bit for bit, without encoding them again."""

from __future__ import annotations

import fractions
import io
import os
from collections.abc import Sequence
from typing import NamedTuple

import av
from etils import epath
from PIL import Image, UnidentifiedImageError

from videolstm_jax import files
from videolstm_jax.video.encode import LARGEST_DENOMINATOR

CODECS = {"JPEG": "mjpeg", "PNG": "png"}
PIXEL_FORMATS = {"L": "gray", "RGB": "rgb24", "RGBA": "rgba", "P": "pal8"}
"""FFmpeg's pixel formats of PNG by Pillow's modes."""


class _Header(NamedTuple):
    """Pillow's names of format and channels of an encoded picture, and its (W, H)."""

    kind: str
    mode: str
    size: tuple[int, int]


def write_video_pictures(
    path: str | os.PathLike, pictures: Sequence[bytes], fps: float = 25.0
) -> None:
    """Puts encoded frames into an AVI file, the same bytes every time.

    Args:
      path: the file, .avi.
      pictures: the frames, all JPEG or all PNG of 8 bits a channel, at least one.
      fps: frames a second.

    Raises:
      ValueError: another suffix, no frames, or frames of several kinds or of another kind.
    """
    path = epath.Path(path)
    if path.suffix != ".avi" or not pictures:
        raise ValueError(f"{path}: {len(pictures)} frames; expected at least 1, and a file .avi")
    first = _header(path, 0, pictures[0])
    if first.kind not in CODECS or first.mode not in PIXEL_FORMATS:
        raise ValueError(
            f"{path}: frame 0 is {first.kind} {first.mode}; expected JPEG or PNG of 8 bits a "
            "channel"
        )
    buffer = io.BytesIO()
    rate = fractions.Fraction(fps).limit_denominator(LARGEST_DENOMINATOR)
    # Without `bitexact` the version of FFmpeg is written into the file.
    with av.open(buffer, "w", format="avi", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(CODECS[first.kind], rate=rate)
        stream.width, stream.height = first.size
        # The header names a format of JPEG; decoders take the one that the pictures have.
        stream.pix_fmt = "yuvj420p" if first.kind == "JPEG" else PIXEL_FORMATS[first.mode]
        for number, picture in enumerate(pictures):
            # A decoder is set up once, for the kind of the first picture.
            header = _header(path, number, picture)
            if header[:2] != first[:2]:
                raise ValueError(
                    f"{path}: frame {number} is {header[:2]}; expected all {first.kind} "
                    f"{first.mode}, as frame 0"
                )
            # The packet goes to the muxer as it is; no encoder touches it.
            packet = av.Packet(picture)
            packet.stream, packet.time_base, packet.is_keyframe = stream, 1 / rate, True
            packet.pts = packet.dts = number
            container.mux(packet)
    files.write_bytes(path, buffer.getvalue())


def _header(path: epath.Path, number: int, picture: bytes) -> _Header:
    """Reads the header of an encoded picture, not its pixels."""
    try:
        # The formats are named, since Pillow starts other programs for some of the rest.
        with Image.open(io.BytesIO(picture), formats=list(CODECS)) as image:
            return _Header(str(image.format), image.mode, image.size)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path}: frame {number} is no JPEG or PNG, {len(picture)} bytes: {error}"
        ) from error
