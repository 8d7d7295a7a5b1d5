"""The tube of a stream: one box a frame, from the attention seen so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.localize.saliency import checked_attention, scaled, upscaled
from videolstm_jax.localize.smooth import inside, smooth
from videolstm_jax.localize.tubes import linked_box, proposals
from videolstm_jax.types import Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class Trail(NamedTuple):
    """All that the next box needs to know: the last unsmoothed boxes [n, 4], n at most span, and
    the peak so far.
    """

    boxes: NDArray
    peak: float = 0.0


START = Trail(np.zeros((0, 4)))
"""Before the first frame."""


def follow(
    trail: Trail,
    attention: NDArray,
    size: tuple[int, int],
    *,
    sigma: float = 20.0,
    theta: float = 100.0,
    normalise: str = "frame",
    span: int = 15,
    box: str = "region",
) -> tuple[Trail, NDArray | None]:
    """One step of `tubes.video_tube` with `causal`: frame by frame the same boxes, in memory that
    does not grow.

    Args:
      trail: what the frames before left, `START` on the first.
      attention: [N, N] of this frame.
      size: H, W of the video in pixels.
      sigma: of the Gaussian, see `saliency`.
      theta: the threshold on saliency.
      normalise: `frame`, or `video`: by the largest saliency so far.
      span: of the smoothing, see `smooth`.
      box: `region` or `moments`.

    Returns:
      The trail, and the smoothed box [4] inside the frame, or None as long as nothing was salient.

    Raises:
      ValueError: as `video_tube`.
    """
    if normalise not in ("frame", "video"):
        raise ValueError(f"normalise is {normalise!r}; expected 'frame' or 'video'")
    one = upscaled(checked_attention(attention[None]), size, sigma=sigma)[0]
    peak = one.max() if normalise == "frame" else max(trail.peak, one.max())
    last = linked_box(
        *proposals(scaled(one, peak), box, theta), trail.boxes[-1] if len(trail.boxes) else None
    )
    if last is None:
        return Trail(trail.boxes, peak), None
    boxes = np.concatenate([trail.boxes, last[None]])[-max(span, 1) :]
    return Trail(boxes, peak), inside(smooth(Tube(0, boxes), span), size).boxes[-1]
