"""Writes a bundle: one folder with all that a trained model needs, for another machine.

A bundle holds `model.json`, the parameters as safetensors files, and README.md, a card for people.
`model.json` lists the sha256 of every parameter file and of its own content, so that
`reader` can refuse a damaged or edited bundle.
"""

from __future__ import annotations

import dataclasses
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy
from etils import epath

from videolstm_jax import files
from videolstm_jax.backbone.convnet import Backbone, backbone_fit_entry
from videolstm_jax.dataset.training_list import KEY, list_record
from videolstm_jax.errors import FileError
from videolstm_jax.nn.network import ImageNetwork, network_params_for_layers
from videolstm_jax.sealed_json import json_sha256
from videolstm_jax.train.graft import named_param_leaves
from videolstm_jax.trained.bundle.card import bundle_card
from videolstm_jax.trained.foreground import foreground_entry

if TYPE_CHECKING:
    from videolstm_jax.config import LocalizeConfig
    from videolstm_jax.files import PathLike
    from videolstm_jax.trained.model import TrainedModel
    from videolstm_jax.types import PyTree

BUNDLE_FORMAT = "videolstm-jax bundle"
VERSIONS = (1, 2, 3, 4)
"""Versions of the format that are read; a new one is for what older programs would read wrongly.

Version 2 is of models whose frames are not squashed; an older program would squash them. Version 3
is of models that have the upper part of a backbone, which an older program would not compute.
Version 4 is of models whose boxes are made of the foreground, of which an older program does not
know the axis. All others are still written as version 1.
"""
RECORD = "model.json"
CARD = "README.md"
CELL_FILE = "model.safetensors"
PACKAGES = ("videolstm-jax", "jax", "flax", "numpy")
"""Packages whose versions a bundle records."""


def write_bundle(model: TrainedModel, folder: PathLike) -> epath.Path:
    """Writes a model that was read from a run or another bundle.

    The same model gives the same bytes.

    Args:
      model: the model.
      folder: where to; it must not exist yet.

    Returns:
      The folder.

    Raises:
      FileError: the folder exists, or something that the model needs is missing or damaged.
    """
    folder = epath.Path(folder)
    if folder.exists():
        raise FileError(f"{folder} exists; expected the path of a new folder")
    # Everything is read before the first byte is written: a backbone may be missing.
    backbones = list(map(model.backbone, model.layers_by_stream()))
    encoded_files = {CELL_FILE: safetensors.numpy.save(_arrays(model.params))}
    for backbone in backbones:
        trained = backbone.trained
        params = bundled_params(trained.network, trained.params, tuple(backbone.dtypes))
        encoded_files[bundled_backbone_file(backbone.stream)] = safetensors.numpy.save(
            _arrays(params)
        )
    record = _record(model, backbones)
    record["files"] = {}
    for name, encoded in encoded_files.items():
        record["files"][name] = files.bytes_sha256(encoded)
    # Last, since it is of all fields. The card is for people, who may edit it, and has no sum.
    record["sha256"] = json_sha256(record)
    encoded_files[CARD] = bundle_card(record).encode()

    # Beside its place first, so that no half-written bundle ever has the name of a whole one.
    beside = files.path_beside(folder)
    try:
        for name, encoded in encoded_files.items():
            files.write_bytes(beside / name, encoded)
        files.write_json(beside / RECORD, record)
        beside.rename(folder)
    finally:
        if beside.exists():
            beside.rmtree()
    return folder


def _record(model: TrainedModel, backbones: list[Backbone]) -> dict[str, Any]:
    """The content of model.json but for its sums."""
    layers = model.layers_by_stream()
    extractors = {}
    for name, extractor in model.extractors.items():
        extractors[name] = dict(extractor)
    backbone_records = {}
    for backbone in backbones:
        backbone_records[backbone.stream] = _backbone_record(backbone)
    # A model on RGB alone has no flow, and null says so.
    flow = None
    if "flow" in layers:
        flow = model.place.flow_settings()._asdict()
    block = {}
    if model.block is not None:
        block = {"backbone_from": model.block.first}
    settings = model.place.localize_settings()
    training_list = None
    if model.trained_on:
        training_list = list_record(model.trained_on)
    return {
        "format": BUNDLE_FORMAT,
        "version": _bundle_version(model, settings),
        "classes": list(model.classes),
        "model": dataclasses.asdict(model.config),
        "layers": model.cell.layers._asdict(),
        "stream": model.stream,
        "scales": model.scales._asdict(),
        "fps": model.place.fps,
        **backbone_fit_entry(model.place.fit),
        **block,
        **foreground_entry(model.foreground),
        "extractors": extractors,
        "backbones": backbone_records,
        "flow": flow,
        # The score file that tubes may be scored with belongs to a test list, and stays behind.
        "localize": dataclasses.asdict(settings) | {"scores": ""},
        "provenance": model.place.provenance(),
        "results": model.place.results(),
        KEY: training_list,
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _bundle_version(model: TrainedModel, settings: LocalizeConfig) -> int:
    """The oldest version of the format that can say what this model does.

    Older programs go on reading bundles that need nothing of the later versions.
    """
    # An axis that no box is made of changes nothing for an older program.
    if settings.input == "foreground" and model.foreground is not None:
        return 4
    if model.block is not None:
        return 3
    if model.place.fit != "squash":
        return 2
    return 1


def _backbone_record(backbone: Backbone) -> dict[str, Any]:
    return {
        "convnet": dataclasses.asdict(backbone.trained.config),
        "channels": backbone.trained.channels,
        "layers": dict(backbone.dtypes),
        # The first sum is of all parameters, also of those that the bundle leaves out: it names
        # the backbone in `extractors`.
        **backbone.about(),
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a checkout that was not installed
        return "unknown"


def _arrays(params: PyTree) -> dict[str, np.ndarray]:
    return {name: np.asarray(leaf) for name, leaf in named_param_leaves(params).items()}


def bundled_params(network: ImageNetwork, params: PyTree, layers: tuple[str, ...]) -> PyTree:
    """The parameters of a backbone that these layers depend on, without the others."""
    # What is not needed has been replaced by zeros without memory; the rest is the same object.
    reduced = network_params_for_layers(network, params, layers)
    return {name: part for name, part in params.items() if reduced[name] is part}


def bundled_backbone_file(stream: str) -> str:
    """The name of the file with the parameters of the backbone of a stream."""
    return f"{stream}.safetensors"
