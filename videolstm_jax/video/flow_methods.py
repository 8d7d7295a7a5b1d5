"""The methods of optical flow by name: ours, and two of OpenCV's for those who have it installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np

from videolstm_jax.errors import ConfigError
from videolstm_jax.flow import batched

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Frames [P, H, W] uint8 and those that follow, to displacements [P, H, W, 2] float32: right and
down, in pixels.
"""


def method(name: str) -> Method:
    """The function of a name in `METHODS`.

    Raises:
      ConfigError: an unknown name, or OpenCV is not installed or lacks the method.
    """
    if name not in METHODS:
        raise ConfigError(f"flow.method is {name!r}; expected one of {', '.join(METHODS)}")
    if name != "tvl1":
        _opencv(name)
    return METHODS[name]


def dis(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """OpenCV's dense inverse search (Kroeger et al. 2016) at its `medium` preset; sets OpenCV to
    one thread.

    Its result depends on the number of threads, and `batched` runs several batches at a time
    anyway.
    """
    cv2 = _opencv("dis")
    cv2.setNumThreads(1)
    found = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.stack([found.calc(one, two, None) for one, two in zip(a, b, strict=True)])


def opencv_tvl1(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """OpenCV's DualTVL1 with its own constants, as the authors' tool ran it; sets OpenCV to one
    thread.
    """
    cv2 = _opencv("opencv_tvl1")
    cv2.setNumThreads(1)
    found = cv2.optflow.DualTVL1OpticalFlow_create()
    return np.stack([found.calc(one, two, None) for one, two in zip(a, b, strict=True)])


METHODS: Mapping[str, Method] = {"tvl1": batched.ours, "dis": dis, "opencv_tvl1": opencv_tvl1}


def _opencv(name: str) -> ModuleType:
    try:
        import cv2  # an extra: nothing else of the project needs it
    except ImportError as error:
        raise ConfigError(
            f"flow.method is {name!r}, which needs OpenCV: pip install 'videolstm-jax[opencv]'; "
            "or take flow.method tvl1, which needs nothing"
        ) from error
    if name == "opencv_tvl1" and not hasattr(
        getattr(cv2, "optflow", None), "DualTVL1OpticalFlow_create"
    ):
        raise ConfigError(
            f"flow.method is {name!r}, but OpenCV {cv2.__version__} was installed without its contrib "
            "modules: replace it by opencv-contrib-python-headless, or take flow.method dis or tvl1"
        )
    return cv2
