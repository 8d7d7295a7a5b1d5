"""How far two boxes, or two tubes, cover each other, in the two styles that published figures use.

`voc` is the evaluation of the corrected UCF101-24 annotations: boxes as they are, an overlap must
exceed the threshold, and precision is read off its envelope at all points. `act` is that of ACT,
MOC and YOWO: an overlap need only reach the threshold, and the area under precision and recall is
summed in trapezoids. That code keeps the last pixel inside a box and adds one to each side, which
is the area of our half-open boxes: nothing is added here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class Style(NamedTuple):
    """One convention: whether an IoU passes a threshold, and the area under precision and recall."""

    reaches: Callable[[NDArray, float], NDArray]
    area: Callable[[NDArray, int], float]


def envelope_area(hits: NDArray, positives: int) -> float:
    """The area under the upper envelope of precision against recall, at all points (PASCAL VOC 2010
    and later).

    Args:
      hits: [D] bool in falling order of score, true where a detection took a true object.
      positives: how many true objects there are.
    """
    taken = np.cumsum(hits)
    precision = taken / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[hits].sum() / positives)


def trapezoid_area(hits: NDArray, positives: int) -> float:
    """The area under precision against recall in trapezoids, starting at precision 1 and recall 0
    (ACT).

    Args:
      hits: [D] bool in falling order of score, true where a detection took a true object.
      positives: how many true objects there are.
    """
    precision = np.concatenate([[1.0], np.cumsum(hits) / np.arange(1, len(hits) + 1)])
    return float((0.5 * (precision[1:] + precision[:-1]))[hits].sum() / positives)


STYLES: Mapping[str, Style] = {
    "voc": Style(np.greater, envelope_area),
    "act": Style(np.greater_equal, trapezoid_area),
}


def style_of(name: str) -> Style:
    """The convention of that name.

    Raises:
      ValueError: there is none.
    """
    try:
        return STYLES[name]
    except KeyError:
        raise ValueError(
            f"style is {name!r}; expected one of {', '.join(map(repr, STYLES))}"
        ) from None


def box_iou(a: NDArray, b: NDArray) -> NDArray:
    """Intersection over union of boxes, pair by pair.

    Args:
      a: [.., 4] x0 y0 x1 y1, broadcast against `b`.
      b: [.., 4].

    Returns:
      [..] in [0, 1]; 0 where both boxes are empty.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    side = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.prod(np.maximum(side, 0.0), axis=-1)
    union = _area(a) + _area(b) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _area(box: NDArray) -> NDArray:
    return np.prod(np.maximum(box[..., 2:] - box[..., :2], 0.0), axis=-1)


def tube_iou(a: Tube, b: Tube) -> float:
    """The mean IoU of the boxes on shared frames, times the IoU of the two spans of frames.

    Args:
      a: one tube.
      b: the other.

    Returns:
      A number in [0, 1]; 0 where no frame is shared.
    """
    space, time = space_and_time(a, b)
    return space * time


def space_and_time(a: Tube, b: Tube) -> tuple[float, float]:
    """The two factors of `tube_iou`: the mean IoU of boxes on shared frames, and the IoU of the
    spans of frames.
    """
    a_stop, b_stop = a.start + len(a.boxes), b.start + len(b.boxes)
    first, last = max(a.start, b.start), min(a_stop, b_stop)
    if first >= last:
        return 0.0, 0.0
    shared = box_iou(
        a.boxes[first - a.start : last - a.start], b.boxes[first - b.start : last - b.start]
    )
    return float(shared.mean()), (last - first) / (max(a_stop, b_stop) - min(a.start, b.start))
