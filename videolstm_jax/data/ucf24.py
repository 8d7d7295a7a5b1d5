"""Reads the corrected UCF101-24 tubes from their pickle without trusting it.

The file is a pickle made by others. It is read by an unpickler that knows four names, all of them answered by the
small stand-ins below, so nothing of the file is ever executed.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.types import Detection, Tube


class BadAnnotations(ValueError):
    """An annotation file that cannot be used: the message names the file, what was found and what was expected."""


class Ucf24(NamedTuple):
    """`frames` of every annotated video by "Class/stem", and its true tubes, whose label counts from 0."""

    frames: dict[str, int]
    truth: list[Detection]


def read_ucf24(path: str) -> Ucf24:
    """Reads `pyannot.pkl` of the corrected UCF101-24 annotations.

    Boxes are stored as x, y, w, h in one or two unsigned bytes and are cast before x + w, which would overflow; the
    file's `sf` counts from 0 and its `ef` is exclusive.

    Args:
      path: the pickle.

    Returns:
      Frames of each video, and tubes with boxes x0 y0 x1 y1 in pixels, half open, in the order of video names.

    Raises:
      BadAnnotations: the file is no such pickle, names anything but plain arrays, or a tube does not fit its frames.
    """
    try:
        videos = _Reader(io.BytesIO(epath.Path(path).read_bytes())).load()
        frames = {str(_plain(name)): int(_plain(entry["numf"])) for name, entry in videos.items()}
        truth = [Detection(str(_plain(name)), int(_plain(tube["label"])), 1.0, _tube(str(_plain(name)), tube))
                 for name, entry in videos.items() for tube in entry["annotations"]]
    except BadAnnotations as error:
        raise BadAnnotations(f"{path}: {error}") from error
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise BadAnnotations(f"{path}: not the corrected UCF101-24 annotations: {error!r}") from error
    return Ucf24(frames, sorted(truth, key=lambda found: (found.video, found.tube.start)))


def _tube(name: str, tube: dict[str, Any]) -> Tube:
    start, stop, raw = int(_plain(tube["sf"])), int(_plain(tube["ef"])), _plain(tube["boxes"])
    if np.shape(raw) != (stop - start, 4):
        raise BadAnnotations(f"a tube of {name} has boxes {np.shape(raw)}; expected [{stop - start}, 4] for frames "
                             f"{start} to {stop}")
    corner, side = raw[:, :2].astype(np.float64), raw[:, 2:].astype(np.float64)
    return Tube(start, np.concatenate([corner, corner + side], axis=1))


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, _Array) else value


class _DType:
    """Stands in for numpy.dtype: kind and width only, and no objects."""

    def __init__(self, code: str, align: object = False, copy: object = False):
        if not isinstance(code, str) or code[:1] not in "uifUb" or not code[1:].isdigit():
            raise BadAnnotations(f"holds values of type {code!r}; expected plain numbers or text")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands in for numpy.ndarray: filled from raw bytes."""

    value: Any = None

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        self.value = np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if fortran else "C")


def _scalar(dtype: _DType, data: bytes) -> Any:
    return np.frombuffer(data, dtype.dtype)[0].item()


def _new_array(kind: type, shape: object, code: object) -> _Array:
    if kind is not _Array:
        raise BadAnnotations(f"builds a {kind!r}; expected an array")
    return _Array()


class _Reader(pickle.Unpickler):
    """An unpickler that knows no name but the four that plain arrays need."""

    def find_class(self, module: str, name: str) -> Any:
        """Answers the four names, under numpy's older and newer module, and refuses all others."""
        try:
            return _NAMES[module.replace("numpy._core", "numpy.core"), name]
        except KeyError:
            raise BadAnnotations(f"asks for {module}.{name}; expected plain arrays") from None


_NAMES = {("numpy", "dtype"): _DType, ("numpy", "ndarray"): _Array,
          ("numpy.core.multiarray", "scalar"): _scalar, ("numpy.core.multiarray", "_reconstruct"): _new_array}
