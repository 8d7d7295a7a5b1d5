"""From the attention of one video to its smoothed tubes, Eqs. (16)-(17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.boxes import propose_boxes
from videolstm_jax.localize.linking import Track, link, link_all
from videolstm_jax.localize.saliency import (
    PAPER_SETTINGS,
    check_attention_for_boxes,
    saliency_frames,
)
from videolstm_jax.localize.smooth import keep_boxes_in_frame, smooth_tube
from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


def video_tube(
    attention: NDArray,
    size: tuple[int, int],
    frames: int,
    *,
    settings: LocalizeConfig = PAPER_SETTINGS,
    fit: str = "squash",
) -> Tube:
    """Makes one smoothed tube that covers all frames of a video, Eqs. (16)-(17).

    The attention of L frames is made from L - 1 flow images, so a video may have one map fewer
    than frames: the last box is repeated until the tube covers all of them.

    Args:
      attention: [L', N, N], L' at most `frames`.
      size: H, W of the video in pixels.
      frames: L.
      settings: how boxes are made; the paper's where not given. `tubes` is not used. With
        `causal`, frames before the first box hold that box, where a stream has none yet.
      fit: the setting `data.fit` of the frames that the attention was made from. Attention on
        padding makes no box; with `crop` boxes lie within the crop.

    Returns:
      A tube of L boxes inside the frame.

    Raises:
      ValueError: the attention is not finite [L', N, N], negative, longer than the video, or zero
        everywhere.
    """
    attention = _check_video(attention, frames)
    # Eq. (16) on every frame, then Eq. (17), then the regression of Sec. 4.
    boxes, mass = _propose(attention, size, settings, fit)
    if not sum(map(len, boxes)):
        raise ValueError(f"all attention of {len(attention)} maps lies beside the frame")
    linked = link(boxes, mass).boxes
    # `link` fills the frames before the first box with copies of it. A stream does not have these
    # copies, so they must not take part in the causal fit.
    lead = 0
    if settings.causal:
        while not len(boxes[lead]):
            lead += 1
    fitted = smooth_tube(Tube(lead, linked[lead:]), settings.span, causal=settings.causal).boxes
    smoothed = np.concatenate([np.repeat(fitted[:1], lead, axis=0), fitted])
    return keep_boxes_in_frame(repeat_last_box(Tube(0, smoothed), frames), size, fit)


def video_tracks(
    attention: NDArray,
    size: tuple[int, int],
    frames: int,
    *,
    settings: LocalizeConfig = PAPER_SETTINGS,
    fit: str = "squash",
) -> list[Track]:
    """Makes as many tubes of one video as `settings.tubes` asks for.

    Args:
      attention: [L', N, N], L' at most `frames`.
      size: H, W of the video in pixels.
      frames: L.
      settings: how boxes are made. `tubes` 1 gives `video_tube` with mass 1; n the n heaviest of
        all linked regions; 0 all of them.
      fit: as `video_tube`.

    Returns:
      Smoothed tubes inside the frame, the heaviest first.

    Raises:
      ValueError: as `video_tube`, or no map has a region at or above `settings.theta`.
    """
    if settings.tubes == 1:
        return [Track(video_tube(attention, size, frames, settings=settings, fit=fit), 1.0)]
    attention = _check_video(attention, frames)
    tracks = link_all(*_propose(attention, size, settings, fit))
    if not tracks:
        raise ValueError(
            f"none of {len(attention)} maps has a region at or above theta, {settings.theta}; "
            "expected one"
        )
    finished = []
    for track in tracks[: settings.tubes or None]:  # 0 stands for all
        tube = smooth_tube(track.tube, settings.span, causal=settings.causal)
        # A region on the last map lasts to the end of the video, which may be a frame later.
        if tube.start + len(tube.boxes) == len(attention):
            tube = repeat_last_box(tube, frames)
        finished.append(Track(keep_boxes_in_frame(tube, size, fit), track.mass))
    return finished


def repeat_last_box(tube: Tube, frames: int) -> Tube:
    """Repeats the last box of a tube until it ends with the last frame of the video."""
    missing = max(0, frames - tube.start - len(tube.boxes))
    copies = np.repeat(tube.boxes[-1:], missing, axis=0)
    return Tube(tube.start, np.concatenate([tube.boxes, copies]))


def _propose(
    attention: NDArray, size: tuple[int, int], settings: LocalizeConfig, fit: str
) -> tuple[list[NDArray], list[NDArray]]:
    """Returns the boxes [n_t, 4] and the masses [n_t] of every frame."""
    boxes, mass = [], []
    for frame in saliency_frames(attention, size, settings, fit):
        frame_boxes, frame_mass = propose_boxes(frame, settings)
        boxes.append(frame_boxes)
        mass.append(frame_mass)
    return boxes, mass


def _check_video(attention: NDArray, frames: int) -> NDArray:
    """Returns the attention of one video as an array; refuses what `video_tube` refuses."""
    attention = check_attention_for_boxes(attention)
    maps = len(attention)
    if maps > frames:
        raise ValueError(f"attention has {maps} maps for {frames} frames; expected at most as many")
    if not attention.any():
        raise ValueError(f"all {maps} attention maps are zero; expected at least one that is not")
    return attention
