"""EfficientNet-Lite0 behind the interface of all backbones, `ImageNetwork`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from videolstm_jax.nn.lite0 import HEAD, MAPS, STAGES, STEM, Lite0, blocks_of_lite0
from videolstm_jax.nn.lite0_weights import LITE0_READER
from videolstm_jax.nn.network import Cut, ImageNetwork, network_module_cut
from videolstm_jax.nn.preprocessing import STREAM_OF_CHANNELS, preprocess_for_network

if TYPE_CHECKING:
    from videolstm_jax.config import ConvNetConfig
    from videolstm_jax.types import Array, PyTree


def lite0_network(
    cfg: ConvNetConfig, channels: int, classes: int, *, dtype: str = "float32"
) -> ImageNetwork:
    """Returns EfficientNet-Lite0 behind the interface of all backbones.

    Args:
      cfg: image_size, map_layer and dropout.
      channels: of the images: 3 for frames, 2 for flow.
      classes: C.
      dtype: of the large products.
    """
    # 7 x 7 at 224 pixels, as the VGG's pool5, and four times fewer channels than the head has.
    map_layer = cfg.map_layer or "stage7"
    module = Lite0(classes, map_layer, channels, cfg.dropout, dtype)
    image_shape = (cfg.image_size, cfg.image_size, channels)
    image = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)

    def init(key: Array) -> PyTree:
        # `lazy_init` needs shapes only, so nothing is computed on an image to draw the parameters.
        return module.lazy_init(key, image)["params"]

    def apply(params: PyTree, x: Array, *, dropout_key: Array | None = None) -> dict[str, Array]:
        # Flax decides by the presence of the name whether to drop anything.
        rngs = None
        if dropout_key is not None:
            rngs = {"dropout": dropout_key}
        return module.apply({"params": params}, x, rngs=rngs)

    needs = _needed_layers()
    signed = {"logits"}
    # A block ends without a ReLU, the head with one.
    if map_layer != "head":
        signed.add("pool5")
    return ImageNetwork(
        identity="lite0",
        init=init,
        prepare=partial(
            preprocess_for_network, stream=STREAM_OF_CHANNELS[channels], preprocessing="lite0"
        ),
        apply=apply,
        input_shape=image_shape,
        layers={
            "pool5": _map_shape(map_layer, cfg.image_size),
            "fc7": (HEAD,),
            "logits": (classes,),
        },
        needs={
            "pool5": needs[map_layer],
            "fc7": needs["head"],
            "logits": needs["head"] | {"logits"},
        },
        signed=frozenset(signed),
        preprocessing="lite0",
        weights=LITE0_READER,
        cuts=_cuts(module, cfg.image_size),
    )


def _cuts(module: Lite0, image_size: int) -> dict[str, Cut]:
    """The places below each block but the first, up to the map that cells read."""
    cuts = {}
    side, width = -(-image_size // 2), STEM
    needs = {"stem"}
    for block in blocks_of_lite0(module.stages):
        # A block above the map that cells read would train nothing that they see.
        if int(block.map_name.removeprefix("stage")) > MAPS[module.map_layer]:
            break
        name = f"block{block.number}"
        if block.number > 1:
            cuts[name] = network_module_cut(
                module, block.number, (side, side, width), frozenset(needs)
            )
        side, width = -(-side // block.stride), block.stage.width
        # The first block has no expansion; a name too many does no harm.
        needs |= {f"{name}_{part}" for part in ("expand", "depthwise", "project")}
    return cuts


def _map_shape(map_layer: str, side: int) -> tuple[int, int, int]:
    """The shape of a map for images of a side."""
    after = MAPS[map_layer]
    side, width = -(-side // 2), STEM  # the stem
    for stage in STAGES[:after]:
        side, width = -(-side // stage.stride), stage.width
    if map_layer == "head":
        width = HEAD
    return side, side, width


def _needed_layers() -> dict[str, frozenset[str]]:
    """The layers of parameters that each map depends on."""
    # Each stage needs itself and all before it.
    layers, needs, block = {"stem"}, {}, 0
    for number, stage in enumerate(STAGES, 1):
        for _ in range(stage.blocks):
            block += 1
            # The first block has no expansion; a name too many does no harm.
            layers |= {f"block{block}_{part}" for part in ("expand", "depthwise", "project")}
        needs[f"stage{number}"] = frozenset(layers)
    needs["head"] = frozenset(layers | {"head"})
    return needs
