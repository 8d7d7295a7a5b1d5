"""A backbone of any network of timm, such as CLIP, SigLIP or DINOv2: its last map, frozen.

    pip install timm
    export TIMM_BACKBONE=vit_base_patch16_siglip_224.webli
    videolstm pipeline --videos=DIR --workdir=work/siglip --backbone=examples.timm_backbone:BACKBONE

Run it in a checkout, or copy this file into the current folder and leave out `examples.`.
`TIMM_BACKBONE` is a name of timm; without it the network is DINOv2. timm downloads weights once,
the first time that they are asked for.

The recurrent models need maps [N, N, D] of RGB and of flow with the same N for VideoLSTM and
ConvALSTM: 7 in the preset `small`. Maps of any side are averaged to it.
"""

from __future__ import annotations

import functools
import importlib
import os

import numpy as np

NAME = os.environ.get("TIMM_BACKBONE", "vit_small_patch14_dinov2.lvd142m")
# Pixels that the network reads. 224 is a multiple of 14, 16 and 32, so patches of these sizes cover
# the frame, and it is what most networks of CLIP and SigLIP were trained on.
SIDE = 224
MAP_SIDE = 7


@functools.lru_cache(maxsize=1)
def _network():
    """The network with its weights, and the mean and the deviation of its pixels."""
    # Imported when the first frame comes: naming the backbone costs nothing.
    timm = importlib.import_module("timm")
    options = {}
    # Transformers have a table of positions, which timm resamples for other sizes than their own.
    if NAME.startswith("vit_"):
        options["img_size"] = SIDE
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
    # Some, such as Swin, have the channels last.
    layout = getattr(network, "output_fmt", "NCHW")
    maps = as_maps(features, getattr(network, "num_prefix_tokens", 0), layout)
    return averaged(maps, MAP_SIDE)


# Features of another network or of other sizes are refused.
BACKBONE.version = f"{NAME} at {SIDE} pixels, {MAP_SIDE}x{MAP_SIDE}"


def as_maps(features: np.ndarray, prefix: int, layout: str = "NCHW") -> np.ndarray:
    """Returns maps [n, N, N, D] of what a network of timm gives.

    Args:
      features: tokens [n, prefix + N N, D] of a transformer, or maps of convolutions.
      prefix: tokens that stand for no place, such as that of the class.
      layout: of maps: NCHW, [n, D, N, N], or NHWC, [n, N, N, D].
    """
    if features.ndim == 4 and layout == "NHWC":
        return features
    if features.ndim == 4:
        return features.transpose(0, 2, 3, 1)
    places = features[:, prefix:]
    side = round(places.shape[1] ** 0.5)
    return places.reshape(len(places), side, side, -1)


def averaged(maps: np.ndarray, side: int) -> np.ndarray:
    """Returns the means of maps [n, N, N, D] over side x side places of equal size.

    A cell of the map that lies in two places counts in each by the area that lies there. So every
    cell counts equally in the whole, whatever N is.
    """
    rows = _area_weights(maps.shape[1], side)
    columns = _area_weights(maps.shape[2], side)
    means = np.einsum("ai,bj,nijd->nabd", rows, columns, maps, optimize=True)
    return means.astype(np.float32)


def _area_weights(cells: int, places: int) -> np.ndarray:
    """Returns the weight of each cell of an axis in each of its places, [places, cells]."""
    edges = np.arange(places + 1) * (cells / places)
    starts = np.maximum(edges[:-1, None], np.arange(cells))
    stops = np.minimum(edges[1:, None], np.arange(1, cells + 1))
    return np.maximum(stops - starts, 0) / (cells / places)
