"""How long is one training step of a recurrent cell under each convolution, beside Flax's ConvLSTM
in the same run?

Run from the root of the checkout: python -m benchmarks.core_step --batch 2 --frames 6. A step is
the value and the gradient, with respect to all parameters of the cell, of the mean square of all
H_t at the paper's sizes. The contenders take turns. Wall times say what a step takes; processor
times, of all cores together, change less on a busy machine, and mean nothing where another device
does the work.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen

from benchmarks import record
from videolstm_jax.config import ModelConfig
from videolstm_jax.core import CELLS, bind, engines, make_model, unroll
from videolstm_jax.types import Carry, Inputs, LSTMState


def ours(name: str, batch: int, frames: int, dtype: str) -> dict[str, tuple[Callable, tuple]]:
    """The step of one cell under each engine, with its arguments."""
    cfg, kind = ModelConfig(cell=name), None if dtype == "float32" else jnp.dtype(dtype)
    params = jax.jit(make_model(cfg).init)(jax.random.key(0)).cell
    x = jax.nn.relu(jax.random.normal(jax.random.key(1), (batch, frames, 7, 7, 512)))
    zeros = jnp.zeros((batch, 7, 7, cfg.hidden))
    state = LSTMState(zeros, zeros)
    moves = CELLS[name].layers.motion is not None
    rest = (
        Carry(state, state if moves else None),
        Inputs(x, x if moves else None),
        jnp.ones((batch, frames), bool),
    )

    def step(conv: Callable) -> Callable:
        cell = bind(
            CELLS[name], partial(conv, dtype=kind), drive_conv=partial(engines.native, dtype=kind)
        )
        return jax.value_and_grad(
            lambda p, *rest: jnp.mean(jnp.square(unroll(cell, p, *rest)[1].hidden))
        )

    return {
        f"{name}, {engine}": (step(conv), (params, *rest))
        for engine, conv in engines.ENGINES.items()
    }


def flax_convlstm(batch: int, frames: int, dtype: str) -> tuple[Callable, tuple]:
    """The step of `nn.RNN(nn.ConvLSTMCell)`."""
    rnn = linen.RNN(linen.ConvLSTMCell(512, (3, 3), dtype=jnp.dtype(dtype)))
    x = jax.nn.relu(jax.random.normal(jax.random.key(1), (batch, frames, 7, 7, 512)))
    params = jax.jit(rnn.init)(jax.random.key(0), x[:, :1])
    return jax.value_and_grad(
        lambda p, x: jnp.mean(jnp.square(rnn.apply(p, x).astype(jnp.float32)))
    ), (params, x)


def timed(
    contenders: dict[str, tuple[Callable, tuple]], repeats: int
) -> dict[str, dict[str, float]]:
    """Milliseconds and MiB of each."""
    compiled = {
        name: (jax.jit(step).lower(*args).compile(), args)
        for name, (step, args) in contenders.items()
    }
    passes: dict[str, list[tuple[float, float]]] = {name: [] for name in compiled}
    for turn in range(repeats + 1):
        for name, (step, args) in compiled.items():
            wall, busy = time.perf_counter(), time.process_time()
            jax.block_until_ready(step(*args))
            if turn:  # the first turn warms
                passes[name].append(
                    (1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - busy))
                )
    return {
        name: {
            "best_ms": round(min(times)[0], 2),
            "median_ms": round(statistics.median(wall for wall, _ in times), 2),
            "best_processor_ms": round(min(busy for _, busy in times), 2),
            "temporary_mib": round(compiled[name][0].memory_analysis().temp_size_in_bytes / 2**20),
        }
        for name, times in passes.items()
    }


def main() -> None:
    """Runs all contenders, prints what they took, and writes it to benchmarks/results/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--cells", nargs="+", default=["convlstm"])
    parser.add_argument("--rival", type=int, default=1, help="0 leaves Flax out")
    args = parser.parse_args()
    sizes = (args.batch, args.frames, args.dtype)
    contenders: dict[str, tuple[Callable, tuple]] = {}
    for name in args.cells:
        contenders |= ours(name, *sizes)
    if args.rival:
        contenders["Flax nn.RNN(ConvLSTMCell)"] = flax_convlstm(*sizes)
    file = f"core_step_{jax.default_backend()}_{args.dtype}_{args.batch}x{args.frames}"
    record.save(
        file,
        {
            "device": record.device(),
            "jax": jax.__version__,
            "batch": args.batch,
            "frames": args.frames,
            "dtype": args.dtype,
            "repeats": args.repeats,
            "steps": timed(contenders, args.repeats),
        },
    )


if __name__ == "__main__":
    main()
