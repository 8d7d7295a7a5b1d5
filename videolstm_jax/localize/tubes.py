"""Tubes: one box a frame, linked over the video, Eq. (17)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.localize.boxes import frame_boxes, moment_box
from videolstm_jax.localize.saliency import checked_attention, scaled, upscaled
from videolstm_jax.localize.smooth import inside, smooth
from videolstm_jax.types import Detection, Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


def link(boxes: Sequence[NDArray], mass: Sequence[NDArray]) -> Tube:
    """One box a frame: that which overlaps the last box most, Eq. (17).

    The first frame with boxes takes the one of the largest mass, and so does every frame where
    several overlap the last (unsmoothed) box equally, not at all included; after that the first
    listed. A frame without boxes holds the last box; frames before the first box hold that one.

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
    for candidates, weight in zip(boxes, mass, strict=True):
        last = linked_box(candidates, weight, last)
        if last is not None:
            linked.append(last)
    if not linked:
        raise ValueError(f"none of {len(boxes)} frames has a box; expected at least one")
    return Tube(0, np.array([linked[0]] * (len(boxes) - len(linked)) + linked, float))


def linked_box(boxes: NDArray, mass: NDArray, last: NDArray | None) -> NDArray | None:
    """The next box of a tube that has come to `last` (None where it has none yet), see `link`."""
    if not len(boxes):
        return last
    overlap = np.zeros(len(boxes)) if last is None else overlaps(boxes, last)
    return boxes[np.lexsort((-np.asarray(mass), -overlap))[0]]


def overlaps(boxes: NDArray, last: NDArray) -> NDArray:
    """[n] the IoU of boxes [n, 4] with the last one [4]."""
    side = np.maximum(0, np.minimum(boxes[:, 2:], last[2:]) - np.maximum(boxes[:, :2], last[:2]))
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    shared = side[:, 0] * side[:, 1]
    return shared / (area + (last[2] - last[0]) * (last[3] - last[1]) - shared)


def video_tube(
    attention: NDArray,
    size: tuple[int, int],
    frames: int,
    *,
    sigma: float = 20.0,
    theta: float = 100.0,
    normalise: str = "frame",
    span: int = 15,
    box: str = "region",
    causal: bool = False,
) -> Tube:
    """The whole way from the attention of one video to its smoothed tube, Eqs. (16)-(17).

    The attention of N frames is made from N - 1 flows, so a video has one map fewer than frames:
    the last box is repeated until the tube covers all of them.

    Args:
      attention: [L', N, N], L' at most `frames`.
      size: H, W of the video in pixels.
      frames: L.
      sigma: of the Gaussian, see `saliency`.
      theta: the threshold on saliency.
      normalise: `frame` or `video`, see `saliency`.
      span: of the smoothing, see `smooth`.
      box: `region`: around what passes theta, see `frame_boxes`; `moments`: see `moment_box`, theta
        is not used.
      causal: no box knows of later frames, as `causal.follow` makes them: smoothing looks back
        only, and `video` takes the maximum so far. Frames before the first box, where a stream has
        none yet, hold that one.

    Returns:
      A tube of L boxes inside the frame.

    Raises:
      ValueError: attention that is not finite [L', N, N], negative, longer than the video or zero
        everywhere, or an unknown `box`.
    """
    attention = checked_video(attention, frames)
    found = [
        proposals(one, box, theta) for one in saliencies(attention, size, sigma, normalise, causal)
    ]
    boxes = link([boxes for boxes, _ in found], [mass for _, mass in found]).boxes
    lead = (
        next(t for t, (some, _) in enumerate(found) if len(some)) if causal else 0
    )  # copies that no stream has seen
    boxes = smooth(Tube(lead, boxes[lead:]), span, causal=causal).boxes
    boxes = np.concatenate([np.repeat(boxes[:1], lead, axis=0), boxes])
    return inside(repeat_last(Tube(0, boxes), frames), size)


def checked_video(attention: NDArray, frames: int) -> NDArray:
    """The attention of one video as an array.

    Raises:
      ValueError: it is not finite [L', N, N], negative, longer than the video or zero everywhere.
    """
    attention = checked_attention(attention)
    if len(attention) > frames:
        raise ValueError(
            f"attention has {len(attention)} maps for {frames} frames; expected at most as many"
        )
    if not attention.any():
        raise ValueError(
            f"all {len(attention)} attention maps are zero; expected at least one that is not"
        )
    return attention


def proposals(saliency: NDArray, box: str, theta: float) -> tuple[NDArray, NDArray]:
    """Boxes [n, 4] and mass [n] of one frame, by `region` or `moments`, see `video_tube`."""
    if box not in ("region", "moments"):
        raise ValueError(f"box is {box!r}; expected 'region' or 'moments'")
    return moment_box(saliency) if box == "moments" else frame_boxes(saliency, theta)


def saliencies(
    attention: NDArray, size: tuple[int, int], sigma: float, normalise: str, causal: bool
) -> Iterator[NDArray]:
    """`saliency` frame by frame, so that a long video never lies in memory at full size."""
    whole = peaks(attention, size, sigma, normalise, causal)
    for t in range(len(attention)):
        yield saliency_at(attention, t, size, sigma, whole)


def peaks(
    attention: NDArray, size: tuple[int, int], sigma: float, normalise: str, causal: bool
) -> NDArray | None:
    """[L'] what becomes 255 on each frame with `video`: the largest value of all, or so far; None
    with `frame`.
    """
    if normalise not in ("frame", "video"):
        raise ValueError(f"normalise is {normalise!r}; expected 'frame' or 'video'")
    if normalise == "frame":
        return None
    each = np.array([upscaled(one[None], size, sigma=sigma).max() for one in attention])
    return np.maximum.accumulate(each) if causal else np.full(len(each), each.max())


def saliency_at(
    attention: NDArray, t: int, size: tuple[int, int], sigma: float, whole: NDArray | None
) -> NDArray:
    """The saliency [H, W] of frame t, given the `peaks` of all."""
    one = upscaled(attention[t : t + 1], size, sigma=sigma)[0]
    return scaled(one, one.max() if whole is None else whole[t])


def repeat_last(tube: Tube, frames: int) -> Tube:
    """The tube with its last box repeated until it ends with the video's last frame."""
    missing = max(0, frames - tube.start - len(tube.boxes))
    return Tube(
        tube.start, np.concatenate([tube.boxes, np.repeat(tube.boxes[-1:], missing, axis=0)])
    )


def detections(video: str, tube: Tube, scores: NDArray) -> list[Detection]:
    """One tube with the score of every class (Sec. 5.2).

    Args:
      video: its name.
      tube: of the whole video.
      scores: [C], or [L', C] frame scores, whose mean over the video is taken.
    """
    mean = np.asarray(scores, float)
    mean = mean.mean(axis=0) if mean.ndim == 2 else mean
    return [Detection(video, label, float(score), tube) for label, score in enumerate(mean)]
