"""The kinds of image networks that `convnet.backbone` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from videolstm_jax.nn.hook import hook_network
from videolstm_jax.nn.lite0_network import lite0_network
from videolstm_jax.nn.vgg import vgg_network

if TYPE_CHECKING:
    from videolstm_jax.config import ConvNetConfig
    from videolstm_jax.nn.network import ImageNetwork

_NETWORKS: Mapping[str, Callable[..., ImageNetwork]] = {
    "vgg": vgg_network,
    "lite0": lite0_network,
}


def is_hook(backbone: str) -> bool:
    """Whether `convnet.backbone` names a function of the user's own."""
    # Any other name is that of a function, package.module:ATTRIBUTE; the settings have checked it.
    return backbone not in _NETWORKS


def image_network(
    cfg: ConvNetConfig, channels: int, classes: int, *, dtype: str = "float32"
) -> ImageNetwork:
    """Returns the image network that the settings name.

    Args:
      cfg: `backbone`, and the settings of that network.
      channels: of the images: 3 for frames, 2 for flow.
      classes: C.
      dtype: of the large products.

    Raises:
      ConfigError: a function of the user's own that cannot be used.
    """
    network = _NETWORKS.get(cfg.backbone, hook_network)
    return network(cfg, channels, classes, dtype=dtype)
