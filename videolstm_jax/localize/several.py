"""Several tubes a video: every region is linked, where `tubes.link` follows one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.localize.boxes import frame_boxes
from videolstm_jax.localize.smooth import inside, smooth
from videolstm_jax.localize.tubes import (
    checked_video,
    detections,
    overlaps,
    repeat_last,
    saliencies,
)
from videolstm_jax.types import Detection, Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class Track(NamedTuple):
    """A `tube` and its `mass`, the summed saliency of the regions that it was linked from."""

    tube: Tube
    mass: float


def link_all(boxes: Sequence[NDArray], mass: Sequence[NDArray]) -> list[Track]:
    """Every box in a tube: Eq. (17) for as many tubes as it takes.

    On each frame, tubes that run and boxes that overlap them are paired in falling order of IoU; of
    equal pairs, the larger mass comes first, then the older tube, then the first listed box. A box
    that no tube takes starts one. A tube that takes no box holds its last, as in `tubes.link`,
    until it takes another, and ends with the last box it took: what it would hold after that is cut
    off.

    Args:
      boxes: for each of L frames [n_t, 4], n_t may be 0.
      mass: for each frame [n_t].

    Returns:
      Tubes by falling mass; of equal mass, the one that started first.
    """
    running: list[list[tuple[int, NDArray, float]]] = []
    for frame, (candidates, weight) in enumerate(zip(boxes, mass, strict=True)):
        taken = _pairs(
            np.array([track[-1][1] for track in running]).reshape(-1, 4), candidates, weight
        )
        for place, box in enumerate(candidates):
            step = (frame, box, float(weight[place]))
            if place in taken:
                running[taken[place]].append(step)
            else:
                running.append([step])
    return sorted(map(_held, running), key=lambda track: -track.mass)


def _pairs(last: NDArray, boxes: NDArray, mass: NDArray) -> dict[int, int]:
    """Which of the tubes that have come to `last` [m, 4] takes each of the boxes [n, 4]; boxes left
    over are absent.
    """
    if not len(last) or not len(boxes):
        return {}
    iou = np.array([overlaps(boxes, one) for one in last])
    tube, box = np.nonzero(iou > 0)
    order = np.lexsort((box, tube, -np.asarray(mass)[box], -iou[tube, box]))
    taken: dict[int, int] = {}
    for one, place in zip(tube[order].tolist(), box[order].tolist(), strict=True):
        if place not in taken and one not in taken.values():
            taken[place] = one
    return taken


def _held(steps: list[tuple[int, NDArray, float]]) -> Track:
    """One track from the frames on which it took a box; between them it holds the last."""
    frames = np.array([frame for frame, _, _ in steps])
    boxes = np.array([box for _, box, _ in steps], float)
    holding = np.diff(frames, append=frames[-1] + 1)
    return Track(
        Tube(int(frames[0]), np.repeat(boxes, holding, axis=0)),
        float(sum(mass for _, _, mass in steps)),
    )


def video_tracks(
    attention: NDArray,
    size: tuple[int, int],
    frames: int,
    *,
    sigma: float = 20.0,
    theta: float = 100.0,
    normalise: str = "frame",
    span: int = 15,
    causal: bool = False,
) -> list[Track]:
    """All tubes of one video, from the regions above theta; arguments and errors as
    `tubes.video_tube`.

    Returns:
      Smoothed tubes inside the frame, heaviest first. Where regions run on to the last map, the
      last box is repeated to the video's last frame.
    """
    attention = checked_video(attention, frames)
    found = [
        frame_boxes(one, theta) for one in saliencies(attention, size, sigma, normalise, causal)
    ]
    tracks = link_all([boxes for boxes, _ in found], [mass for _, mass in found])
    return [
        track._replace(tube=_finished(track.tube, len(attention), frames, span, size, causal))
        for track in tracks
    ]


def _finished(
    tube: Tube, maps: int, frames: int, span: int, size: tuple[int, int], causal: bool
) -> Tube:
    ends = tube.start + len(tube.boxes) == maps
    tube = smooth(tube, span, causal=causal)
    return inside(repeat_last(tube, frames) if ends else tube, size)


def weighted(video: str, tracks: Sequence[Track], scores: NDArray) -> list[Detection]:
    """All tubes with the score of every class, the heaviest first.

    A class's score is shared out among the tubes by their mass: how likely the class is, times the
    share of the salient mass that lies here. The scores of a class sum to what one tube a video
    would have, and the heaviest comes first.

    Args:
      video: its name.
      tracks: its tubes, heaviest first.
      scores: as `tubes.detections` takes them.
    """
    whole = sum(track.mass for track in tracks)
    return [
        one._replace(score=one.score * (track.mass / whole))
        for track in tracks
        for one in detections(video, track.tube, scores)
    ]
