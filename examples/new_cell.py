"""A seventh cell, ConvALSTM with a gated recurrent unit inside, trained for a minute on blobs that
move.

    python -m examples.new_cell

A cell is three functions. `drive` does for all frames at once what the carry cannot change, `step`
does the rest for one frame, `init` draws the parameters. Everything else, unrolling, masks,
streaming, the head and the choice of convolution, comes from `make_model`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from videolstm_jax.config import ModelConfig
from videolstm_jax.core import Cell, Drive, Layers, attention, make_model, total, weigh
from videolstm_jax.core.params import attention_params, draw
from videolstm_jax.types import Carry, CellOut, CellParams, Clip, Inputs, LSTMState


class GRUParams(NamedTuple):
    """Kernels [3, 3, D or K, K] of the reset gate, the update gate and the candidate, side by side,
    and the bias.
    """

    x: jax.Array
    hidden: jax.Array
    bias: jax.Array


def init(key, cfg):
    """The groups `top` and `attend`; a group may be any record."""
    keys = jax.random.split(key, 3)
    x, hidden = (
        draw(k, (cfg.kernel, cfg.kernel, depth, 3 * cfg.hidden), cfg, gates=3)
        for k, depth in zip(keys, (cfg.depth, cfg.hidden), strict=False)
    )
    return CellParams(
        GRUParams(x, hidden, jnp.zeros(3 * cfg.hidden)), attention_params(keys[2], cfg)
    )


def drive(conv, p, xs):
    """All frames: the map itself, and its share of the attention's question, Eq. (7)."""
    return Drive(x=xs.x, query=conv(p.attend.x, xs.x))


def step(conv, p, carry, d):
    """One frame: attend, weigh, then forget and renew with one gate instead of two."""
    h = carry.top.hidden
    a = attention(p.attend, d.query, h)
    zr, zu, zg = jnp.split(total(p.top.bias, conv(p.top.x, weigh(a, d.x))), 3, axis=-1)
    hr, hu, hg = jnp.split(conv(p.top.hidden, h).astype(h.dtype), 3, axis=-1)
    update = jax.nn.sigmoid(zu + hu)
    h = update * h + (1 - update) * jnp.tanh(zg + jax.nn.sigmoid(zr + hr) * hg)
    return Carry(LSTMState(h, h)), CellOut(
        h, a[..., 0]
    )  # a GRU has one state: it stands in both places


CONV_AGRU = Cell(drive, step, init, Layers("pool5"))


def blobs(key, batch=16, frames=6, side=5, depth=4):
    """Clips of a blob that walks right (label 0) or left (label 1) over a noisy map."""
    place, label, noise = jax.random.split(key, 3)
    labels = jax.random.bernoulli(label, 0.5, (batch,)).astype(jnp.int32)
    first = jax.random.randint(place, (batch, 2), 0, side)
    column = (first[:, 1:] + (1 - 2 * labels[:, None]) * jnp.arange(frames)[None]) % side
    blob = jax.nn.one_hot(first[:, :1], side)[..., None] * jax.nn.one_hot(column, side)[:, :, None]
    x = blob[..., None] + 0.1 * jax.random.normal(noise, (batch, frames, side, side, depth))
    return Clip(Inputs(x), jnp.ones((batch, frames), bool)), labels


def train(steps=60, *, report=print):
    """Trains the cell; returns the loss of every step."""
    model = make_model(
        ModelConfig(
            map_size=5,
            depth=4,
            hidden=8,
            attention=4,
            head=16,
            classes=2,
            dropout=0.0,
            attention_scale=25.0,
        ),
        cell=CONV_AGRU,
    )
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
        params, state, value = update(params, state, jax.random.fold_in(jax.random.key(1), n))
        losses.append(float(value))
        if n % 10 == 0:
            report(f"step {n:3d}  loss {value:.3f}")
    return losses


if __name__ == "__main__":
    train()
