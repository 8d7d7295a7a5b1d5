"""Frames to video files, whole or not at all, the same bytes every time."""

from __future__ import annotations

import fractions
import io
import os
from typing import NamedTuple

import av
import numpy as np
from etils import epath

from videolstm_jax import artifacts


class _Encoder(NamedTuple):
    name: str
    even: str  # the pixel format of even sides
    odd: str  # the one where a side is odd: chroma of full size, so that nothing is padded or cut
    quality: int | None  # the default of `crf`
    options: dict[str, str]


ENCODERS = {
    "h264": _Encoder("libx264", "yuv420p", "yuv444p", 18,
                     {"preset": "medium", "x264-params": "log-level=none:mbtree=0"}),
    "mpeg4": _Encoder("mpeg4", "yuv420p", "yuv420p", None, {"flags": "+qscale", "global_quality": "236"}),
    "mjpeg": _Encoder("mjpeg", "yuvj444p", "yuvj444p", None, {"flags": "+qscale", "global_quality": "236"}),
    "ffv1": _Encoder("ffv1", "bgr0", "bgr0", None, {}),
}
"""`h264` plays everywhere (with an odd side, in players of the 4:4:4 profile); `ffv1` is lossless."""

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".avi": "avi", ".mkv": "matroska"}


def write(path: str | os.PathLike, frames: np.ndarray, fps: float = 25.0, *, codec: str = "h264",
          crf: int | None = None) -> None:
    """Encodes frames into the container that the suffix of `path` names.

    One thread and no dates or version marks of the container, so that equal frames give equal bytes. A file decodes to
    the size given: with an odd side, whose halved chroma planes h264 refuses, chroma is kept at full size.

    Args:
      path: .mp4, .m4v, .mov, .avi or .mkv.
      frames: [L, H, W, 3] uint8 RGB, L >= 1.
      fps: frames a second.
      codec: one of `ENCODERS`.
      crf: the quality of h264, 0 (lossless but for the colour conversion) to 51; 18 where None.

    Raises:
      ValueError: a suffix, codec, rate, shape or dtype that cannot be encoded.
    """
    path = epath.Path(path)
    _check(path, frames, fps, codec)
    encoder = ENCODERS[codec]
    odd = frames.shape[1] % 2 or frames.shape[2] % 2
    options = dict(encoder.options)
    if encoder.quality is not None:
        options["crf"] = str(encoder.quality if crf is None else crf)
    buffer = io.BytesIO()  # in memory: muxers go back to fill in sizes, which buckets cannot
    with av.open(buffer, "w", format=CONTAINERS[path.suffix.lower()], options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(encoder.name, rate=fractions.Fraction(fps).limit_denominator(1001),
                                      options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = encoder.odd if odd else encoder.even
        stream.codec_context.thread_count = 1
        stream.codec_context.bit_rate = 0
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    artifacts.write_bytes(path, buffer.getvalue())


def _check(path: epath.Path, frames: np.ndarray, fps: float, codec: str) -> None:
    if path.suffix.lower() not in CONTAINERS:
        raise ValueError(f"{path}: suffix {path.suffix!r}; expected one of {', '.join(CONTAINERS)}")
    if codec not in ENCODERS:
        raise ValueError(f"{path}: codec {codec!r}; expected one of {', '.join(ENCODERS)}")
    if not 0 < fps < float("inf"):
        raise ValueError(f"{path}: {fps} frames a second; expected more than 0")
    shape, dtype = np.shape(frames), getattr(frames, "dtype", None)
    if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or not all(shape):
        raise ValueError(f"{path}: frames are {dtype} {list(shape)}; expected uint8 [L, H, W, 3] with at least 1 frame")
