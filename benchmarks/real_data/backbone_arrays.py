"""Arrays of a frozen backbone's features, which all folds of a data set share.

The network is not fitted, so its maps do not depend on the training list. Each fold imports the
arrays into its own work folder, where their deviation is taken of its own training list.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import get_args

import jax
import numpy as np

from videolstm_jax.backbone.start import starting_backbone_params
from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.clips.images import mirrored_image
from videolstm_jax.config import RunConfig
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.preprocessing import STREAM_CHANNELS, network_picture_fit
from videolstm_jax.train.log import ProgressLine
from videolstm_jax.types import Video, View
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

BLOCK = 16
"""Frames of a pass; the last block of a video is filled up, so that one program is compiled."""

LAYERS = ("pool5", "fc7")
"""Of Lite0: its map, and the vector that the frame classifier and LSTM read."""

VIEWS: tuple[View, ...] = get_args(View)


def extract(
    cfg: RunConfig,
    folder: pathlib.Path,
    view: View = "filmed",
    *,
    layers: Sequence[str] = LAYERS,
    every: int = 1,
) -> None:
    """Writes `<layer>/<Class>/<stem>.npy` of every video, float16; a killed run goes on.

    Args:
      cfg: of the stage `extract`, whose stream and backbone are taken.
      folder: of the arrays.
      view: `mirrored` exchanges left and right before the network, with the sign of flow in x.
      layers: that are written.
      every: 2 computes every second frame only.
    """
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    # The last layer is written last: its file says that the video is done.
    missing = [video for video in dataset.videos if not _path(folder, layers[-1], video).exists()]
    if not missing:
        return
    stream = cfg.data.stream
    channels = STREAM_CHANNELS[stream]
    network = image_network(cfg.convnet, channels, len(dataset.classes))
    start = starting_backbone_params(network, cfg, dataset)
    params = start.params
    reader = FrameReader(
        stream,
        cfg.convnet.image_size,
        flow=work.flow,
        fps=cfg.data.fps,
        workers=1,
        fit=network_picture_fit(cfg.data.fit, stream, start.preprocessing),
    )
    apply = jax.jit(lambda images: [network.apply(params, images)[layer] for layer in layers])
    progress = ProgressLine(len(missing), 0, unit="video")
    for number, video in enumerate(missing, 1):
        images = reader.read(video)[::every]
        if view == "mirrored":
            images = mirrored_image(images, stream)
        maps = _features(apply, network.prepare, images)
        for layer, values in zip(layers, maps, strict=True):
            path = _path(folder, layer, video)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, values.astype(np.float16))
        progress.show(number, {}, logged=number % 10 == 0)


def _path(folder: pathlib.Path, layer: str, video: Video) -> pathlib.Path:
    return folder / layer / f"{video.name}.npy"


def _features(apply, prepare, images: np.ndarray) -> list[np.ndarray]:
    """The layers of all images [n, S, S, ch], block by block."""
    blocks = []
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        filled = np.zeros((BLOCK, *block.shape[1:]), np.uint8)
        filled[: len(block)] = block
        maps = jax.device_get(apply(prepare(filled)))
        blocks.append([values[: len(block)] for values in maps])
    return [np.concatenate(layer) for layer in zip(*blocks, strict=True)]
