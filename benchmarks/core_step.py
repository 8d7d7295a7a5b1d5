"""How long does a training step of a recurrent cell take under each way to convolve?

    python -m benchmarks.core_step --batch 2 --frames 6

Compares our ways to convolve with each other and with Flax's `nn.RNN(nn.ConvLSTMCell)`, which take
turns in one process. A step is the value and the gradient, with respect to all parameters of the
cell, of the mean square of all H_t, at the paper's sizes. Processor times are those of all cores
together: they change less on a busy machine, and mean nothing where another device does the work.
Results: benchmarks/results/core_step_<backend>_<dtype>_<batch>x<frames>.json.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen

from benchmarks import command_line, record
from videolstm_jax.config import ModelConfig
from videolstm_jax.core import bind, engines, find_cell, make_model, unroll
from videolstm_jax.types import Clip, Inputs


class Contender(NamedTuple):
    """A training step and the arguments to call it with; the first are the parameters."""

    step: Callable
    arguments: tuple


class Sizes(NamedTuple):
    """Clips of a batch, frames of a clip, and the type of the large products."""

    batch: int
    frames: int
    dtype: str


def our_contenders(cell_name: str, sizes: Sizes) -> dict[str, Contender]:
    """Returns the step of one cell under each engine."""
    cell = find_cell(cell_name)
    model = make_model(ModelConfig(cell=cell_name))
    params = jax.jit(model.init)(jax.random.key(0))
    x = _maps(sizes)
    inputs = Inputs(x, None)
    if cell.layers.motion:
        inputs = Inputs(x, x)
    mask = jnp.ones((sizes.batch, sizes.frames), bool)
    carry = model.start(params, Clip(inputs, mask))
    contenders = {}
    for engine_name, conv in engines.ENGINES.items():
        step = _step_of(cell, conv, sizes.dtype)
        contenders[f"{cell_name}, {engine_name}"] = Contender(
            step, (params.cell, carry, inputs, mask)
        )
    return contenders


def _step_of(cell, conv: Callable, dtype: str) -> Callable:
    kind = None
    if dtype != "float32":
        kind = jnp.dtype(dtype)
    bound = bind(
        cell,
        partial(conv, dtype=kind),
        # As in our models: inputs are convolved by XLA's own convolution, for all frames at once.
        drive_conv=partial(engines.native_convolution, dtype=kind),
    )

    def loss(params, carry, inputs, mask):
        _, out = unroll(bound, params, carry, inputs, mask)
        # Any loss of all frames will do: the time is that of the pass forwards and backwards.
        return jnp.mean(jnp.square(out.hidden))

    return jax.value_and_grad(loss)


def flax_convlstm(sizes: Sizes) -> Contender:
    """Returns the step of `nn.RNN(nn.ConvLSTMCell)`."""
    rnn = linen.RNN(linen.ConvLSTMCell(512, (3, 3), dtype=jnp.dtype(sizes.dtype)))
    x = _maps(sizes)
    params = jax.jit(rnn.init)(jax.random.key(0), x[:, :1])

    def loss(params, x):
        return jnp.mean(jnp.square(rnn.apply(params, x).astype(jnp.float32)))

    return Contender(jax.value_and_grad(loss), (params, x))


def _maps(sizes: Sizes) -> jax.Array:
    """Returns random maps [B, T, 7, 7, 512] that are nowhere below zero, as pool5 is."""
    shape = (sizes.batch, sizes.frames, 7, 7, 512)
    return jax.nn.relu(jax.random.normal(jax.random.key(1), shape))


def time_contenders(contenders: dict[str, Contender], repeats: int) -> dict[str, dict[str, float]]:
    """Returns milliseconds and MiB of each contender; they take turns."""
    compiled, times = {}, {}
    for name, contender in contenders.items():
        compiled[name] = jax.jit(contender.step).lower(*contender.arguments).compile()
        times[name] = []
    for turn in range(repeats + 1):
        # In turns, so that a slow spell of the machine strikes all contenders.
        for name, step in compiled.items():
            wall_start, busy_start = time.perf_counter(), time.process_time()
            # JAX returns before a result is computed.
            jax.block_until_ready(step(*contenders[name].arguments))
            wall, busy = time.perf_counter() - wall_start, time.process_time() - busy_start
            if turn:  # the first turn warms up
                times[name].append((1e3 * wall, 1e3 * busy))
    figures = {}
    for name, pairs in times.items():
        wall, busy = zip(*pairs, strict=True)
        # What XLA keeps between the passes; arguments and results are not in it.
        memory = compiled[name].memory_analysis().temp_size_in_bytes
        figures[name] = {
            "best_ms": round(min(wall), 2),
            "median_ms": round(statistics.median(wall), 2),
            "best_processor_ms": round(min(busy), 2),
            "temporary_mib": round(memory / 2**20),
        }
    return figures


def main() -> None:
    """Times all contenders, prints the figures and writes them."""
    parser = command_line.parser(__doc__, name="core_step", repeats=3)
    parser.add_argument("--batch", type=int, default=2, help="clips of a batch")
    parser.add_argument("--frames", type=int, default=6, help="of a clip")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--cells", nargs="+", default=["convlstm"], help="names of cells")
    parser.add_argument("--rival", type=int, default=1, help="0 leaves Flax out")
    options = parser.parse_args()
    sizes = Sizes(options.batch, options.frames, options.dtype)
    contenders: dict[str, Contender] = {}
    for cell_name in options.cells:
        contenders |= our_contenders(cell_name, sizes)
    if options.rival:
        contenders["Flax nn.RNN(ConvLSTMCell)"] = flax_convlstm(sizes)
    name = f"{options.name}_{jax.default_backend()}_{sizes.dtype}_{sizes.batch}x{sizes.frames}"
    figures = {
        "device": record.device(),
        "jax": jax.__version__,
        **sizes._asdict(),
        "repeats": options.repeats,
        "steps": time_contenders(contenders, options.repeats),
    }
    record.save(name, figures, options.out)


if __name__ == "__main__":
    main()
