"""The stage `fit_convnet`: fits the backbone of a stream to single frames of the training list."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

from videolstm_jax.artifacts import Workdir, check_layout, load_dataset, save_config
from videolstm_jax.clips import balance
from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.clips.frames import frame_batches
from videolstm_jax.config import ConvNetConfig, RunConfig
from videolstm_jax.dataset import prepared
from videolstm_jax.files import json_sha256
from videolstm_jax.flow_images.online import FlowSettings, OnlineFlow
from videolstm_jax.lock.sole_writer import sole_writer
from videolstm_jax.nn.vgg import ConvNet, make_convnet
from videolstm_jax.train.divergence import print_divergence
from videolstm_jax.train.loop import Plan, fit
from videolstm_jax.train.mesh import data_mesh, replicate, spread
from videolstm_jax.train.optim import convnet_optimizer, is_frozen
from videolstm_jax.train.state import new_state
from videolstm_jax.train.step import convnet_loss, make_step
from videolstm_jax.trained.backbone.start import starting_point
from videolstm_jax.trained.training_list import list_record
from videolstm_jax.types import Dataset, PyTree, Video


def run(cfg: RunConfig) -> epath.Path:
    """Writes `convnets/<stream>/`: ckpt/, metrics.jsonl, and config.json when training is done.

    The stream is `cfg.data.stream`. Only the training list is read; frames are drawn at random. The
    preprocessing is that of the weights that training starts from, and is kept with the backbone. A
    run that was stopped goes on where it was.

    Returns:
      The folder.

    Raises:
      ConfigError: the videos were not prepared with these settings, or the weights cannot be used.
      FileError: no training videos, or the folder holds a backbone that was trained with other
        settings or on other videos, or another process fits one there.
      VideoError: a video is not the one that `prepare` read.
    """
    work, stream = Workdir(cfg.workdir), cfg.data.stream
    check_layout(work)
    dataset = load_dataset(work.dataset)
    videos = dataset.part("train")
    index = prepared.read_flow_index(work, cfg.data)
    reader = _frame_reader(cfg, work, index)
    net = make_convnet(cfg.convnet, reader.channels, len(dataset.classes))
    start = starting_point(net, cfg, dataset)
    convnet = dataclasses.replace(cfg.convnet, preprocessing=start.preprocessing)
    cfg = dataclasses.replace(cfg, convnet=convnet)
    inputs = _input_fingerprints(stream, videos, index) | start.fingerprints
    folder = work.convnet(stream)
    print(
        f"fits the {stream} ConvNet to {len(videos)} videos of {len(dataset.classes)} classes: "
        f"{folder}",
        flush=True,
    )
    batches = _batches_from(cfg, reader, videos, index)
    with sole_writer(folder, "fit_convnet", break_lock=cfg.break_lock):
        identity = _identity(cfg, dataset) | inputs
        weights = balance.loss_weights(cfg.train.balance, videos, len(dataset.classes))
        balance.print_uneven(cfg.train.balance, videos, dataset.classes)
        _train(cfg, net, start.params, batches, identity, weights)
        warning = print_divergence(folder, len(dataset.classes))
        save_config(
            folder,
            cfg,
            warnings=[warning] if warning else [],
            convnet=dataclasses.asdict(cfg.convnet),
            channels=reader.channels,
            classes=dataset.classes,
            inputs=inputs,
            trained_on=list_record([*start.trained_on, *(video.name for video in videos)]),
        )
    return folder


# ---- what is read --------------------------------------------------------------------------------


def _frame_reader(cfg: RunConfig, work: Workdir, index: Mapping[str, Any]) -> FrameReader:
    """Returns what reads frames of the stream; flow that is not stored is computed when drawn."""
    online = None
    if cfg.data.stream == "flow" and cfg.flow.online:
        settings = FlowSettings.of(index, work.flow / "index.json")
        online = OnlineFlow(settings, workers=cfg.data.workers, limit=cfg.data.time_limit).read
    return FrameReader(
        cfg.data.stream,
        cfg.convnet.image_size,
        flow=work.flow,
        fps=cfg.data.fps,
        online=online,
        workers=cfg.data.workers,
        limit=cfg.data.time_limit,
    )


def _batches_from(
    cfg: RunConfig, reader: FrameReader, videos: Sequence[Video], index: Mapping[str, Any]
) -> Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]]:
    """Returns what yields batches of frames and labels from a given step on."""

    def batches(start: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        # Stored flow was made of the videos that `prepare` read. Whoever reads the videos
        # themselves must find the same files.
        if cfg.data.stream == "rgb" or cfg.flow.online:
            prepared.check_fingerprints(index, videos)
        return frame_batches(
            videos,
            reader,
            cfg.convnet,
            seed=cfg.seed,
            start_step=start,
            workers=cfg.data.workers,
            balanced=cfg.train.balance == "draws",
        )

    return batches


# ---- training ------------------------------------------------------------------------------------


def _train(
    cfg: RunConfig,
    net: ConvNet,
    params: PyTree,
    batches: Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]],
    identity: Mapping[str, Any],
    weights: np.ndarray | None,
) -> None:
    """Trains in the folder of the stream, from its last checkpoint or from `params`."""
    tx = convnet_optimizer(cfg.convnet)
    mesh = data_mesh(cfg.train.devices, cfg.convnet.batch)
    state = replicate(new_state(params, tx), mesh)
    apply = _with_frozen_layers(net.apply, cfg.convnet)
    loss = convnet_loss(apply, class_weights=weights)
    step = make_step(loss, tx, cfg.seed, mesh=mesh)
    plan = Plan(
        steps=cfg.convnet.steps,
        log_every=cfg.train.log_every,
        save_every=cfg.train.save_every,
        identity=identity,
        about={},
    )
    folder = Workdir(cfg.workdir).convnet(cfg.data.stream)
    fit(state, step, batches, plan, folder=folder, place=lambda batch: spread(batch, mesh))


def _with_frozen_layers(apply: Callable[..., Any], cfg: ConvNetConfig) -> Callable[..., Any]:
    """Returns `apply` without gradients for frozen layers, which saves the backward pass below."""

    def apply_frozen(params: PyTree, *args: Any, **options: Any) -> Any:
        layers = {}
        for layer, leaves in params.items():
            layers[layer] = jax.lax.stop_gradient(leaves) if is_frozen(cfg, layer) else leaves
        return apply(layers, *args, **options)

    return apply_frozen


def _identity(cfg: RunConfig, dataset: Dataset) -> dict[str, Any]:
    """Returns the settings that a checkpoint must have been made with to be resumed."""
    identity = {
        "cell": "convnet",
        "classes": dataset.classes,
        "seed": cfg.seed,
        "data.fps": cfg.data.fps,
        "train.balance": cfg.train.balance,
    }
    for name, value in dataclasses.asdict(cfg.convnet).items():
        identity[f"convnet.{name}"] = value
    return identity


def _input_fingerprints(
    stream: str, videos: Sequence[Video], index: Mapping[str, Any]
) -> dict[str, str]:
    """Returns fingerprints of the training list and of the settings of flow.

    The list contains the videos and their files, so they are left out of the fingerprint of flow.
    """
    rows = []
    for video in videos:
        rows.append([video.name, video.label, video.frames, index["source"].get(video.name)])
    flow = ""
    if stream == "flow":
        settings = {
            name: value for name, value in index.items() if name not in ("frames", "source")
        }
        flow = json_sha256(settings)
    return {"videos": json_sha256(rows), "flow": flow}
