"""Pictures as bytes, for files and for a page that carries its pictures inside itself.

Pictures of a page are AVIF, which codes what changes between the frames of an animation: it takes
about a third of the bytes of animated WebP, and a page with a dozen examples stays below one
megabyte. Browsers show AVIF since 2023.
"""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

SPEED = 6
"""Effort of the AVIF encoder, 0 (slowest) to 10. From 7 on the files are half as large again."""
MOVING_QUALITY = 30
"""Quality of AVIF animations, 0 to 100; errors are harder to see in moving pictures."""
SETTINGS = {
    "PNG": {"optimize": True},
    # Sheets of plain rectangles are a third as large as in PNG.
    "WEBP": {"lossless": True, "method": 4},
    "AVIF": {"quality": 40},
}
"""Pillow's options by the kind of a still picture."""


def animation_of_pictures(
    frames: np.ndarray, seconds: float, *, quality: int = MOVING_QUALITY
) -> bytes:
    """Encodes an animated AVIF that repeats for ever; equal frames give equal bytes.

    Args:
      frames: uint8 [n, H, W, 3], n >= 2.
      seconds: the time from one frame to the next; browsers do not go below 0.02.
      quality: of the lossy compression, 0 to 100.
    """
    first, *rest = map(Image.fromarray, frames)
    buffer = io.BytesIO()
    first.save(
        buffer,
        "AVIF",
        save_all=True,
        append_images=rest,
        # In milliseconds.
        duration=max(20, round(1000 * seconds)),
        quality=quality,
        speed=SPEED,
        # One thread, so that the bytes do not depend on the number of cores.
        max_threads=1,
    )
    return _without_dates(buffer.getvalue())


def still_of_picture(frame: np.ndarray, kind: str = "PNG") -> bytes:
    """Encodes one picture; equal frames give equal bytes.

    Args:
      frame: uint8 [H, W, 3].
      kind: `PNG` and `WEBP` are lossless, `AVIF` is lossy and small.
    """
    options = dict(SETTINGS[kind])
    if kind == "AVIF":
        options |= {"speed": SPEED, "max_threads": 1}
    buffer = io.BytesIO()
    # Into memory: the bytes go into a page as well as into a file.
    Image.fromarray(frame).save(buffer, kind, **options)
    return buffer.getvalue()


def picture_data_uri(content: bytes) -> str:
    """Returns a picture as a `data:` address, its kind read from its first bytes.

    Raises:
      ValueError: neither PNG nor WebP nor AVIF.
    """
    if content.startswith(b"\x89PNG"):
        kind = "png"
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        kind = "webp"
    elif content[4:12] in (b"ftypavif", b"ftypavis"):
        kind = "avif"
    else:
        raise ValueError(f"a picture that begins with {content[:12]!r}; expected PNG, WebP or AVIF")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _without_dates(content: bytes) -> bytes:
    """Sets the dates in the headers of an AVIF animation to zero.

    libavif writes the time of encoding into the headers of the movie, its track and its media
    (boxes `mvhd`, `tkhd` and `mdhd` of ISO 14496-12, version 1: four bytes of version and flags,
    then the times of creation and of modification, eight bytes each). Equal frames would give
    different bytes from one second to the next.
    """
    changed = bytearray(content)
    movie = content.index(b"moov")
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        dates = content.index(box, movie) + len(box) + 4
        # Behind `moov` only: the letters may stand in the compressed pictures too.
        changed[dates : dates + 16] = bytes(16)
    return bytes(changed)
