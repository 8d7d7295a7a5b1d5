"""Pictures as bytes that a page can carry inside itself."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image


def animation(frames: np.ndarray, seconds: float, *, quality: int = 80) -> bytes:
    """An animated WebP that runs for ever; the same frames give the same bytes.

    Args:
      frames: uint8 [n, H, W, 3].
      seconds: from one frame to the next; browsers do not go below 0.02.
      quality: of the lossy compression, 0 to 100.
    """
    first, *rest = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    first.save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=rest,
        duration=max(20, round(1000 * seconds)),
        loop=0,
        quality=quality,
        method=2,
    )
    return buffer.getvalue()


def still(frame: np.ndarray, kind: str = "PNG") -> bytes:
    """One picture [H, W, 3] as `PNG`, lossless, or `WEBP`, small."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(
        buffer, kind, **({"optimize": True} if kind == "PNG" else {"quality": 85, "method": 4})
    )
    return buffer.getvalue()


def data_uri(content: bytes) -> str:
    """A picture as a `data:` address, its kind told from its first bytes.

    Raises:
      ValueError: neither PNG nor WebP.
    """
    if content.startswith(b"\x89PNG"):
        kind = "png"
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        kind = "webp"
    else:
        raise ValueError(f"a picture that begins with {content[:12]!r}; expected PNG or WebP")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
