"""Fits the ConvNet of one stream to single frames of the training list."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath

from videolstm_jax.artifacts import Workdir, load_dataset, save_config
from videolstm_jax.clips.frames import FrameReader, frame_batches
from videolstm_jax.config import ConvNetConfig, RunConfig
from videolstm_jax.dataset import prepared
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.files import PathLike, json_sha256
from videolstm_jax.nn.vgg import ConvNet, make_convnet
from videolstm_jax.nn.weight_files import is_weight_file, read_weights, sha256_of
from videolstm_jax.nn.weights import starting_leaves, vgg_weights
from videolstm_jax.train.graft import graft, named_leaves
from videolstm_jax.train.loop import Plan, fit
from videolstm_jax.train.mesh import data_mesh, replicate, spread
from videolstm_jax.train.optim import convnet_optimizer, is_frozen
from videolstm_jax.train.state import new_state
from videolstm_jax.train.step import convnet_loss, make_step
from videolstm_jax.trained.backbone import load_convnet
from videolstm_jax.types import Dataset, PyTree, Video
from videolstm_jax.video.online import FlowSettings, OnlineFlow


def run(cfg: RunConfig) -> epath.Path:
    """Writes `convnets/<stream>/`: ckpt/, metrics.jsonl with the frame accuracy, and config.json
    when it is done.

    The stream is `cfg.data.stream`. Only the training list is seen. Frames are drawn at random. The
    preprocessing is that of the weights it starts from, and is kept with the ConvNet. Stopped and
    started again, it goes on where it stopped.

    Returns:
      The folder.

    Raises:
      ConfigError, FileError: no training videos, not prepared as the settings say, or weights that
        cannot be used.
      VideoError: a video is not the one that `prepare` read.
      FileError: the folder holds a ConvNet that was trained with other settings or on other videos.
    """
    work, stream = Workdir(cfg.workdir), cfg.data.stream
    dataset = load_dataset(work.dataset)
    videos = dataset.part("train")
    index = prepared.read_flow_index(work, cfg.data)
    about = {"videos": _list_of(videos, index), "flow": _flow_of(index) if stream == "flow" else ""}
    online = _online(cfg, work, index) if stream == "flow" and cfg.flow.online else None
    reader = FrameReader(
        stream,
        cfg.convnet.image_size,
        flow=work.flow,
        fps=cfg.data.fps,
        online=online,
        workers=cfg.data.workers,
        limit=cfg.data.time_limit,
    )
    net, tx = (
        make_convnet(cfg.convnet, reader.channels, len(dataset.classes)),
        convnet_optimizer(cfg.convnet),
    )
    mesh = data_mesh(cfg.train.devices, cfg.convnet.batch)
    begun = _started(net, cfg, dataset)
    convnet = dataclasses.replace(cfg.convnet, preprocessing=begun.preprocessing)
    cfg, about = dataclasses.replace(cfg, convnet=convnet), about | begun.about
    state = replicate(new_state(begun.params, tx), mesh)
    step = make_step(convnet_loss(_holding(net.apply, cfg.convnet)), tx, cfg.seed, mesh=mesh)
    plan = Plan(
        steps=cfg.convnet.steps,
        log_every=cfg.train.log_every,
        save_every=cfg.train.save_every,
        identity=_identity(cfg, dataset) | about,
        about={},
    )
    folder = work.convnet(stream)
    print(
        f"fits the {stream} ConvNet to {len(videos)} videos of {len(dataset.classes)} classes: {folder}",
        flush=True,
    )

    def batches(start: int):
        if stream == "rgb" or online:
            prepared.check_fingerprints(index, videos)
        return frame_batches(
            videos,
            reader,
            cfg.convnet,
            seed=cfg.seed,
            start_step=start,
            workers=cfg.data.workers,
        )

    fit(state, step, batches, plan, folder=folder, place=lambda batch: spread(batch, mesh))
    save_config(
        folder,
        cfg,
        convnet=dataclasses.asdict(cfg.convnet),
        channels=reader.channels,
        classes=dataset.classes,
        inputs=about,
    )
    return folder


def _online(
    cfg: RunConfig, work: Workdir, index: Mapping[str, Any]
) -> Callable[[PathLike, int, int], np.ndarray]:
    """Makes the flow of the pairs that are drawn, where none is stored."""
    settings = FlowSettings.of(index, work.flow / "index.json")
    return OnlineFlow(settings, workers=cfg.data.workers, limit=cfg.data.time_limit).read


class _Beginning(NamedTuple):
    """Where training starts: parameters, the preprocessing that belongs to them, and what they came
    from.
    """

    params: PyTree
    preprocessing: str
    about: dict[str, str]


def _started(net: ConvNet, cfg: RunConfig, dataset: Dataset) -> _Beginning:
    """Random parameters, those of another ConvNet of ours, or of a file of ImageNet weights."""
    params = jax.jit(net.init)(jax.random.key(cfg.seed))
    if not cfg.convnet.weights:
        if cfg.convnet.norm == "none":
            print(
                "starts from random numbers; --convnet.weights takes weights of ImageNet, as the paper's ConvNets "
                "had (docs/convnets.md)",
                flush=True,
            )
        return _Beginning(params, _agreed(cfg.convnet, "", "caffe"), {})
    path = epath.Path(cfg.convnet.weights.replace("{stream}", cfg.data.stream))
    begin = _from_file if is_weight_file(path) else _from_folder
    try:
        return begin(params, path, cfg.convnet, dataset)
    except FileError as error:
        raise ConfigError(f"the weights in {path} do not fit: {error}") from error


def _from_file(
    params: PyTree, path: epath.Path, cfg: ConvNetConfig, dataset: Dataset
) -> _Beginning:
    """ImageNet's layers but the last, the first one averaged and repeated for flow."""
    weights, names = vgg_weights(read_weights(path)), named_leaves(params)
    if not weights.preprocessing and cfg.preprocessing == "auto":
        raise ConfigError(
            f"{path} does not say how its images were preprocessed; expected "
            "--convnet.preprocessing=caffe or torch"
        )
    _scaled_as(cfg, 1.0, path)
    preprocessing = _agreed(cfg, str(path), weights.preprocessing or cfg.preprocessing)
    leaves = starting_leaves(weights, names, names["block1_conv1.kernel"].shape[2])
    begun = _Beginning(graft(params, leaves), preprocessing, {"weights": sha256_of(path)})
    fresh = sorted({name.partition(".")[0] for name in names if name not in leaves})
    print(
        f"starts from {path}, preprocessed as {preprocessing}; {', '.join(fresh)} from random numbers",
        flush=True,
    )
    return begun


def _from_folder(
    params: PyTree, folder: epath.Path, cfg: ConvNetConfig, dataset: Dataset
) -> _Beginning:
    """Another walk's ConvNet of the stream; its last layer too where the classes are the same."""
    if not (folder / "config.json").exists():
        raise ConfigError(
            f"ConvNetConfig.weights is {cfg.weights!r}; expected the folder of a ConvNet that the stage "
            "fit_convnet trained, such as other-work/convnets/rgb, or a file of ImageNet weights, .h5, "
            ".pth, .safetensors or .npz"
        )
    found = load_convnet(folder)
    _scaled_as(cfg, found.config.pixel_scale, folder)
    preprocessing = _agreed(cfg, str(folder), found.config.preprocessing)
    same = found.classes == dataset.classes
    leaves = {
        name: leaf
        for name, leaf in named_leaves(found.params).items()
        if same or not name.startswith("logits.")
    }
    return _Beginning(graft(params, leaves), preprocessing, {"weights": found.sha256})


def _scaled_as(cfg: ConvNetConfig, theirs: float, path: epath.Path) -> None:
    if theirs != cfg.pixel_scale:
        raise ConfigError(
            f"ConvNetConfig.pixel_scale is {cfg.pixel_scale}; the weights in {path} were trained with "
            f"{theirs}"
        )


def _agreed(cfg: ConvNetConfig, path: str, theirs: str) -> str:
    """The preprocessing to use; with weights there is no choice."""
    if cfg.preprocessing == "auto":
        return theirs
    if path and cfg.preprocessing != theirs:
        raise ConfigError(
            f"ConvNetConfig.preprocessing is {cfg.preprocessing!r}; the weights in {path} were trained "
            f"with {theirs!r}"
        )
    return cfg.preprocessing


def _holding(apply: Callable[..., Any], cfg: ConvNetConfig) -> Callable[..., Any]:
    """`apply` with no gradient for frozen layers, which also saves the backward pass below them."""

    def held(params: PyTree, *args: Any, **options: Any) -> Any:
        params = {
            layer: jax.lax.stop_gradient(leaves) if is_frozen(cfg, layer) else leaves
            for layer, leaves in params.items()
        }
        return apply(params, *args, **options)

    return held


def _identity(cfg: RunConfig, dataset: Dataset) -> dict[str, Any]:
    """What a ConvNet must have been trained with to be gone on with."""
    settings = {f"convnet.{name}": value for name, value in dataclasses.asdict(cfg.convnet).items()}
    return {
        "cell": "convnet",
        "classes": dataset.classes,
        "seed": cfg.seed,
        "data.fps": cfg.data.fps,
        **settings,
    }


def _list_of(videos: list[Video], index: Mapping[str, Any]) -> str:
    return json_sha256(
        [
            [video.name, video.label, video.frames, index["source"].get(video.name)]
            for video in videos
        ]
    )


def _flow_of(index: Mapping[str, Any]) -> str:
    """Of how flow was made; which videos it was made of, the list says."""
    return json_sha256(
        {name: value for name, value in index.items() if name not in ("frames", "source")}
    )
