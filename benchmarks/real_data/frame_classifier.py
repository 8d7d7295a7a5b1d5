"""The layer of the classes over frozen features of single frames: the row ConvNet of a table.

It is what `fit_convnet` trains of a frozen network with the preset `small`, on features that are
stored, so that no frame passes the network twice. Mirrored and shifted frames are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from videolstm_jax.core.head import dropout
from videolstm_jax.core.ops import total
from videolstm_jax.measure.scores import softmax
from videolstm_jax.presets import configured
from videolstm_jax.train.losses import frame_xent
from videolstm_jax.train.optim import optimizer_of_convnet
from videolstm_jax.types import PyTree


def fit(frames: Sequence[np.ndarray], label: np.ndarray, *, seed: int) -> PyTree:
    """Trains on random frames of random videos.

    Args:
      frames: of each video its features [L', D].
      label: [V] classes, 0 to C - 1.
      seed: of the draws and of dropout.

    Returns:
      {"logits": {"kernel": [D, C], "bias": [C]}}, as the network's own last layer.
    """
    cfg = configured("small").convnet
    depth, classes = frames[0].shape[1], int(label.max()) + 1
    params = {"logits": {"kernel": jnp.zeros((depth, classes)), "bias": jnp.zeros(classes)}}
    optimizer = optimizer_of_convnet(cfg)
    state = optimizer.init(params)
    generator = np.random.default_rng(seed)
    label = label.astype(np.int32)

    @jax.jit
    def step(params, state, values, targets, key):
        def loss(params):
            layer = params["logits"]
            product = dropout(key, cfg.dropout, values) @ layer["kernel"]
            return frame_xent(total(layer["bias"], product), targets, jnp.ones(cfg.batch))

        updates, state = optimizer.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    for number in range(cfg.steps):
        videos = generator.integers(len(frames), size=cfg.batch)
        values = [frames[video][generator.integers(len(frames[video]))] for video in videos]
        key = jax.random.fold_in(jax.random.key(seed), number)
        params, state = step(params, state, np.stack(values), label[videos], key)
    return params


def video_scores(params: PyTree, frames: np.ndarray) -> np.ndarray:
    """The mean class probabilities [C] of all frames [L', D] of a video."""
    layer = jax.device_get(params["logits"])
    return softmax(frames @ layer["kernel"] + layer["bias"]).mean(0)
