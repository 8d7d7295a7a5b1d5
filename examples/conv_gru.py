"""A seventh cell, a convolutional GRU with attention, and a minute of training on moving blobs.

    python -m examples.conv_gru

docs/add_a_cell.md explains the cell line by line.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from videolstm_jax.config import ModelConfig
from videolstm_jax.core import Cell, Drive, Layers, attention, make_model, total, weigh
from videolstm_jax.core.params import attention_params, draw_cell_kernel
from videolstm_jax.types import AttentionParams, CellOut, Clip, Inputs


class GRUParams(NamedTuple):
    """Reset gate, update gate and candidate side by side: [k, k, D or K, 3K], and the bias [3K]."""

    x: jax.Array
    hidden: jax.Array
    bias: jax.Array


class ConvGRUParams(NamedTuple):
    """All that the cell learns."""

    gru: GRUParams
    attend: AttentionParams


def init(key, cfg):
    """The first parameters."""
    keys = jax.random.split(key, 3)
    window, outputs = (cfg.kernel, cfg.kernel), 3 * cfg.hidden
    gru = GRUParams(
        x=draw_cell_kernel(keys[0], (*window, cfg.depth, outputs), cfg, gates=3),
        hidden=draw_cell_kernel(keys[1], (*window, cfg.hidden, outputs), cfg, gates=3),
        bias=jnp.zeros(outputs),
    )
    return ConvGRUParams(gru, attention_params(keys[2], cfg))


def zeros(cfg, batch):
    """H_0, the carry before the first frame: the hidden map and nothing else."""
    return jnp.zeros((batch, cfg.map_size, cfg.map_size, cfg.hidden))


def drive(conv, params, inputs):
    """All frames at once: X_t, and its share W_xa * X_t of the attention, Eq. (7)."""
    return Drive(x=inputs.x, query=conv(params.attend.x, inputs.x))


def step(conv, params, hidden, drive):
    """One frame: the attention map, the weighted features, and one update of the hidden map."""
    a = attention(params.attend, drive.query, hidden)
    z = total(params.gru.bias, conv(params.gru.x, weigh(a, drive.x)))
    reset, update, candidate = jnp.split(z, 3, axis=-1)
    # The reset gate acts on the result of the convolution, so that one product serves all three.
    h = conv(params.gru.hidden, hidden).astype(hidden.dtype)
    h_reset, h_update, h_candidate = jnp.split(h, 3, axis=-1)
    reset = jax.nn.sigmoid(reset + h_reset)
    update = jax.nn.sigmoid(update + h_update)
    hidden = update * hidden + (1 - update) * jnp.tanh(candidate + reset * h_candidate)
    return hidden, CellOut(hidden, a[..., 0])


CELL = Cell(
    drive,
    step,
    init,
    Layers("pool5"),
    attends=True,
    zeros=zeros,
    states={"hidden": lambda hidden: hidden},
)


# ---- a small training, without videos ------------------------------------------------------------


def blobs(key, batch=16, frames=6, side=5, depth=4):
    """Clips of a blob that walks right (label 0) or left (label 1) over a noisy map."""
    place, label, noise = jax.random.split(key, 3)
    labels = jax.random.bernoulli(label, 0.5, (batch,)).astype(jnp.int32)
    # Blobs begin anywhere, so a single frame does not tell the label: only the order does.
    first = jax.random.randint(place, (batch, 2), 0, side)
    column = (first[:, 1:] + (1 - 2 * labels[:, None]) * jnp.arange(frames)[None]) % side
    blob = jax.nn.one_hot(first[:, :1], side)[..., None] * jax.nn.one_hot(column, side)[:, :, None]
    x = blob[..., None] + 0.1 * jax.random.normal(noise, (batch, frames, side, side, depth))
    return Clip(Inputs(x), jnp.ones((batch, frames), bool)), labels


def train(steps=60, *, report=print):
    """Trains the cell; returns the loss of every step."""
    cfg = ModelConfig(
        map_size=5,
        depth=4,
        hidden=8,
        attention=4,
        head=16,
        classes=2,
        dropout=0.0,
        # Attention over 25 places makes features 25 times smaller; this takes it back.
        attention_scale=25.0,
    )
    model = make_model(cfg, cell=CELL)
    tx = optax.adam(1e-2)
    params = jax.jit(model.init)(jax.random.key(0))
    state, losses = tx.init(params), []

    def loss(params, clip, labels):
        logits = model.apply(params, clip).logits
        return optax.softmax_cross_entropy_with_integer_labels(logits[:, -1], labels).mean()

    @jax.jit
    def update(params, state, key):
        value, grads = jax.value_and_grad(loss)(params, *blobs(key))
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    for n in range(steps):
        # Step n draws the same clips whatever was drawn before it.
        params, state, value = update(params, state, jax.random.fold_in(jax.random.key(1), n))
        losses.append(float(value))
        if n % 10 == 0:
            report(f"step {n:3d}  loss {value:.3f}")
    return losses


if __name__ == "__main__":
    train()
