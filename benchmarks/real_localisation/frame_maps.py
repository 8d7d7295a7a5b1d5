"""Maps of frozen EfficientNet-Lite0 for all frames of a work folder: 7x7x320 and 14x14x112.

Both are maps of one pass through the network: under one `jit` the common layers are computed once.
"""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from videolstm_jax.backbone.start import starting_backbone_params
from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.config import RunConfig
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.preprocessing import network_picture_fit
from videolstm_jax.train.log import ProgressLine
from videolstm_jax.types import Video
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

BLOCK = 16
"""Frames of a pass; the last block of a video is filled up, so that one program is compiled."""

LAYERS = {"stage7": 7, "stage5": 14}
"""The maps, and their sides at 224 pixels."""


def map_function(cfg: RunConfig, layers: Sequence[str]) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Returns a function from frames [n, 224, 224, 3] uint8 to the maps [n, N, N, D] of layers."""
    dataset = load_dataset(Workdir(cfg.workdir).dataset)
    networks = []
    for layer in layers:
        settings = dataclasses.replace(cfg.convnet, backbone="lite0", map_layer=layer)
        networks.append(image_network(settings, 3, len(dataset.classes)))
    params = starting_backbone_params(networks[0], cfg, dataset).params

    @jax.jit
    def compute(inputs):
        return [network.apply(params, inputs)["pool5"] for network in networks]

    def maps_of(frames: np.ndarray) -> list[np.ndarray]:
        blocks = []
        for start in range(0, len(frames), BLOCK):
            block = frames[start : start + BLOCK]
            filled = np.zeros((BLOCK, *block.shape[1:]), np.uint8)
            filled[: len(block)] = block
            maps = jax.device_get(compute(networks[0].prepare(filled)))
            blocks.append([values[: len(block)] for values in maps])
        return [np.concatenate(layer) for layer in zip(*blocks, strict=True)]

    return maps_of


def extract(cfg: RunConfig, videos: Sequence[Video], folder: pathlib.Path) -> None:
    """Writes `<layer>/<Class>/<stem>.npy` of every video, float16; a killed run goes on.

    Args:
      cfg: of the RGB stream of a prepared work folder.
      videos: whose maps are wanted.
      folder: of the arrays.
    """
    missing = [video for video in videos if not array_path(folder, "stage5", video).exists()]
    if not missing:
        return
    maps_of = map_function(cfg, tuple(LAYERS))
    read = frame_reader(cfg)
    progress = ProgressLine(len(missing), 0, unit="video")
    for number, video in enumerate(missing, 1):
        # `stage5` comes last: its file says that the video is done.
        for layer, values in zip(LAYERS, maps_of(read(video)), strict=True):
            path = array_path(folder, layer, video)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, values.astype(np.float16))
        progress.show(number, {}, logged=number % 10 == 0)


def frame_reader(cfg: RunConfig) -> Callable[[Video], np.ndarray]:
    """Returns a function that reads the L - 1 frames of a video that have flow."""
    fit = network_picture_fit(cfg.data.fit, "rgb", "lite0")
    return FrameReader("rgb", cfg.convnet.image_size, workers=1, fit=fit).read


def array_path(folder: pathlib.Path, layer: str, video: Video) -> pathlib.Path:
    """Where the array of a video lies."""
    return folder / layer / f"{video.name}.npy"


def cost(cfg: RunConfig, frames: int = 64) -> dict[str, dict[str, Any]]:
    """Measures seconds of processor time and bytes of one frame, for each layer alone and both."""
    videos = load_dataset(Workdir(cfg.workdir).dataset).videos
    images = frame_reader(cfg)(videos[0])
    images = np.resize(images, (frames, *images.shape[1:]))
    costs = {}
    for layers in (("stage7",), ("stage5",), ("stage7", "stage5")):
        maps_of = map_function(cfg, layers)
        maps = maps_of(images)  # compiles
        began = time.process_time()
        maps_of(images)
        seconds = (time.process_time() - began) / frames
        size = sum(values[0].astype(np.float16).nbytes for values in maps)
        costs["+".join(layers)] = {"seconds": round(seconds, 4), "bytes": size}
    return costs
