"""Frames that are JPEG or PNG already to a video file, bit for bit: they are moved, not encoded
again.
"""

from __future__ import annotations

import fractions
import io
import os
from collections.abc import Sequence

import av
from etils import epath
from PIL import Image, UnidentifiedImageError

from videolstm_jax import files

CODECS = {"JPEG": "mjpeg", "PNG": "png"}
FORMATS = {"L": "gray", "RGB": "rgb24", "RGBA": "rgba", "P": "pal8"}


def write_pictures(path: str | os.PathLike, pictures: Sequence[bytes], fps: float = 25.0) -> None:
    """Puts encoded frames into an AVI file, the same bytes every time.

    Args:
      path: the file, .avi.
      pictures: the frames, all JPEG or all PNG of 8 bits a channel, at least one.
      fps: frames a second.

    Raises:
      ValueError: another suffix, no frames, or a frame that is something else than the first.
    """
    path = epath.Path(path)
    if path.suffix != ".avi" or not pictures:
        raise ValueError(f"{path}: {len(pictures)} frames; expected at least 1, and a file .avi")
    kind, mode, size = _seen(path, 0, pictures[0])
    if kind not in CODECS or mode not in FORMATS:
        raise ValueError(
            f"{path}: frame 0 is {kind} {mode}; expected JPEG or PNG of 8 bits a channel"
        )
    buffer = io.BytesIO()
    rate = fractions.Fraction(fps).limit_denominator(1001)
    with av.open(buffer, "w", format="avi", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(CODECS[kind], rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if kind == "JPEG" else FORMATS[mode]
        for number, picture in enumerate(pictures):
            if _seen(path, number, picture)[:2] != (kind, mode):
                raise ValueError(
                    f"{path}: frame {number} is {_seen(path, number, picture)[:2]}; expected all "
                    f"{kind} {mode}, as frame 0"
                )
            packet = av.Packet(picture)
            packet.stream, packet.time_base, packet.is_keyframe = stream, 1 / rate, True
            packet.pts = packet.dts = number
            container.mux(packet)
    files.write_bytes(path, buffer.getvalue())


def _seen(path: epath.Path, number: int, picture: bytes) -> tuple[str, str, tuple[int, int]]:
    """Kind, channels and (W, H) of an encoded picture, read from its header."""
    try:
        with Image.open(io.BytesIO(picture)) as image:
            return str(image.format), image.mode, image.size
    except UnidentifiedImageError as error:
        raise ValueError(
            f"{path}: frame {number} is no picture, {len(picture)} bytes; expected JPEG or PNG"
        ) from error
