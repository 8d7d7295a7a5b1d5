"""Pairs of pictures with true flow, as Middlebury, Sintel, KITTI and FlyingChairs store them."""

from __future__ import annotations

import os
import pathlib
from typing import NamedTuple

import av
import numpy as np
from PIL import Image

from videolstm_jax.flow import image

# The four bytes "PIEH" read as a little-endian float: they prove the order of bytes too.
_FLO_MAGIC = np.float32(202021.25)
_UNKNOWN = 1e9
"""Middlebury writes displacements beyond this where the flow is unknown."""


class TrueFlow(NamedTuple):
    """The true flow of a pair.

    Attributes:
      flow: [H, W, 2] float32, to the right and down, pixels.
      valid: [H, W] bool, where the truth is known.
    """

    flow: np.ndarray
    valid: np.ndarray


class FlowFiles(NamedTuple):
    """The files of a pair, relative to the folder of all pairs.

    Attributes:
      first: the first picture.
      second: the picture that follows.
      truth: the true flow, `.flo` or a KITTI `.png`.
      occlusions: a picture that is not 0 where a pixel of `first` is hidden in `second`, or a KITTI
        flow that is valid elsewhere only; empty where the data set has none.
    """

    first: str
    second: str
    truth: str
    occlusions: str = ""


_SINTEL = ("sintel_alley_1/flow_0002_to_0003.flo", "sintel_alley_1/occlusions_0002.png")

PAIRS = {
    "Sintel alley_1 clean": FlowFiles(
        "sintel_alley_1/clean_frame_0002.png", "sintel_alley_1/clean_frame_0003.png", *_SINTEL
    ),
    "Sintel alley_1 final": FlowFiles(
        "sintel_alley_1/final_frame_0002.png", "sintel_alley_1/final_frame_0003.png", *_SINTEL
    ),
    "KITTI 000010": FlowFiles(
        "kitti_000010/kitti_000010_10.png",
        "kitti_000010/kitti_000010_11.png",
        "kitti_000010/kitti_occ_000010_10.png",
        "kitti_000010/kitti_noc_000010_10.png",
    ),
    "FlyingChairs 0": FlowFiles("chairs_0/img0.png", "chairs_0/img1.png", "chairs_0/flow.flo"),
    "FlyingChairs 1": FlowFiles("chairs_1/img0.png", "chairs_1/img1.png", "chairs_1/flow.flo"),
    "Dimetrodon": FlowFiles(
        "Dimetrodon/frame10.png", "Dimetrodon/frame11.png", "Dimetrodon/flow10.flo"
    ),
    "RubberWhale": FlowFiles(
        "RubberWhale/frame10.png", "RubberWhale/frame11.png", "RubberWhale/flow10.flo"
    ),
}
"""The pairs of the benchmark, by the name in its table."""


def read_grey(path: str | os.PathLike) -> np.ndarray:
    """Returns a picture as [H, W] uint8 grey levels, as the stage prepare computes them."""
    with Image.open(path) as picture:
        return image.grey_frames_for_flow(np.asarray(picture.convert("RGB"))[None])[0]


def read_flo(path: str | os.PathLike) -> TrueFlow:
    """Reads a `.flo` file of Middlebury, Sintel or FlyingChairs.

    Raises:
      ValueError: the first bytes or the length are not those of a `.flo` file.
    """
    content = pathlib.Path(path).read_bytes()
    if len(content) < 12 or np.frombuffer(content, "<f4", 1)[0] != _FLO_MAGIC:
        raise ValueError(f"{path} is no .flo file: it does not begin with PIEH")
    width, height = (int(side) for side in np.frombuffer(content, "<i4", 2, 4))
    expected = 12 + 8 * width * height
    if min(width, height) < 1 or len(content) != expected:
        raise ValueError(
            f"{path} has {len(content)} bytes; "
            f"a .flo file of {width}x{height} pixels has {expected}"
        )
    flow = np.frombuffer(content, "<f4", offset=12).reshape(height, width, 2)
    # A NaN fails the comparison as well.
    return TrueFlow(flow, (np.abs(flow) < _UNKNOWN).all(-1))


def read_kitti(path: str | os.PathLike) -> TrueFlow:
    """Reads a KITTI flow PNG, 16 bits in each of three channels.

    The first two are 32768 + 64 u and 32768 + 64 v; the third is 0 where the flow is unknown.

    Raises:
      ValueError: the picture has another kind of pixels.
    """
    # Pillow reduces 16-bit colours to 8 bits without a word, FFmpeg does not.
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    if frame.format.name != "rgb48be":
        raise ValueError(
            f"{path} has pixels of kind {frame.format.name}; a KITTI flow has 16-bit RGB, rgb48be"
        )
    channels = frame.to_ndarray().astype(np.float32)
    return TrueFlow((channels[..., :2] - 32768) / 64, channels[..., 2] > 0)


def read_truth(path: str | os.PathLike) -> TrueFlow:
    """Reads a true flow by the suffix of its file."""
    if pathlib.Path(path).suffix == ".flo":
        return read_flo(path)
    return read_kitti(path)


def visible(folder: str | os.PathLike, pair: FlowFiles, truth: TrueFlow) -> np.ndarray | None:
    """Returns [H, W] bool of valid pixels that both pictures show, None where it is unknown."""
    if not pair.occlusions:
        return None
    path = pathlib.Path(folder) / pair.occlusions
    # KITTI stores the flow a second time without hidden pixels, Sintel a mask of them.
    if pair.truth.endswith(".png"):
        return read_kitti(path).valid
    with Image.open(path) as picture:
        return truth.valid & (np.asarray(picture.convert("L")) == 0)
