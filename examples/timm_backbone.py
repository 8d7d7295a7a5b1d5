"""A backbone of any network of timm, such as DINOv2, SigLIP or CLIP: its last map, frozen.

    pip install timm
    videolstm pipeline --videos=DIR --workdir=work/dino --backbone=examples.timm_backbone:BACKBONE

Run it in a checkout, or copy this file into the current folder and leave out `examples.`. `NAME` is
a name of timm, and `SIDE` the side in pixels that frames are resized to before the network reads
them. timm downloads weights once, the first time that they are asked for.

The recurrent models need maps [N, N, D] of RGB and of flow with the same N for VideoLSTM and
ConvALSTM: 7 in the preset `small`. `MAP_SIDE` averages larger maps down to it.
"""

from __future__ import annotations

import functools
import importlib
import os

import numpy as np

NAME = os.environ.get("TIMM_BACKBONE", "vit_small_patch14_dinov2.lvd142m")
SIDE = 196  # 14 x 14 patches of DINOv2, which average to 7 x 7
MAP_SIDE = 7


@functools.lru_cache(maxsize=1)
def _network():
    """The network with its weights, and the mean and the deviation of its pixels."""
    # Imported when the first frame comes: naming the backbone costs nothing.
    timm = importlib.import_module("timm")
    options = {"img_size": SIDE} if NAME.startswith("vit_") else {}
    # Without a pool and without classes, timm returns features of places.
    network = timm.create_model(NAME, pretrained=True, num_classes=0, global_pool="", **options)
    pixels = timm.data.resolve_model_data_config(network)
    return network.eval(), np.float32(pixels["mean"]), np.float32(pixels["std"])


def BACKBONE(frames: np.ndarray) -> np.ndarray:
    """Returns maps of frames, as the contract of `videolstm_jax/nn/hook.py` says.

    Args:
      frames: [n, S, S, 3] uint8, R, G, B.

    Returns:
      float32 [n, MAP_SIDE, MAP_SIDE, D].
    """
    torch = importlib.import_module("torch")
    network, mean, deviation = _network()
    images = (frames.astype(np.float32) / 255 - mean) / deviation
    with torch.inference_mode():
        batch = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        if batch.shape[-1] != SIDE:
            batch = torch.nn.functional.interpolate(batch, (SIDE, SIDE), mode="bilinear")
        features = network.forward_features(batch).numpy()
    return averaged(as_maps(features, getattr(network, "num_prefix_tokens", 0)), MAP_SIDE)


BACKBONE.version = NAME


def as_maps(features: np.ndarray, prefix: int) -> np.ndarray:
    """Returns maps [n, N, N, D] of what a network of timm gives.

    Args:
      features: tokens [n, prefix + N N, D] of a transformer, or maps [n, D, N, N] of convolutions.
      prefix: tokens that stand for no place, such as that of the class.
    """
    if features.ndim == 4:
        return features.transpose(0, 2, 3, 1)
    places = features[:, prefix:]
    side = round(places.shape[1] ** 0.5)
    return places.reshape(len(places), side, side, -1)


def averaged(maps: np.ndarray, side: int) -> np.ndarray:
    """Returns maps [n, side, side, D], the means of maps whose side is a multiple of it.

    Maps of other sides lose the rows and the columns at the end that do not fill a place.
    """
    step = max(maps.shape[1] // side, 1)
    maps = maps[:, : side * step, : side * step]
    n, rows, columns, depth = maps.shape
    blocks = maps.reshape(n, rows // step, step, columns // step, step, depth)
    return blocks.mean((2, 4)).astype(np.float32)
