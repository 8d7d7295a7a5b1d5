"""The optimizers of the recurrent models (Sec. 5.2) and of the backbones."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import jax
import optax

if TYPE_CHECKING:
    from videolstm_jax.config import ConvNetConfig, OptimConfig
    from videolstm_jax.types import PyTree


def rmsprop(cfg: OptimConfig) -> optax.GradientTransformation:
    """RMSprop of Sec. 5.2, learning rate 1e-3 and decay .9.

    As in the authors' code: r = decay r + (1 - decay) g^2 from r = 0, then
    w -= lr g / sqrt(r + eps); no momentum.
    """
    return optax.rmsprop(cfg.learning_rate, decay=cfg.decay, eps=cfg.eps)


def optimizer(cfg: OptimConfig, steps: int) -> optax.GradientTransformation:
    """The configured optimizer of a recurrent model that trains for `steps` updates.

    Weight decay is decoupled from the gradient and leaves biases alone.
    """
    is_plain = not cfg.clip and not cfg.weight_decay and cfg.schedule == "constant"
    # The paper's optimizer is the function above and nothing else, in its checkpoints too.
    if cfg.name == "rmsprop" and is_plain:
        return rmsprop(cfg)
    rules = {
        "rmsprop": optax.scale_by_rms(decay=cfg.decay, eps=cfg.eps),
        "adam": optax.scale_by_adam(),
    }
    rule = rules[cfg.name]
    rates = {
        "constant": cfg.learning_rate,
        "cosine": optax.cosine_decay_schedule(cfg.learning_rate, steps),
    }
    # The gradient is clipped before the rule sees it. Decay follows the rule: it is decoupled.
    transforms = [rule]
    if cfg.clip:
        transforms.insert(0, optax.clip_by_global_norm(cfg.clip))
    if cfg.weight_decay:
        transforms.append(_decay(cfg.weight_decay))
    transforms.append(optax.scale_by_learning_rate(rates[cfg.schedule]))
    return _with_standard_promotion(optax.chain(*transforms))


def optimizer_with_block_rate(
    tx: optax.GradientTransformation, factor: float
) -> optax.GradientTransformation:
    """The same for `JointParams`, with another learning rate of their block.

    Args:
      tx: of the cell.
      factor: of the block's learning rate over that of the cell; decay is scaled with it.
    """

    # The updates are scaled, not the gradients: RMSprop and Adam would divide the factor out.
    def update(
        updates: PyTree, state: PyTree, params: PyTree | None = None
    ) -> tuple[PyTree, PyTree]:
        updates, state = tx.update(updates, state, params)
        block = jax.tree.map(lambda leaf: factor * leaf, updates.block)
        return updates._replace(block=block), state

    return optax.GradientTransformation(tx.init, update)


def optimizer_of_convnet(cfg: ConvNetConfig) -> optax.GradientTransformation:
    """SGD with momentum .9 and L2 decay, as VGG was trained, or Adam with decoupled decay.

    Layers that `train_layers` freezes stay as they are.
    """
    # Two falls by ten, after 40 and 80 % of the steps.
    falls = {round(0.4 * cfg.steps): 0.1, round(0.8 * cfg.steps): 0.1}
    rates = {
        "cosine": optax.cosine_decay_schedule(cfg.learning_rate, cfg.steps),
        "steps": optax.piecewise_constant_schedule(cfg.learning_rate, falls),
        "constant": optax.constant_schedule(cfg.learning_rate),
    }
    decay = []
    if cfg.weight_decay:
        decay = [_decay(cfg.weight_decay)]
    # Decay before the momentum is L2 decay; after Adam's scaling it is decoupled.
    rules = {
        "adam": [optax.scale_by_adam(), *decay],
        "sgd": [*decay, optax.trace(decay=0.9)],
    }
    rate = optax.scale_by_learning_rate(rates[cfg.schedule])
    tx = optax.chain(*rules[cfg.optimizer], rate)
    if cfg.train_layers == "all":
        return _with_standard_promotion(tx)

    def frozen(params: PyTree) -> PyTree:
        labels = {}
        for layer, leaves in params.items():
            labels[layer] = jax.tree.map(
                lambda _, layer=layer: is_frozen_in_training(cfg, layer), leaves
            )
        return labels

    return _with_standard_promotion(optax.partition({True: optax.set_to_zero(), False: tx}, frozen))


def is_frozen_in_training(cfg: ConvNetConfig, layer: str) -> bool:
    """Whether a layer of a backbone, such as `block1_conv1` or `fc1`, is not trained."""
    if cfg.train_layers == "all":
        return False
    if cfg.train_layers == "last":
        return layer != "logits"
    block = _block_of(layer)
    if cfg.train_layers == "dense":
        return block < math.inf
    # `train_layers` names the first block that is trained, such as `block5`.
    return block < _block_of(cfg.train_layers)


def _block_of(layer: str) -> float:
    """The block of a layer: 0 for a stem before the first block, infinity behind the last one."""
    match = re.match(r"block(\d+)", layer)
    if match:
        return int(match[1])
    return 0 if layer == "stem" else math.inf


def _with_standard_promotion(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same under standard promotion, also where the caller made JAX strict.

    Optax mixes its integer count of steps with floats, which strict promotion refuses.
    """

    def update(
        updates: PyTree, state: PyTree, params: PyTree | None = None
    ) -> tuple[PyTree, PyTree]:
        with jax.numpy_dtype_promotion("standard"):
            return tx.update(updates, state, params)

    return optax.GradientTransformation(tx.init, update)


def _decay(weight: float) -> optax.GradientTransformation:
    return optax.add_decayed_weights(weight, mask=_kernels)


def _kernels(params: PyTree) -> PyTree:
    """True for the arrays that decay: biases and scales have one axis."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)
