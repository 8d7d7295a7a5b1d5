"""The backbone of a stream together with the stores that its layers are written to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath

from videolstm_jax.backbone.convnet import (
    TrainedBackbone,
    backbone_fit_entry,
    check_backbone,
    check_backbone_fit,
    load_convnet,
    recorded_backbone_fit,
)
from videolstm_jax.clips.blocks import BackboneImages, FrameBlock
from videolstm_jax.config import RunConfig
from videolstm_jax.dataset.training_list import check_test_list
from videolstm_jax.errors import FileError
from videolstm_jax.features.index import StoreHead, read_feature_file_if_exists
from videolstm_jax.features.shards import Shard
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.nn.network import find_network_block
from videolstm_jax.nn.preprocessing import network_pixels
from videolstm_jax.types import Dataset, Video, View, names_of
from videolstm_jax.workdir.layout import Workdir

BLOCK = 32
"""Frames of a pass; a video's last block is filled up, so that only one shape is compiled."""


class ExtractionJob(NamedTuple):
    """What an extraction works on.

    Attributes:
      cfg: of the whole run.
      work: the work folder.
      dataset: all videos.
      index: of the flow, as `prepare` left it.
      shard: this worker's share of the videos.
    """

    cfg: RunConfig
    work: Workdir
    dataset: Dataset
    index: Mapping[str, Any]
    shard: Shard

    @property
    def views(self) -> tuple[View, ...]:
        """The views of the videos that have features."""
        if self.cfg.data.mirrored:
            return ("filmed", "mirrored")
        return ("filmed",)

    def videos_of(self, view: View) -> Sequence[Video]:
        """The videos that a view has features of: all as filmed, the training list mirrored."""
        # Validation and test videos are only read as they were filmed.
        if view == "mirrored":
            return self.dataset.listed("train")
        return self.dataset.videos


class BackboneWithStores(NamedTuple):
    """The backbone of one stream.

    Attributes:
      apply: inputs of the backbone [BLOCK, ..] to the features of each layer.
      images: that it reads.
      writers: by view, of the store of each layer.
      trained_on: the `training_list` of the backbone.
    """

    apply: Callable[[np.ndarray], Mapping[str, jax.Array]]
    images: BackboneImages
    writers: Mapping[View, Mapping[str, FeatureWriter]]
    trained_on: tuple[str, ...] = ()


def backbone_to_extract_with(job: ExtractionJob, stream: str) -> TrainedBackbone:
    """Loads the backbone of a stream.

    Raises:
      ConfigError: the backbone is another one than that of the settings, or has no block as
        `train.backbone_from` names it.
      FileError: no backbone, or one of other classes; or it was trained on some of the test videos,
        unless `eval.allow_trained`.
    """
    folder = job.work.convnet(stream)
    trained = load_convnet(folder)
    if trained.classes != job.dataset.classes:
        raise FileError(
            f"{folder}: the backbone has the classes {', '.join(trained.classes)}; "
            f"{job.work.dataset} lists {', '.join(job.dataset.classes)}; expected the same"
        )
    check_backbone(job.cfg, stream, trained.config.backbone, folder)
    check_backbone_fit(job.cfg, trained.fit, folder)
    # Now, before hours of extraction: recurrent models on these features would be as wrong.
    tests = names_of(job.dataset.listed("test"))
    check_test_list(tests, trained.trained_on, folder, allowed=job.cfg.eval.allow_trained)
    if job.cfg.train.backbone_from:
        trained = trained._replace(
            tap=find_network_block(trained.network, job.cfg.train.backbone_from)
        )
    return trained


def open_stores_to_extract_to(
    job: ExtractionJob, trained: TrainedBackbone, stream: str
) -> BackboneWithStores:
    """Opens the stores of the layers of a backbone.

    Of several workers, one at a time may do so: the files that they share are written here.

    Raises:
      FileError: features of another backbone in the folders.
    """
    network = trained.network
    writers = {}
    for view in job.views:
        writers[view] = _open_writers(job, trained, stream, view)
    # Compiled once and for all layers together: they share the convolutions.
    apply = jax.jit(network.apply)
    return BackboneWithStores(
        apply=lambda images: apply(trained.params, images),
        images=BackboneImages(
            stream, trained.config.image_size, trained.picture_fit, network.prepare
        ),
        writers=writers,
        trained_on=trained.trained_on,
    )


def _open_writers(
    job: ExtractionJob, trained: TrainedBackbone, stream: str, view: View
) -> dict[str, FeatureWriter]:
    """Opens the stores of all layers of a backbone, of one view of the videos."""
    network = trained.network
    about = _about(job, trained, stream)
    # Stores of earlier versions are all as filmed and have no such field.
    if view == "mirrored":
        about["view"] = view
    writers = {}
    for layer, shape in network.layers.items():
        # uint8 holds nothing below zero.
        dtype = job.cfg.data.feature_dtype
        if layer in network.signed:
            dtype = "float16"
        folder = job.work.features(stream, layer, view)
        _check_store(job.cfg, folder)
        writers[layer] = FeatureWriter(
            folder,
            shape,
            about | {"layer": layer},
            dtype=dtype,
            worker=job.shard.worker,
            source=job.index["source"],
        )
    return writers


def _about(job: ExtractionJob, trained: TrainedBackbone, stream: str) -> dict[str, Any]:
    """Returns what the index of a store keeps of its origin."""
    flow = {}
    if stream == "flow":
        # An index of an earlier version lacks some of them; `fit` is absent where it is squash.
        for name in ("method", "width", "height", "shorter_side", "fit", "bound", "image"):
            if name in job.index:
                flow[name] = job.index[name]
    # As the backbone was fitted, whatever the settings of this run say.
    cfg = trained.config
    mean, scale = network_pixels(stream, cfg.preprocessing, cfg.pixel_scale)
    return {
        "stream": stream,
        "backbone": trained.network.identity,
        "convnet": dataclasses.asdict(cfg),
        "sha256": trained.sha256,
        "preprocessing": {
            **_resizing(trained.fit),
            "side": cfg.image_size,
            "order": "RGB",
            "name": cfg.preprocessing,
            "mean": mean,
            "scale": scale,
            "fps": job.cfg.data.fps,
            "max_frames": job.cfg.data.max_frames,
            "flow": flow,
        },
    }


def _resizing(fit: str) -> dict[str, str]:
    """How frames were brought to the square; the field of `squash` is that of earlier stores."""
    if fit == "squash":
        return {"squash": "bilinear"}
    return {"resize": "bilinear", **backbone_fit_entry(fit)}


def _check_store(cfg: RunConfig, folder: epath.Path) -> None:
    """Refuses a folder with features of frames of another `data.fit`, in a line of its own."""
    for path in (folder / "index.json", folder / "about.json"):
        head = read_feature_file_if_exists(path, StoreHead)
        if head is not None and isinstance(head.about, dict):
            check_backbone_fit(cfg, recorded_backbone_fit(head.about), path)


def extracted_features_of_images(
    images: np.ndarray, backbone: BackboneWithStores
) -> dict[str, np.ndarray]:
    """Runs the backbone on its inputs [n, ..], filled up with zeros to BLOCK of them."""
    # Filled up, or the last block of each video would compile a program of its own.
    padded = np.zeros((BLOCK, *images.shape[1:]), np.float32)
    padded[: len(images)] = images
    features = jax.device_get(backbone.apply(padded))
    # Those of the zeros that filled the block up are cut off.
    return {layer: maps[: len(images)] for layer, maps in features.items()}


def write_extracted_features(
    last_block: FrameBlock,
    features: Sequence[Mapping[str, np.ndarray]],
    writers: Mapping[str, FeatureWriter],
) -> None:
    """Writes the features of all blocks of one view of a video, each layer to its store."""
    beside = {}
    if last_block.flow_range:
        # Known after the last block only, and kept in the notes until the warnings are printed.
        beside = {"motion": last_block.flow_range}
    for layer, writer in writers.items():
        # A store that was finished before another layer was asked for stays as it is.
        if writer.done(last_block.video.name):
            continue
        blocks = []
        for block_features in features:
            blocks.append(block_features[layer])
        # At once: a video's file of records is written whole or not at all.
        writer.write(last_block.video.name, np.concatenate(blocks), **beside)
