"""How much does a training step cost more because it looks whether its numbers are finite?

    python -m benchmarks.finite_check --batch 2 --frames 4

Compares the step of `make_step` with the same one without the check, in turns in one process, and
compares their parameters bit by bit. The cost does not depend on the batch. Processor times are
those of all cores together: they change less on a busy machine.
Results: benchmarks/results/finite_check_<backend>.json.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks import command_line, record
from videolstm_jax.config import ModelConfig, OptimConfig
from videolstm_jax.core.cells import find_cell
from videolstm_jax.core.model import make_model
from videolstm_jax.train.optim import optimizer
from videolstm_jax.train.state import Metrics, new_training_state
from videolstm_jax.train.step import make_step, model_loss
from videolstm_jax.types import Batch, Clip, Inputs, TrainState


def unchecked_step(loss_fn: Callable, tx: optax.GradientTransformation, seed: int) -> Callable:
    """Returns the update of `make_step` as it would be without the check."""
    loss_and_gradient = jax.value_and_grad(loss_fn, has_aux=True)

    def step(state, batch):
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        (loss, accuracy), gradient = loss_and_gradient(state.params, batch, key)
        updates, opt_state = tx.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = Metrics(loss, accuracy, optax.tree.norm(gradient), jnp.int32(0))
        return TrainState(state.step + 1, params, opt_state), metrics

    return jax.jit(step, donate_argnums=0)


def random_batch(config: ModelConfig, batch: int, frames: int) -> Batch:
    """Returns clips of random features, on the device."""
    generator = np.random.default_rng(0)
    x = generator.normal(0, 1, (batch, frames, config.map_size, config.map_size, config.depth))
    x = x.astype(np.float32)
    motion = None
    if find_cell(config.cell).layers.motion:
        motion = x
    clip = Clip(Inputs(x, motion), np.ones((batch, frames), bool))
    label = np.arange(batch, dtype=np.int32) % config.classes
    return jax.device_put(Batch(clip, label, np.ones(batch, np.float32)))


def measure(config: ModelConfig, batch: Batch, repeats: int) -> dict[str, object]:
    """Returns milliseconds and MiB of both steps, and whether their parameters are equal."""
    model = make_model(config)
    tx = optimizer(OptimConfig(learning_rate=1e-4), 100)
    loss_fn, params = model_loss(model.apply), jax.jit(model.init)(jax.random.key(0))
    figures: dict[str, object] = {"parameters": sum(x.size for x in jax.tree.leaves(params))}
    states, compiled, times = {}, {}, {}
    for name, make in (("without", unchecked_step), ("with", make_step)):
        states[name] = new_training_state(params, tx)
        compiled[name] = make(loss_fn, tx, 0).lower(states[name], batch).compile()
        times[name] = []
    for turn in range(repeats + 1):
        # In turns, so that a slow spell of the machine strikes both.
        for name, step in compiled.items():
            wall_start, busy_start = time.perf_counter(), time.process_time()
            states[name], metrics = step(states[name], batch)
            # As the loop does, which waits for the metrics of every step.
            jax.device_get(metrics)
            wall, busy = time.perf_counter() - wall_start, time.process_time() - busy_start
            if turn:  # the first turn warms up
                times[name].append((1e3 * wall, 1e3 * busy))
    for name, pairs in times.items():
        wall, busy = zip(*pairs, strict=True)
        figures[name] = {
            "best_ms": round(min(wall), 1),
            "median_processor_ms": round(statistics.median(busy), 1),
            "best_processor_ms": round(min(busy), 1),
            "temporary_mib": round(compiled[name].memory_analysis().temp_size_in_bytes / 2**20),
        }
    pairs = zip(*(jax.tree.leaves(state) for state in states.values()), strict=True)
    figures["same_bits"] = all(np.array_equal(ours, theirs) for ours, theirs in pairs)
    return figures


def main() -> None:
    """Measures a model of the paper's size and a small one, and writes the figures."""
    parser = command_line.parser(__doc__, name="finite_check", repeats=10)
    parser.add_argument("--batch", type=int, default=2, help="clips of a batch")
    parser.add_argument("--frames", type=int, default=4, help="of a clip")
    options = parser.parse_args()
    figures: dict[str, object] = {"batch": options.batch, "frames": options.frames}
    sizes = {
        "paper": ModelConfig(cell="videolstm"),
        "small": ModelConfig(cell="videolstm", hidden=48, attention=48, head=64, classes=11),
    }
    for name, config in sizes.items():
        batch = random_batch(config, options.batch, options.frames)
        figures[name] = measure(config, batch, options.repeats)
    record.save(f"{options.name}_{jax.default_backend()}", figures, options.out)


if __name__ == "__main__":
    main()
