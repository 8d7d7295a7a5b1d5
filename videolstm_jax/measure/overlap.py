"""Overlap of boxes and of tubes, in the two styles that published figures use.

`voc` is the evaluation of the corrected UCF101-24 annotations. Boxes are taken as they are, an
overlap must exceed the threshold, and the area is that under the envelope of precision at all
points. `act` is the evaluation of ACT, MOC and YOWO. An overlap need only reach the threshold, and
the area under precision and recall is summed in trapezoids. That code counts the last pixel as
inside the box and adds one to each side, which is the area of our half-open boxes: nothing is added
here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class Style(NamedTuple):
    """One style: `reaches` compares IoUs with a threshold, `area` integrates precision."""

    reaches: Callable[[NDArray, float], NDArray]
    area: Callable[[NDArray, int], float]


def envelope_precision_area(hits: NDArray, positives: int) -> float:
    """Returns the area under the upper envelope of precision against recall, at all points.

    This is the rule of PASCAL VOC 2010 and later.

    Args:
      hits: [D] bool in falling order of score, true where a detection took a true object.
      positives: the number of true objects.
    """
    # Recall grows by the same step at every hit, so the area is a sum over hits alone.
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    # The envelope at a rank is the best precision at this rank or any later one.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[hits].sum() / positives)


def trapezoid_precision_area(hits: NDArray, positives: int) -> float:
    """Returns the area under precision against recall in trapezoids, the rule of ACT.

    Args:
      hits: [D] bool in falling order of score, true where a detection took a true object.
      positives: the number of true objects.
    """
    # The curve starts with precision 1 at recall 0. Recall rises at hits only.
    precision = np.concatenate([[1.0], np.cumsum(hits) / np.arange(1, len(hits) + 1)])
    means = 0.5 * (precision[1:] + precision[:-1])
    return float(means[hits].sum() / positives)


STYLES: Mapping[str, Style] = {
    "voc": Style(np.greater, envelope_precision_area),
    "act": Style(np.greater_equal, trapezoid_precision_area),
}


def overlap_style(name: str) -> Style:
    """Returns the style of that name.

    Raises:
      ValueError: there is none.
    """
    if name not in STYLES:
        expected = ", ".join(map(repr, STYLES))
        raise ValueError(f"style is {name!r}; expected one of {expected}")
    return STYLES[name]


def box_iou(a: NDArray, b: NDArray) -> NDArray:
    """Computes the intersection over union of boxes, pair by pair.

    Args:
      a: [.., 4] x0 y0 x1 y1, broadcast against `b`.
      b: [.., 4].

    Returns:
      [..] in [0, 1]; 0 where both boxes are empty.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    # Boxes that do not meet have a negative side, which must not become a positive area.
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.prod(np.maximum(sides, 0.0), axis=-1)
    union = _area(a) + _area(b) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _area(box: NDArray) -> NDArray:
    return np.prod(np.maximum(box[..., 2:] - box[..., :2], 0.0), axis=-1)


def tube_iou(a: Tube, b: Tube) -> float:
    """Computes the IoU of two tubes: that of boxes on shared frames times that of the spans.

    Args:
      a: one tube.
      b: the other.

    Returns:
      A number in [0, 1]; 0 where no frame is shared.
    """
    space, time = space_and_time_iou(a, b)
    return space * time


def space_and_time_iou(a: Tube, b: Tube) -> tuple[float, float]:
    """Computes the two factors of `tube_iou`.

    Returns:
      The mean IoU of the boxes on shared frames, and the IoU of the two spans of frames.
    """
    a_stop, b_stop = a.start + len(a.boxes), b.start + len(b.boxes)
    start, stop = max(a.start, b.start), min(a_stop, b_stop)
    if start >= stop:
        return 0.0, 0.0
    # Boxes are compared on the shared frames only; the frames that one of them lacks lower the
    # second factor.
    a_boxes = a.boxes[start - a.start : stop - a.start]
    b_boxes = b.boxes[start - b.start : stop - b.start]
    boxes = box_iou(a_boxes, b_boxes)
    # The spans meet, so their union has no gap.
    union = max(a_stop, b_stop) - min(a.start, b.start)
    return float(boxes.mean()), (stop - start) / union
