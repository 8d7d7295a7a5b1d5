"""The optimizers of the recurrent models (Sec. 5.2) and of the ConvNets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import optax

if TYPE_CHECKING:
    from videolstm_jax.config import ConvNetConfig, OptimConfig
    from videolstm_jax.types import PyTree


def rmsprop(cfg: OptimConfig) -> optax.GradientTransformation:
    """RMSprop of Sec. 5.2, learning rate 1e-3 and decay .9.

    As the authors' code: r = decay r + (1 - decay) g^2 from r = 0, then w -= lr g / sqrt(r + eps);
    no momentum.
    """
    return optax.rmsprop(cfg.learning_rate, decay=cfg.decay, eps=cfg.eps)


def optimizer(cfg: OptimConfig, steps: int) -> optax.GradientTransformation:
    """The configured optimizer of a recurrent model that trains for `steps` updates.

    Without clipping, weight decay and schedule, `rmsprop` is the function above and nothing else.
    Weight decay is decoupled from the gradient and leaves biases alone.
    """
    rule = {
        "rmsprop": optax.scale_by_rms(decay=cfg.decay, eps=cfg.eps),
        "adam": optax.scale_by_adam(),
    }[cfg.name]
    if (
        cfg.name == "rmsprop"
        and not cfg.clip
        and not cfg.weight_decay
        and cfg.schedule == "constant"
    ):
        return rmsprop(cfg)
    clip = [optax.clip_by_global_norm(cfg.clip)] if cfg.clip else []
    decay = [_decay(cfg.weight_decay)] if cfg.weight_decay else []
    return _promoting(
        optax.chain(*clip, rule, *decay, optax.scale_by_learning_rate(_schedule(cfg, steps)))
    )


def convnet_optimizer(cfg: ConvNetConfig) -> optax.GradientTransformation:
    """SGD with momentum .9 and L2 decay as VGG was trained, or Adam with decoupled decay; frozen
    layers stay.
    """
    rate = {
        "cosine": optax.cosine_decay_schedule(cfg.learning_rate, cfg.steps),
        "steps": optax.piecewise_constant_schedule(
            cfg.learning_rate, {round(0.4 * cfg.steps): 0.1, round(0.8 * cfg.steps): 0.1}
        ),
        "constant": optax.constant_schedule(cfg.learning_rate),
    }[cfg.schedule]
    decay = [_decay(cfg.weight_decay)] if cfg.weight_decay else []
    rule = (
        [optax.scale_by_adam(), *decay]
        if cfg.optimizer == "adam"
        else [*decay, optax.trace(decay=0.9)]
    )
    tx = optax.chain(*rule, optax.scale_by_learning_rate(rate))
    if cfg.train_layers == "all":
        return _promoting(tx)
    return _promoting(
        optax.partition(
            {True: optax.set_to_zero(), False: tx},
            lambda params: {
                layer: jax.tree.map(lambda _, layer=layer: is_frozen(cfg, layer), leaves)
                for layer, leaves in params.items()
            },
        )
    )


def is_frozen(cfg: ConvNetConfig, layer: str) -> bool:
    """Whether the layer of the VGG, such as `block1_conv1` or `fc1`, stays as it is under
    `train_layers`.
    """
    return {"all": False, "dense": layer.startswith("block"), "last": layer != "logits"}[
        cfg.train_layers
    ]


def _schedule(cfg: OptimConfig, steps: int) -> optax.Schedule | float:
    return (
        optax.cosine_decay_schedule(cfg.learning_rate, steps)
        if cfg.schedule == "cosine"
        else cfg.learning_rate
    )


def _promoting(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same under standard promotion: optax mixes its integer count with floats, which strict
    promotion refuses.
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
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)
