"""The stage `fit_convnet`: fits the backbone of a stream to single frames of the training list."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath
from jax.sharding import Mesh

from videolstm_jax.backbone.start import StartingPoint, starting_backbone_params
from videolstm_jax.clips import balance
from videolstm_jax.clips.draws import ClipDraws, Host
from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.clips.frames import frame_batch_videos, frame_batches
from videolstm_jax.clips.prefetch import prefetched_batches
from videolstm_jax.cluster import team
from videolstm_jax.cluster.watchdog import READING, watchdog
from videolstm_jax.config import ConvNetConfig, RunConfig
from videolstm_jax.dataset.prepared import check_fingerprints
from videolstm_jax.dataset.training_list import list_record
from videolstm_jax.extraction.convnet_scores import CONVNET_SCORES
from videolstm_jax.flow_images.flow_index import check_flow, read_flow_index
from videolstm_jax.flow_images.online import FlowSettings, OnlineFlow
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.network import ImageNetwork
from videolstm_jax.nn.preprocessing import STREAM_CHANNELS, network_picture_fit
from videolstm_jax.sealed_json import SEAL, json_sha256
from videolstm_jax.train.checkpoints.last_checkpoint import latest_checkpoint_step
from videolstm_jax.train.identity import training_identity_of_convnet
from videolstm_jax.train.loop import fit
from videolstm_jax.train.mesh import data_mesh, mesh_text, replicate_on_mesh
from videolstm_jax.train.numerics.divergence import print_divergence
from videolstm_jax.train.optim import is_frozen_in_training, optimizer_of_convnet
from videolstm_jax.train.record import Plan
from videolstm_jax.train.state import new_training_state
from videolstm_jax.train.step import convnet_loss, make_step
from videolstm_jax.types import Dataset, PyTree, Video, names_of
from videolstm_jax.workdir.config_json import save_config
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir, check_layout

# Yields batches of frames and labels from a given step on.
FrameBatches = Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]]


class _Fit(NamedTuple):
    """The fit of one backbone, with all that it reads.

    Attributes:
      cfg: of the run; its preprocessing is that of `start`.
      dataset: all videos.
      videos: the training list.
      index: of the flow, as `prepare` left it.
      reader: of the frames of the stream.
      network: the backbone.
      start: where its training starts.
    """

    cfg: RunConfig
    dataset: Dataset
    videos: Sequence[Video]
    index: Mapping[str, Any]
    reader: FrameReader
    network: ImageNetwork
    start: StartingPoint

    @property
    def folder(self) -> epath.Path:
        """The folder of the backbone."""
        return Workdir(self.cfg.workdir).convnet(self.cfg.data.stream)

    def inputs(self) -> dict[str, str]:
        """Fingerprints of the training list, of flow, and of the weights that it starts from."""
        stream = self.cfg.data.stream
        return _input_fingerprints(stream, self.videos, self.index) | self.start.fingerprints


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
    watchdog().expect(READING)
    # All that can be refused is refused before the folder is locked and written.
    backbone = _open_fit(cfg)
    cfg, videos, classes = backbone.cfg, backbone.videos, backbone.dataset.classes
    mesh = data_mesh(cfg.train.devices, cfg.convnet.batch, cfg.train.shards)
    print(
        f"fits the {cfg.data.stream} backbone to {len(videos)} videos of {len(classes)} classes on "
        f"{mesh_text(mesh)}: {backbone.folder}",
        flush=True,
    )
    lock = team_writer(
        backbone.folder,
        "fit_convnet",
        break_lock=cfg.break_lock,
        # `extract` may be writing these.
        is_ours=lambda target: target.name not in CONVNET_SCORES,
        # `remove_unfinished_checkpoints` removes what a killed process left of a checkpoint.
        below=False,
    )
    with lock:
        balance.print_uneven(cfg.train.balance, videos, classes)
        _train(backbone, mesh)
        if team.current_team().is_first:
            _save_config(backbone)
    return backbone.folder


def _open_fit(cfg: RunConfig) -> _Fit:
    """Opens what the fit of a backbone reads, and makes the backbone."""
    work = Workdir(cfg.workdir)
    check_layout(work)
    dataset = load_dataset(work.dataset)
    videos = dataset.part("train")
    index = read_flow_index(work, cfg.data)
    if cfg.data.stream == "flow":
        check_flow(work, videos, cfg.data.verify)
    channels = STREAM_CHANNELS[cfg.data.stream]
    # Twice: the starting point asks a network for the shapes of its weights, and the weights say
    # which preprocessing the network has.
    network = image_network(cfg.convnet, channels, len(dataset.classes))
    start = starting_backbone_params(network, cfg, dataset)
    # From here on a preprocessing of "auto" is the one that belongs to the weights.
    convnet = dataclasses.replace(cfg.convnet, preprocessing=start.preprocessing)
    cfg = dataclasses.replace(cfg, convnet=convnet)
    network = image_network(convnet, channels, len(dataset.classes))
    reader = _frame_reader(cfg, work, index)
    return _Fit(cfg, dataset, videos, index, reader, network, start)


def _save_config(backbone: _Fit) -> None:
    """Writes config.json, which marks the fit as finished."""
    # Kept in the file as well, where `report` and whoever uses the backbone see it later.
    warnings = print_divergence(backbone.folder, len(backbone.dataset.classes))
    save_config(
        backbone.folder,
        backbone.cfg,
        warnings=warnings,
        convnet=dataclasses.asdict(backbone.cfg.convnet),
        channels=backbone.reader.channels,
        classes=backbone.dataset.classes,
        inputs=backbone.inputs(),
        checkpoint_step=latest_checkpoint_step(backbone.folder / "ckpt"),
        # Videos that the first weights have seen count too: a test list must not have them either.
        trained_on=list_record([*backbone.start.trained_on, *names_of(backbone.videos)]),
    )


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
        fit=network_picture_fit(cfg.data.fit, cfg.data.stream, cfg.convnet.preprocessing),
        flow=work.flow,
        fps=cfg.data.fps,
        online=online,
        workers=cfg.data.workers,
        limit=cfg.data.time_limit,
    )


def _draws(backbone: _Fit) -> ClipDraws:
    """How the frames are drawn; of several hosts each draws its share."""
    host = Host(team.current_team().index, team.current_team().count)
    balanced = backbone.cfg.train.balance == "draws"
    return ClipDraws(backbone.cfg.seed, balanced=balanced, host=host)


def _batches(backbone: _Fit) -> FrameBatches:
    """Returns what yields batches of frames and labels from a given step on."""
    cfg, videos, network = backbone.cfg, backbone.videos, backbone.network
    draws = _draws(backbone)

    def batches_from(start: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        # Stored flow was made of the videos that `prepare` read. Whoever reads the videos
        # themselves must find the same files.
        if cfg.data.stream == "rgb" or cfg.flow.online:
            check_fingerprints(backbone.index, videos)
        batches = frame_batches(
            videos,
            backbone.reader,
            cfg.convnet,
            draws,
            start_step=start,
            workers=cfg.data.workers,
        )
        # Frames are read and prepared in a thread of its own, while the network is trained.
        return prefetched_batches(_prepared(network, batches))

    return batches_from


def _prepared(
    network: ImageNetwork, batches: Iterator[tuple[np.ndarray, np.ndarray]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the batches with their frames as the network reads them."""
    for images, labels in batches:
        yield network.prepare(images), labels


# ---- training ------------------------------------------------------------------------------------


def _train(backbone: _Fit, mesh: Mesh) -> None:
    """Trains from the last checkpoint in the folder, or from the starting point."""
    cfg, classes = backbone.cfg, backbone.dataset.classes
    tx = optimizer_of_convnet(cfg.convnet)
    # `fit` replaces it by the last checkpoint, where there is one of the same identity.
    state = replicate_on_mesh(new_training_state(backbone.start.params, tx), mesh)
    apply = _with_frozen_layers(backbone.network.apply, cfg.convnet)
    weights = balance.class_weights_for_loss(cfg.train.balance, backbone.videos, len(classes))
    loss = convnet_loss(apply, class_weights=weights)
    step = make_step(loss, tx, cfg.seed, mesh=mesh, shards=cfg.train.shards)
    plan = Plan(
        steps=cfg.convnet.steps,
        log_every=cfg.train.log_every,
        save_every=cfg.train.save_every,
        identity=training_identity_of_convnet(cfg, classes, backbone.inputs()),
        about={},
        nonfinite=cfg.train.nonfinite,
        hash_every=cfg.train.hash_every,
        resume=cfg.resume,
        videos_of=partial(frame_batch_videos, backbone.videos, cfg.convnet, _draws(backbone)),
    )
    fit(state, step, _batches(backbone), plan, folder=backbone.folder, mesh=mesh)


def _with_frozen_layers(apply: Callable[..., Any], cfg: ConvNetConfig) -> Callable[..., Any]:
    """Returns `apply` without gradients for frozen layers, which saves the backward pass below."""

    def apply_frozen(params: PyTree, *args: Any, **options: Any) -> Any:
        layers = {}
        for layer, leaves in params.items():
            if is_frozen_in_training(cfg, layer):
                # The optimiser leaves them alone too, but only after their gradients were computed.
                leaves = jax.lax.stop_gradient(leaves)
            layers[layer] = leaves
        return apply(layers, *args, **options)

    return apply_frozen


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
        settings = dict(index)
        # These are of single videos, and are in the list above, where a video of the test list does
        # not count. The digests are of the files, not of how flow is made.
        for name in ("frames", "source", "sha256", SEAL):
            settings.pop(name, None)
        flow = json_sha256(settings)
    return {"videos": json_sha256(rows), "flow": flow}
