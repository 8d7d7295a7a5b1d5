"""Fits the ConvNet of one stream to single frames of the training list."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
from etils import epath

from videolstm_jax.artifacts import ArtifactError, Workdir, load_dataset, read_json, save_config
from videolstm_jax.config import ConfigError, RunConfig
from videolstm_jax.data.frames import FrameReader, frame_batches
from videolstm_jax.nn.vgg import ConvNet, make_convnet
from videolstm_jax.train.graft import GraftError, graft, named_leaves
from videolstm_jax.train.loop import Plan, fit
from videolstm_jax.train.mesh import data_mesh, replicate, spread
from videolstm_jax.train.optim import convnet_optimizer
from videolstm_jax.train.runs import fingerprint, load_convnet
from videolstm_jax.train.state import new_state
from videolstm_jax.train.step import convnet_loss, make_step
from videolstm_jax.types import Dataset, PyTree, Video


def run(cfg: RunConfig) -> epath.Path:
    """Writes `convnets/<stream>/`: ckpt/, metrics.jsonl with the frame accuracy, and config.json when it is done.

    The stream is `cfg.data.stream`. Only the training list is seen. Frames are drawn at random; the learning rate
    falls to zero as a cosine. Stopped and started again, it goes on where it stopped.

    Returns:
      The folder.

    Raises:
      ConfigError, ArtifactError: no training videos, no flow, or weights that cannot be used.
      CheckpointError: the folder holds a ConvNet that was trained with other settings or on other videos.
    """
    work, stream = Workdir(cfg.workdir), cfg.data.stream
    dataset = load_dataset(work.dataset)
    videos = [video for video in dataset.videos if video.part == "train"]
    if not videos:
        raise ArtifactError(f"{work.dataset}: lists no training videos; expected at least one")
    about = {"videos": _list_of(videos), "flow": _flow_of(work) if stream == "flow" else ""}
    reader = FrameReader(stream, cfg.convnet.image_size, flow=work.flow, fps=cfg.data.fps)
    net, tx = make_convnet(cfg.convnet, reader.channels, len(dataset.classes)), convnet_optimizer(cfg.convnet)
    mesh = data_mesh(cfg.train.devices, cfg.convnet.batch)
    params = _started(net, cfg, dataset)
    state = replicate(new_state(params, tx), mesh)
    step = make_step(convnet_loss(net.apply), tx, cfg.seed, mesh=mesh)
    plan = Plan(steps=cfg.convnet.steps, log_every=cfg.train.log_every, save_every=cfg.train.save_every,
                identity=_identity(cfg, dataset) | about, about={})
    folder = work.convnet(stream)
    print(f"fits the {stream} ConvNet to {len(videos)} videos of {len(dataset.classes)} classes: {folder}", flush=True)

    def batches(start: int):
        return frame_batches(videos, reader, batch=cfg.convnet.batch, seed=cfg.seed, start_step=start,
                             flip=cfg.convnet.flip, shift=cfg.convnet.shift, pixel_scale=cfg.convnet.pixel_scale,
                             workers=cfg.data.workers)

    fit(state, step, batches, plan, folder=folder, place=lambda batch: spread(batch, mesh))
    save_config(folder, cfg, convnet=dataclasses.asdict(cfg.convnet), channels=reader.channels,
                classes=dataset.classes, inputs=about)
    return folder


def _started(net: ConvNet, cfg: RunConfig, dataset: Dataset) -> PyTree:
    """Random parameters, or those of another ConvNet; its last layer too where the classes are the same."""
    params = jax.jit(net.init)(jax.random.key(cfg.seed))
    if not cfg.convnet.weights:
        return params
    folder = epath.Path(cfg.convnet.weights.replace("{stream}", cfg.data.stream))
    if not (folder / "config.json").exists():
        raise ConfigError(f"ConvNetConfig.weights is {cfg.convnet.weights!r}; expected the folder of a ConvNet that "
                          "the stage fit_convnet trained, such as other-work/convnets/rgb")
    found = load_convnet(folder)
    if found.config.pixel_scale != cfg.convnet.pixel_scale:
        raise ConfigError(f"ConvNetConfig.pixel_scale is {cfg.convnet.pixel_scale}; the weights in {folder} were "
                          f"trained with {found.config.pixel_scale}")
    same = found.classes == dataset.classes
    leaves = {name: leaf for name, leaf in named_leaves(found.params).items() if same or not name.startswith("logits.")}
    try:
        return graft(params, leaves)
    except GraftError as error:
        raise ConfigError(f"the weights in {folder} do not fit: {error}") from error


def _identity(cfg: RunConfig, dataset: Dataset) -> dict[str, Any]:
    """What a ConvNet must have been trained with to be gone on with."""
    settings = {f"convnet.{name}": value for name, value in dataclasses.asdict(cfg.convnet).items()}
    return {"cell": "convnet", "classes": dataset.classes, "seed": cfg.seed, "data.fps": cfg.data.fps, **settings}


def _list_of(videos: list[Video]) -> str:
    return fingerprint([[video.name, video.label, video.frames] for video in videos])


def _flow_of(work: Workdir) -> str:
    return fingerprint(read_json(work.flow / "index.json", made_by="prepare"))
