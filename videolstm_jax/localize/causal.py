"""The tube of a stream: one box a frame, from the attention up to this frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.boxes import propose_boxes
from videolstm_jax.localize.linking import next_box
from videolstm_jax.localize.saliency import (
    PAPER_SETTINGS,
    check_attention_for_boxes,
    scale_saliency_to_255,
    upscale_saliency_maps,
)
from videolstm_jax.localize.smooth import keep_boxes_in_frame, smooth_tube
from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class Trail(NamedTuple):
    """The state that the next box depends on; it does not grow with the stream.

    `boxes` [n, 4] are the last unsmoothed boxes, at most `span` of them; `peak` is the largest
    saliency, before scaling, of the last frame or of all frames so far, see `follow_causal_tube`.
    """

    boxes: NDArray
    peak: float = 0.0


START = Trail(np.zeros((0, 4)))
"""The state before the first frame."""


def follow_causal_tube(
    trail: Trail,
    attention: NDArray,
    size: tuple[int, int],
    *,
    settings: LocalizeConfig = PAPER_SETTINGS,
    fit: str = "squash",
) -> tuple[Trail, NDArray | None]:
    """Takes one step of `tubes.video_tube` with `settings.causal`: the same boxes frame by frame.

    Args:
      trail: the state after the frame before; `START` on the first frame.
      attention: [N, N] of this frame.
      size: H, W of the video in pixels.
      settings: how boxes are made. With `normalise` "video", the largest saliency so far becomes
        255. `causal` and `tubes` are not used: a stream is always causal and has one tube.
      fit: the setting `data.fit`.

    Returns:
      The next state, and the smoothed box [4] inside the frame; None as long as no frame had a
      box.

    Raises:
      ValueError: the attention is not finite [N, N], or it is negative.
    """
    # The steps are those of `tubes.video_tube`, in the same order and on the same functions, so
    # that the boxes agree to the last bit.
    frame = upscale_saliency_maps(
        check_attention_for_boxes(attention[None]), size, settings.sigma, fit
    )[0]
    peak = frame.max()
    if settings.normalise == "video":
        peak = max(trail.peak, peak)
    last = None
    if len(trail.boxes):
        last = trail.boxes[-1]
    boxes, mass = propose_boxes(scale_saliency_to_255(frame, peak), settings)
    box = next_box(boxes, mass, last)
    # The peak is kept although there is no box yet: it scales the frames that follow.
    if box is None:
        return Trail(trail.boxes, peak), None
    # The next fit uses no more than `span` boxes, and the next link needs one.
    recent = np.concatenate([trail.boxes, box[None]])[-max(settings.span, 1) :]
    smoothed = keep_boxes_in_frame(smooth_tube(Tube(0, recent), settings.span), size, fit)
    return Trail(recent, peak), smoothed.boxes[-1]
