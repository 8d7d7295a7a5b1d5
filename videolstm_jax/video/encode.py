"""Frames to video files, whole or not at all; equal frames give equal bytes.

Three settings make the bytes repeatable: one thread; muxers without dates and version marks
(`bitexact`); and x264 without its macroblock tree (`mbtree`), with which equal frames gave
different bytes from one run to the next.
"""

from __future__ import annotations

import contextlib
import fractions
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

import av
import numpy as np
from etils import epath

from videolstm_jax import files


class _Encoder(NamedTuple):
    """A codec of FFmpeg.

    `even` is the pixel format of frames with even sides. Halved chroma planes do not fit frames
    with an odd side; `uneven` has planes of full size, so that nothing is padded or cut. `quality`
    is the default of `crf`.
    """

    name: str
    even: str
    uneven: str
    quality: int | None
    options: dict[str, str]


X264_PARAMS = "log-level=none:mbtree=0"
FIXED_QUALITY = {"flags": "+qscale", "global_quality": "236"}  # 2 on FFmpeg's scale of 1 to 31
ENCODERS = {
    "h264": _Encoder(
        "libx264",
        "yuv420p",
        "yuv444p",
        18,
        {"preset": "medium", "x264-params": X264_PARAMS},
    ),
    "h264_quick": _Encoder(
        "libx264",
        "yuv420p",
        "yuv444p",
        20,
        {"preset": "veryfast", "x264-params": X264_PARAMS},
    ),
    "mpeg4": _Encoder("mpeg4", "yuv420p", "yuv420p", None, FIXED_QUALITY),
    "mjpeg": _Encoder("mjpeg", "yuvj444p", "yuvj444p", None, FIXED_QUALITY),
    "ffv1": _Encoder("ffv1", "bgr0", "bgr0", None, {}),
}
"""`h264` plays everywhere (with an odd side, in players of the 4:4:4 profile); `h264_quick` keeps
up with a stream; `ffv1` is lossless."""

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".avi": "avi", ".mkv": "matroska"}
LARGEST_DENOMINATOR = 1001
"""Frame rates become fractions such as 30000/1001, which containers store."""


def write_video(
    path: str | os.PathLike,
    frames: np.ndarray,
    fps: float = 25.0,
    *,
    codec: str = "h264",
    crf: int | None = None,
) -> None:
    """Encodes frames into the container that the suffix of `path` names.

    Args:
      path: .mp4, .m4v, .mov, .avi or .mkv.
      frames: [L, H, W, 3] uint8 RGB, L >= 1; the file decodes to the same H and W.
      fps: frames a second.
      codec: one of `ENCODERS`.
      crf: the quality of h264, 0 (lossless but for the colour conversion) to 51; 18 where None.

    Raises:
      ValueError: a suffix, codec, rate, shape or dtype that cannot be encoded.
    """
    path = epath.Path(path)
    _check(path, frames, fps, codec)
    buffer = io.BytesIO()  # in memory: muxers go back to fill in sizes, which buckets cannot
    with _muxing(buffer, path, frames.shape[1:3], fps, codec, crf) as add:
        for frame in frames:
            add(frame)
    files.write_bytes(path, buffer.getvalue())


@contextlib.contextmanager
def growing_video_file(
    path: str | os.PathLike,
    size: tuple[int, int],
    fps: float = 25.0,
    *,
    codec: str = "h264",
    crf: int | None = None,
) -> Iterator[Callable[[np.ndarray], None]]:
    """Yields a function that adds one frame [H, W, 3] uint8 to a film, in bounded memory.

    The film grows beside `path` and is renamed into place when the block ends without an error. A
    film for a bucket grows on this machine, since muxers must go back to fill in sizes. The bytes
    are those of `write_video`.

    Args:
      path: see `write_video`.
      size: (W, H) pixels of every frame.
      fps: see `write_video`, as are codec and crf.
      codec: one of `ENCODERS`.
      crf: the quality of h264.

    Raises:
      ValueError: as `write_video`, or a frame of another size.
    """
    path = epath.Path(path)
    shape = size[1], size[0], 3
    # A film that cannot be written is refused before the first frame is drawn.
    _check(path, np.zeros((1, *shape), np.uint8), fps, codec)
    with (
        _unfinished(path) as unfinished,
        _muxing(os.fspath(unfinished), path, shape[:2], fps, codec, crf) as add,
    ):
        yield _checked(add, path, shape)


def _checked(
    add: Callable[[np.ndarray], None], path: epath.Path, shape: tuple[int, int, int]
) -> Callable[[np.ndarray], None]:
    """`add` for frames of one shape; PyAV would scale a frame of another one."""

    def add_checked(frame: np.ndarray) -> None:
        if frame.shape != shape or frame.dtype != np.uint8:
            raise ValueError(
                f"{path}: a frame is {frame.dtype} {list(frame.shape)}; expected uint8 "
                f"{list(shape)}"
            )
        add(frame)

    return add_checked


@contextlib.contextmanager
def _unfinished(path: epath.Path) -> Iterator[epath.Path]:
    """A path to write to, whose file takes its place at `path` when the block ends well."""
    if "://" not in str(path):
        with files.replacing(path) as beside:
            yield beside
        return
    # Muxers go back to fill in sizes, which buckets do not allow.
    with tempfile.TemporaryDirectory() as folder:
        local = epath.Path(folder) / path.name
        yield local
        files.write_bytes(path, local.read_bytes())


@contextlib.contextmanager
def _muxing(
    target: io.BytesIO | str,
    path: epath.Path,
    sides: tuple[int, int],
    fps: float,
    codec: str,
    crf: int | None,
) -> Iterator[Callable[[np.ndarray], None]]:
    """Yields a function that encodes one frame into `target`, of the format of `path`."""
    encoder = ENCODERS[codec]
    options = dict(encoder.options)
    if encoder.quality is not None:
        options["crf"] = str(encoder.quality)
        if crf is not None:
            options["crf"] = str(crf)
    kind = CONTAINERS[path.suffix.lower()]
    with av.open(target, "w", format=kind, options={"fflags": "+bitexact"}) as container:
        rate = fractions.Fraction(fps).limit_denominator(LARGEST_DENOMINATOR)
        stream = container.add_stream(encoder.name, rate=rate, options=options)
        stream.height, stream.width = sides
        stream.pix_fmt = encoder.even
        # Formats that halve the colour have no half pixels.
        if sides[0] % 2 or sides[1] % 2:
            stream.pix_fmt = encoder.uneven
        # With several threads x264 gives other bytes from one run to the next.
        stream.codec_context.thread_count = 1
        # PyAV sets a bit rate, which would override the quality.
        stream.codec_context.bit_rate = 0

        def add(frame: np.ndarray) -> None:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))

        yield add
        container.mux(stream.encode(None))  # the pictures that the encoder still holds


def _check(path: epath.Path, frames: np.ndarray, fps: float, codec: str) -> None:
    suffix = path.suffix
    if suffix.lower() not in CONTAINERS:
        raise ValueError(f"{path}: suffix {suffix!r}; expected one of {', '.join(CONTAINERS)}")
    if codec not in ENCODERS:
        raise ValueError(f"{path}: codec {codec!r}; expected one of {', '.join(ENCODERS)}")
    if not 0 < fps < float("inf"):
        raise ValueError(f"{path}: {fps} frames a second; expected more than 0")
    shape = np.shape(frames)
    dtype = getattr(frames, "dtype", None)
    if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or not all(shape):
        raise ValueError(
            f"{path}: frames are {dtype} {list(shape)}; expected uint8 [L, H, W, 3] with at least "
            "1 frame"
        )
