"""How long does EfficientNet-Lite0 take a frame, and which depthwise convolution suits a device?

    python -m benchmarks.lite0

Compares two ways to compute the depthwise convolutions, in the same run and in turn: as a sum of
k * k shifted products, and as the grouped convolution of XLA. Both compute the map 7x7x320 of
random weights; the results are compared first. Times are those of the wall clock and of the
processor: on a shared machine only the second says something.
Results: benchmarks/results/lite0_<backend>.json.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks import command_line, record
from videolstm_jax.config import ConvNetConfig
from videolstm_jax.nn import convolutions, lite0
from videolstm_jax.nn.lite0_network import lite0_network
from videolstm_jax.types import PyTree


def grouped(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """The depthwise convolution that XLA has."""
    return convolutions.lite0_device_convolution(x, kernel, stride, groups=x.shape[-1])


CONTENDERS = {
    "shifted products": convolutions.lite0_depthwise_shifted,
    "grouped convolution": grouped,
}


def map_of(depthwise: convolutions.Convolution) -> Callable[[PyTree, jax.Array], jax.Array]:
    """Returns the compiled network up to its map, with one of the depthwise convolutions."""
    module = lite0.Lite0(classes=10, depthwise=depthwise)
    return jax.jit(lambda params, images: module.apply({"params": params}, images)["pool5"])


def time_maps(params: PyTree, images: np.ndarray, repeats: int) -> dict[str, dict[str, float]]:
    """Returns milliseconds a frame of each contender, wall time and processor time."""
    networks = {name: map_of(depthwise) for name, depthwise in CONTENDERS.items()}
    # The first call compiles.
    first, *others = (np.asarray(network(params, images)) for network in networks.values())
    for maps in others:
        np.testing.assert_allclose(maps, first, atol=1e-4 * np.abs(first).max())
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in networks}
    for _ in range(repeats):
        for name, network in networks.items():
            wall, busy = time.perf_counter(), time.process_time()
            jax.block_until_ready(network(params, images))
            times[name].append((time.perf_counter() - wall, time.process_time() - busy))
    scale = 1e3 / len(images)
    figures = {}
    for name, pairs in times.items():
        figures[name] = {
            "ms_a_frame": round(min(wall for wall, _ in pairs) * scale, 2),
            "processor_ms_a_frame": round(min(busy for _, busy in pairs) * scale, 2),
        }
    return figures


def main() -> None:
    """Times both ways, prints the figures and writes them."""
    parser = command_line.parser(__doc__, name="lite0", repeats=3)
    parser.add_argument("--batch", type=int, default=16, help="frames of a pass")
    parser.add_argument("--sides", type=int, nargs="*", default=[224, 160], help="pixels of a side")
    options = parser.parse_args()
    figures: dict[str, Any] = {"device": record.device(), "jax": jax.__version__}
    for side in options.sides:
        cfg = ConvNetConfig(backbone="lite0", image_size=side)
        network = lite0_network(cfg, channels=3, classes=10)
        params = jax.jit(network.init)(jax.random.key(0))
        shape = (options.batch, *network.input_shape)
        images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        key = f"{side}x{side}, batch {options.batch}"
        figures[key] = time_maps(params, images, options.repeats)
    record.save(f"{options.name}_{jax.default_backend()}", figures, options.out)


if __name__ == "__main__":
    main()
