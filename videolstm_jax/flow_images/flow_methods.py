"""The methods of optical flow by name: this project's TV-L1 and its variant, two of OpenCV's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from videolstm_jax.errors import ConfigError
from videolstm_jax.flow import batched

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Frames [P, H, W] uint8 and the frames that follow, to displacements [P, H, W, 2] float32.

Displacements are in pixels, to the right and down.
"""


def flow_method(name: str) -> Method:
    """Returns the function of a name in `METHODS`.

    Raises:
      ConfigError: an unknown name, or OpenCV is not installed or lacks the method.
    """
    if name not in METHODS:
        raise ConfigError(f"flow.method is {name!r}; expected one of {', '.join(METHODS)}")
    # Fails now rather than after all videos have been decoded.
    if name in _OPENCV_METHODS:
        _opencv(name)
    return METHODS[name]


def opencv_dis_flow_method(frames: np.ndarray, next_frames: np.ndarray) -> np.ndarray:
    """Computes OpenCV's dense inverse search (Kroeger et al. 2016) at its `medium` preset.

    Sets OpenCV to one thread: the result depends on the number of threads, and `batched` runs
    several batches at a time anyway.
    """
    cv2 = _opencv("dis")
    cv2.setNumThreads(1)
    algorithm = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return _pair_by_pair(algorithm, frames, next_frames)


def opencv_tvl1_flow_method(frames: np.ndarray, next_frames: np.ndarray) -> np.ndarray:
    """Computes OpenCV's DualTVL1 with its own constants, as the authors' tool ran it.

    Sets OpenCV to one thread; see `opencv_dis_flow_method`.
    """
    cv2 = _opencv("opencv_tvl1")
    cv2.setNumThreads(1)
    return _pair_by_pair(cv2.optflow.DualTVL1OpticalFlow_create(), frames, next_frames)


def _pair_by_pair(algorithm: Any, frames: np.ndarray, next_frames: np.ndarray) -> np.ndarray:
    flow = []
    for frame, next_frame in zip(frames, next_frames, strict=True):
        # None: no flow to start from, or a pair would depend on the one before it.
        flow.append(algorithm.calc(frame, next_frame, None))
    return np.stack(flow)


METHODS: Mapping[str, Method] = {
    "tvl1": batched.tvl1_of_arrays,
    "tvl1_edges": batched.tvl1_edges_of_arrays,
    "dis": opencv_dis_flow_method,
    "opencv_tvl1": opencv_tvl1_flow_method,
}
_OPENCV_METHODS = ("dis", "opencv_tvl1")


def _opencv(name: str) -> ModuleType:
    """OpenCV, an optional dependency, checked for the method `name`."""
    try:
        import cv2
    except ImportError as error:
        raise ConfigError(
            f"flow.method is {name!r}, which needs OpenCV: pip install 'videolstm-jax[opencv]'; "
            "or take flow.method tvl1, which needs nothing"
        ) from error
    # Only OpenCV's contrib package has the module optflow.
    optflow = getattr(cv2, "optflow", None)
    if name == "opencv_tvl1" and not hasattr(optflow, "DualTVL1OpticalFlow_create"):
        raise ConfigError(
            f"flow.method is {name!r}, but OpenCV {cv2.__version__} was installed without its "
            "contrib modules: replace it by opencv-contrib-python-headless, or take flow.method "
            "dis or tvl1"
        )
    return cv2
