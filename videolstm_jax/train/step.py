"""One update: gradient, optimizer, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import optax

from videolstm_jax.train.losses import (
    frame_xent,
    sequence_entropy,
    sequence_xent,
    training_frame_accuracy,
)
from videolstm_jax.train.mesh import batched_sharding, replicated_sharding
from videolstm_jax.train.numerics.finite import first_not_finite, state_unless_not_finite
from videolstm_jax.train.state import Metrics
from videolstm_jax.train.virtual_shards import sharded_loss_gradient
from videolstm_jax.types import TrainState

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from videolstm_jax.types import Array, Batch, PyTree

LossFn = Callable[["PyTree", Any, "Array"], tuple["Array", "Array"]]
StepFn = Callable[["TrainState", Any], tuple["TrainState", Metrics]]


def make_step(
    loss_fn: LossFn,
    tx: optax.GradientTransformation,
    seed: int,
    *,
    mesh: Mesh | None = None,
    shards: int = 0,
) -> StepFn:
    """The jitted update, the same for recurrent models and backbones.

    The state is donated: the one passed in is gone afterwards. Where the loss, the gradient or the
    update is not finite, parameters and optimizer stay as they were, and the metrics say so.

    Args:
      loss_fn: (params, batch, key) -> (loss, accuracy), scalars.
      tx: turns gradients into updates.
      seed: of the dropout masks.
      mesh: spreads the batch over its devices, the state on each; None leaves everything where it
        is.
      shards: parts of a batch whose gradients are added in their order, see
        `sharded_loss_gradient`; 0 for none. They need a mesh.
    """
    loss_and_gradient = jax.value_and_grad(loss_fn, has_aux=True)
    if shards and mesh is not None:
        loss_and_gradient = sharded_loss_gradient(loss_fn, mesh, shards)

    def step(state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        # The key depends on seed and step alone, so that a continued training repeats itself.
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        (loss, accuracy), gradient = loss_and_gradient(state.params, batch, key)
        updates, opt_state = tx.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        # Of the gradient itself and not of the update, so that a blow-up shows before clipping
        # hides it.
        norm = optax.tree.norm(gradient)
        after = TrainState(state.step + 1, params, opt_state)
        # Every device has the whole gradient by now, so all of them decide alike.
        not_finite = first_not_finite(loss, accuracy, gradient, norm, after)
        metrics = Metrics(loss, accuracy, norm, not_finite)
        return state_unless_not_finite(not_finite, state, after), metrics

    if mesh is None:
        return jax.jit(step, donate_argnums=0)
    shardings = {
        "in_shardings": (replicated_sharding(mesh), batched_sharding(mesh)),
        "out_shardings": replicated_sharding(mesh),
    }
    return jax.jit(step, donate_argnums=0, **shardings)


def model_loss(
    apply: Callable, *, attention_entropy: float = 0.0, class_weights: Array | None = None
) -> LossFn:
    """The loss of a recurrent model: `sequence_xent` of its logits (Sec. 5.2).

    Args:
      apply: `apply(params, clip, dropout_key=key) -> Output`.
      attention_entropy: weight of `sequence_entropy`, which is subtracted from the loss of cells
        that attend. Attention that leaves places out then costs something, and stays sharp only
        where that separates the classes.
      class_weights: [C] factors of the loss of each class; None is 1 for all.
    """

    def loss_fn(params: PyTree, batch: Batch, key: Array) -> tuple[Array, Array]:
        output = apply(params, batch.clip, dropout_key=key)
        mask, weight = batch.clip.mask, batch.weight
        loss = sequence_xent(output.logits, batch.label, mask, weight, class_weights=class_weights)
        # At weight 0 the paper's loss is computed and nothing else.
        if attention_entropy and output.attention is not None:
            loss -= attention_entropy * sequence_entropy(output.attention, mask, weight)
        return loss, training_frame_accuracy(output.logits, batch.label, mask, weight)

    return loss_fn


def convnet_loss(apply: Callable, *, class_weights: Array | None = None) -> LossFn:
    """The loss of a backbone: `frame_xent` of single frames.

    Args:
      apply: `apply(params, image, dropout_key=key) -> {layer: array}`, for a batch of `image`
        [B, S, S, ch] and `label` [B].
      class_weights: [C] factors of the loss of each class; None is 1 for all.
    """

    def loss_fn(params: PyTree, batch: tuple[Array, Array], key: Array) -> tuple[Array, Array]:
        image, label = batch
        logits = apply(params, image, dropout_key=key)["logits"]
        weight = jnp.ones(label.shape)
        # The accuracy of clips of one frame, every one of which exists.
        accuracy = training_frame_accuracy(logits[:, None], label, weight[:, None], weight)
        return frame_xent(logits, label, weight, class_weights), accuracy

    return loss_fn
