"""From the logits of frames to the score of a video (Sec. 5.2)."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the class probabilities [.., C] of logits [.., C], in float64."""
    logits = np.asarray(logits, np.float64)
    # Subtracting the maximum changes nothing in the result and keeps exp finite.
    power = np.exp(logits - logits.max(-1, keepdims=True))
    return power / power.sum(-1, keepdims=True)


def video_scores(
    logits: np.ndarray, mask: np.ndarray, *, counts: np.ndarray | None = None
) -> np.ndarray:
    """Computes video scores: softmax by frame, sum over a segment, mean over segments (Sec. 5.2).

    Args:
      logits: [S, T, C].
      mask: [S, T], true where the frame exists; the others are left out.
      counts: [S], the number of equal segments that each row stands for; one each by default.

    Returns:
      Scores [C], scaled to sum to 1.

    Raises:
      ValueError: logits that are not finite where the mask is true, or no frame at all.
    """
    logits = np.asarray(logits, np.float64)
    mask = np.asarray(mask, bool)
    if logits.ndim != 3 or mask.shape != logits.shape[:2] or not mask.any():
        raise ValueError(
            f"logits {list(logits.shape)} with mask {list(mask.shape)}, {mask.sum()} frames; "
            "expected [S, T, C], [S, T] and at least one frame"
        )
    if not np.isfinite(logits[mask]).all():
        raise ValueError("logits are not finite")
    exists = mask[..., None]
    if counts is None:
        counts = np.ones(len(logits))
    weights = np.asarray(counts, float)
    # Masked logits may be anything, NaN too, so they are replaced before the softmax.
    probabilities = softmax(np.where(exists, logits, 0.0)) * exists
    # Sums over frames and segments at once. The mean over segments is a common factor, which the
    # division by the sum takes out again.
    total = np.einsum("stc,s->c", probabilities, weights)
    return total / total.sum()
