"""Linking of boxes from frame to frame, Eq. (17): one tube, or as many as there are regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class Track(NamedTuple):
    """A `tube` and its `mass`, the summed saliency of the regions that it was linked from."""

    tube: Tube
    mass: float


class _Step(NamedTuple):
    """A box [4] with its mass that a growing track took on one frame."""

    frame: int
    box: NDArray
    mass: float


# ---- one tube ------------------------------------------------------------------------------------


def link(boxes: Sequence[NDArray], mass: Sequence[NDArray]) -> Tube:
    """Links one box a frame: the box that overlaps the last box most, Eq. (17).

    The first frame with boxes takes the box of the largest mass. So does every frame where several
    boxes overlap the last (unsmoothed) box equally, or none overlaps it; after that the first
    listed box is taken. A frame without boxes holds the last box. Frames before the first box hold
    the first box.

    Args:
      boxes: for each of L frames [n_t, 4], n_t may be 0.
      mass: for each frame [n_t].

    Returns:
      A tube of all L frames.

    Raises:
      ValueError: no frame has a box.
    """
    linked: list[NDArray] = []
    last = None
    for candidates, masses in zip(boxes, mass, strict=True):
        last = next_box(candidates, masses, last)
        if last is not None:
            linked.append(last)
    if not linked:
        raise ValueError(f"none of {len(boxes)} frames has a box; expected at least one")
    # Once a tube has a box it has one on every frame, so what is missing lies at the beginning.
    lead = [linked[0]] * (len(boxes) - len(linked))
    return Tube(0, np.array(lead + linked, float))


def next_box(boxes: NDArray, mass: NDArray, last: NDArray | None) -> NDArray | None:
    """Returns the box that continues a tube, see `link`.

    Args:
      boxes: [n, 4] of this frame.
      mass: [n].
      last: the tube's box [4] on the frame before; None where it has no box yet.

    Returns:
      The box [4], or `last` where the frame has no boxes.
    """
    if not len(boxes):
        return last
    overlap = np.zeros(len(boxes))
    if last is not None:
        overlap = box_overlaps(boxes, last)
    # lexsort sorts by its last key first: by overlap, then by mass, then by place in the list.
    order = np.lexsort((-np.asarray(mass), -overlap))
    return boxes[order[0]]


def box_overlaps(boxes: NDArray, box: NDArray) -> NDArray:
    """Returns the IoU of boxes [n, 4] with one box [4]: [n]."""
    # The upper left corners of the shared parts, then their lower right ones.
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, 2:], box[2:])
    sides = np.maximum(0, high - low)
    shared = sides[:, 0] * sides[:, 1]
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return shared / (areas + area - shared)


# ---- several tubes -------------------------------------------------------------------------------


def link_all(boxes: Sequence[NDArray], mass: Sequence[NDArray]) -> list[Track]:
    """Links every box into a tube: Eq. (17) for as many tubes as there are regions.

    On each frame, tubes and the boxes that overlap them are paired in falling order of IoU; of
    equal pairs, the larger mass comes first, then the older tube, then the first listed box. A box
    that no tube takes starts a tube. A tube that takes no box holds its last one, as in `link`,
    until it takes another. It ends with the last box it took: the boxes held after that are cut
    off.

    Args:
      boxes: for each of L frames [n_t, 4], n_t may be 0.
      mass: for each frame [n_t].

    Returns:
      Tubes by falling mass; of equal mass, the one that started first.
    """
    growing: list[list[_Step]] = []
    for frame, (candidates, masses) in enumerate(zip(boxes, mass, strict=True)):
        # `reshape` gives [0, 4] where no track has begun yet.
        last = np.array([steps[-1].box for steps in growing]).reshape(-1, 4)
        track_of_box = _pair(last, candidates, masses)
        for index, box in enumerate(candidates):
            step = _Step(frame, box, float(masses[index]))
            if index in track_of_box:
                growing[track_of_box[index]].append(step)
            else:
                growing.append([step])
    tracks = [_track(steps) for steps in growing]
    # `sorted` is stable: of equal mass, the track that started first stays first.
    return sorted(tracks, key=lambda track: -track.mass)


def _pair(last: NDArray, boxes: NDArray, mass: NDArray) -> dict[int, int]:
    """Assigns the boxes of a frame to tracks, greedily by IoU.

    Args:
      last: [m, 4] the last box of each track, oldest track first.
      boxes: [n, 4] of the frame.
      mass: [n].

    Returns:
      The track of each box that a track takes, by the index of the box.
    """
    if not len(last) or not len(boxes):
        return {}
    iou = np.array([box_overlaps(boxes, box) for box in last])
    track, box = np.nonzero(iou > 0)
    # lexsort sorts by its last key first: IoU, then mass, then age of the track, then place.
    order = np.lexsort((box, track, -np.asarray(mass)[box], -iou[track, box]))
    track_of_box: dict[int, int] = {}
    # Greedy, as Eq. (17) is for one tube: the best pair is taken, whatever it leaves to the others.
    for pair in order.tolist():
        candidate, taker = int(box[pair]), int(track[pair])
        if candidate not in track_of_box and taker not in track_of_box.values():
            track_of_box[candidate] = taker
    return track_of_box


def _track(steps: list[_Step]) -> Track:
    """Fills the frames between the steps of one track with the last box before them."""
    frames, boxes, masses = zip(*steps, strict=True)
    # Each box lasts until the next step of the track; the last box is on its own frame only.
    held = np.diff(frames, append=frames[-1] + 1)
    tube = Tube(frames[0], np.repeat(np.array(boxes, float), held, axis=0))
    return Track(tube, float(sum(masses)))
