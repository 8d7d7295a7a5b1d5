"""Cross-entropy and accuracy of frames, and the entropy of attention maps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from videolstm_jax.types import Array


def sequence_xent(
    logits: Array,
    label: Array,
    mask: Array,
    weight: Array,
    *,
    class_weights: Array | None = None,
) -> Array:
    """Cross-entropy of every frame, summed over time, mean over the batch (Sec. 5.2).

    Args:
      logits: [B, T, C].
      label: [B], the class of the whole clip.
      mask: [B, T], true where the frame exists; the others are left out of the sum.
      weight: [B], 0 for rows that only fill the batch.
      class_weights: [C] factors of the loss of each class; None is 1 for all.

    Returns:
      A float32 scalar; 0 for a batch without weight.
    """
    frames = jnp.where(mask, _xent(logits, label[:, None]), 0.0)
    return _mean(_weighted(frames.sum(axis=1), label, class_weights), weight)


def frame_xent(
    logits: Array, label: Array, weight: Array, class_weights: Array | None = None
) -> Array:
    """Cross-entropy of single frames, mean over the batch: the loss of the backbones.

    Args:
      logits: [B, C].
      label: [B].
      weight: [B], 0 for rows that only fill the batch.
      class_weights: [C] factors of the loss of each class; None is 1 for all.
    """
    return _mean(_weighted(_xent(logits, label), label, class_weights), weight)


def training_frame_accuracy(logits: Array, label: Array, mask: Array, weight: Array) -> Array:
    """The share of existing frames whose highest logit is the class of the clip.

    Args:
      logits: [B, T, C].
      label: [B], the class of the whole clip.
      mask: [B, T], true where the frame exists.
      weight: [B], 0 for rows that only fill the batch.

    Returns:
      A float32 scalar in [0, 1]; 0 for a batch without weight.
    """
    right = (jnp.argmax(logits, axis=-1) == label[:, None]).astype(jnp.float32)
    # Over frames and not over clips: a frame counts the same in a short clip.
    return _mean(right, mask.astype(jnp.float32) * weight.astype(jnp.float32)[:, None])


def sequence_entropy(attention: Array, mask: Array, weight: Array) -> Array:
    """Entropy of attention over its largest value, log N^2, summed over time, mean over the batch.

    Args:
      attention: [B, T, N, N], each map sums to 1.
      mask: [B, T], true where the frame exists; the others are left out of the sum.
      weight: [B], 0 for rows that only fill the batch.

    Returns:
      A float32 scalar in [0, T]: 0 where all attention is on one cell.
    """
    # In float32: with half of its digits, small shares would be lost from the sum.
    share = attention.astype(jnp.float32).reshape(*attention.shape[:2], -1)
    # The bound keeps the gradient finite where a share is zero; a map of one place has entropy 0.
    entropy = -jnp.sum(share * jnp.log(jnp.maximum(share, 1e-30)), axis=-1)
    entropy = entropy / math.log(max(share.shape[-1], 2))
    return _mean(jnp.where(mask, entropy, 0.0).sum(axis=1), weight)


def _xent(logits: Array, label: Array) -> Array:
    # Whatever the model computes in; the sum of exponentials needs the range.
    logits = logits.astype(jnp.float32)
    # The one label of a clip is broadcast to all of its frames.
    one_hot = jax.nn.one_hot(label, logits.shape[-1], dtype=jnp.float32)
    return -jnp.sum(jnp.broadcast_to(one_hot, logits.shape) * jax.nn.log_softmax(logits), axis=-1)


def _weighted(losses: Array, label: Array, class_weights: Array | None) -> Array:
    """The losses [B] times the weights of their classes.

    The mean is still over the examples and not over their weights: then its expectation is the
    weighted loss of the whole list, whichever classes a batch happens to have.
    """
    if class_weights is None:
        return losses
    return losses * jnp.asarray(class_weights)[label]


def _mean(values: Array, weight: Array) -> Array:
    weight = weight.astype(jnp.float32)
    total = weight.sum()
    # A batch without weight gives 0, and no division by 0.
    return jnp.sum(values * weight) / jnp.where(total > 0, total, 1.0)
