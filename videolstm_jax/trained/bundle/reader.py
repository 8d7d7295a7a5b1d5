"""Reads a bundle and checks all of it; needs neither TensorFlow nor orbax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
import safetensors.numpy
from etils import epath

from videolstm_jax import files
from videolstm_jax.backbone.block import TrainedBlock, trained_block_params_like
from videolstm_jax.backbone.convnet import TrainedBackbone
from videolstm_jax.config import LocalizeConfig
from videolstm_jax.errors import FileError
from videolstm_jax.files import reading
from videolstm_jax.flow_images.online import FlowSettings
from videolstm_jax.folders import leads_out_by_link
from videolstm_jax.json_records import parse_record
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.network import ImageNetwork, network_params_for_layers, tapped_network
from videolstm_jax.sealed_json import json_sha256, parse_json
from videolstm_jax.train.graft import named_param_leaves
from videolstm_jax.trained.bundle.agreement import bundle_record_problem, bundle_tensors_problem
from videolstm_jax.trained.bundle.record import BundleRecord, bundle_settings_problem
from videolstm_jax.trained.bundle.writer import (
    CELL_FILE,
    RECORD,
    VERSIONS,
    bundled_backbone_file,
    bundled_params,
)
from videolstm_jax.trained.foreground import foreground_axis_of
from videolstm_jax.trained.functions import Scales
from videolstm_jax.trained.place import StoredModel

if TYPE_CHECKING:
    from videolstm_jax.files import PathLike
    from videolstm_jax.types import PyTree


class BundleFolder(NamedTuple):
    """A bundle as a place that a model was read from; see `place.Place`."""

    folder: epath.Path
    record: Mapping[str, Any]
    backbones: Mapping[str, TrainedBackbone]
    localize: LocalizeConfig

    @property
    def fps(self) -> float:
        """The rate that videos were resampled to; 0 is their own."""
        return self.record["fps"]

    @property
    def fit(self) -> str:
        """How frames are brought to a square: the setting `data.fit`."""
        return self.record.get("fit", "squash")

    def backbone(self, stream: str) -> tuple[epath.Path, TrainedBackbone]:
        """The backbone of a stream, read and checked when the bundle was loaded."""
        return self.folder, self.backbones[stream]

    def feature_dtype(self, stream: str, layer: str) -> str:
        """The dtype that the features of a layer are rounded to."""
        return self.record["backbones"][stream]["layers"][layer]

    def flow_settings(self) -> FlowSettings:
        """The settings of the flow images that the model was trained on."""
        return FlowSettings.of(self.record["flow"], self.folder / RECORD)

    def localize_settings(self) -> LocalizeConfig:
        """The settings that boxes are made with."""
        return self.localize

    def provenance(self) -> dict[str, Any]:
        """How the model came about, as the bundle records it."""
        return dict(self.record["provenance"])

    def results(self) -> dict[str, Any]:
        """The measured results, as the bundle records them."""
        return dict(self.record["results"])


def is_bundle(path: PathLike) -> bool:
    """Whether a folder is that of a bundle, be it one that lacks a file."""
    folder = epath.Path(path)
    return (folder / RECORD).exists() or (folder / CELL_FILE).exists()


def read_bundle(path: PathLike) -> tuple[StoredModel, BundleFolder]:
    """Reads a bundle and checks all of it.

    Raises:
      FileError: a file is missing, damaged or edited, of another version of the format, or does not
        hold the parameters that model.json describes; or the cell is in a module that cannot be
        imported here.
    """
    folder = epath.Path(path)
    # Values and their agreement first: a large file is read only where the record makes sense.
    plain_record, record = _read_record(folder / RECORD)
    with reading(folder / RECORD):
        block = _block(record)
        cell_shapes = _shapes("model", lambda _: trained_block_params_like(record.model, block))
        networks = _networks(record)
    arrays = {}
    for name, sha256 in record.files.items():
        arrays[name] = _read_file(folder, name, sha256)
    params = _filled(cell_shapes, arrays[CELL_FILE], folder / CELL_FILE)
    backbones = _backbones(record, networks, arrays, folder)
    stored = _stored_model(record, params, block, plain_record["extractors"])
    return stored, BundleFolder(folder, plain_record, backbones, record.localize)


def _networks(record: BundleRecord) -> dict[str, tuple[ImageNetwork, PyTree]]:
    """The image network of each stream, with the shapes of its parameters."""
    networks = {}
    for stream, row in record.backbones.items():
        network = image_network(row.convnet, row.channels, len(record.classes))
        if stream == record.stream:
            network = tapped_network(network, record.backbone_from)
        networks[stream] = (network, _shapes(f"backbones.{stream}", network.init))
    return networks


def _backbones(
    record: BundleRecord,
    networks: Mapping[str, tuple[ImageNetwork, PyTree]],
    arrays: Mapping[str, Mapping[str, np.ndarray]],
    folder: epath.Path,
) -> dict[str, TrainedBackbone]:
    """The backbone of each stream.

    Args:
      record: of the bundle.
      networks: of `_networks`.
      arrays: of each file, by their names.
      folder: of the bundle, for messages.
    """
    backbones = {}
    for stream, row in record.backbones.items():
        name = bundled_backbone_file(stream)
        network, shapes = networks[stream]
        params = _needed(network, shapes, tuple(row.layers), arrays[name], folder / name)
        backbones[stream] = TrainedBackbone(
            params, row.convnet, row.channels, record.classes, row.sha256, fit=record.fit
        )
    return backbones


def _stored_model(
    record: BundleRecord, params: PyTree, block: TrainedBlock | None, extractors: Mapping[str, Any]
) -> StoredModel:
    """The typed record and its parameters, as the record that the rest of the project uses."""
    videos = ()
    if record.trained_on:
        videos = record.trained_on.videos
    foreground = None
    if record.foreground:
        foreground = foreground_axis_of(record.foreground)
    scales = Scales(record.scales.x, record.scales.motion)
    return StoredModel(
        record.model,
        params,
        scales,
        record.classes,
        record.stream,
        extractors,
        videos,
        block,
        foreground,
    )


def _block(record: BundleRecord) -> TrainedBlock | None:
    """The part of the backbone that was trained with the cell; None without one."""
    if not record.backbone_from:
        return None
    row = record.backbones[record.stream]
    return TrainedBlock(
        row.convnet, row.channels, len(record.classes), record.backbone_from, record.layers.x
    )


def _read_record(path: epath.Path) -> tuple[dict[str, Any], BundleRecord]:
    """The content of model.json, of this version and unchanged, plain and as a typed record."""
    encoded = files.read_existing(path, made_by="bundle")
    plain_record = parse_json(encoded, path)
    problem = _version_problem(plain_record) or bundle_settings_problem(plain_record)
    if problem:
        raise FileError(f"{path}: {problem}")
    # Fields before the sum: a wrong value is named, where the sum only says that there is one.
    record = parse_record(encoded, BundleRecord, path)
    # A cell of the user's own is imported to be compared, which may fail.
    with reading(path):
        problem = _sum_problem(plain_record) or bundle_record_problem(record)
    if problem:
        raise FileError(f"{path}: {problem}")
    return plain_record, record


def _version_problem(record: Any) -> str:
    """Why a content is not the record of a bundle of this version; empty where it is."""
    if not isinstance(record, dict) or "version" not in record or "sha256" not in record:
        return "not the record of a bundle; expected version and sha256"
    # The version first: of another format even the sum may be made in another way.
    if record["version"] not in VERSIONS:
        *earlier, last = map(str, VERSIONS)
        return (
            f"the format has version {record['version']!r}; this program reads "
            f"{', '.join(earlier)} and {last}"
        )
    return ""


def _sum_problem(record: Mapping[str, Any]) -> str:
    """Whether the content is not the one that was written; empty where it is."""
    # The sum is of all fields but itself.
    summed = dict(record)
    del summed["sha256"]
    try:
        actual = json_sha256(summed)
    except ValueError as error:
        # Python reads 1e400 as infinity, which JSON cannot hold; it is in no field known here.
        return f"has a number that is too large: {error}"
    if actual != record["sha256"]:
        return "the content has been changed: its sha256 does not agree"
    return ""


def _shapes(name: str, init: Callable[..., PyTree]) -> PyTree:
    """The shapes of the parameters that `init` draws."""
    try:
        return jax.eval_shape(init, jax.random.key(0))
    # Sizes of which each is possible may not be possible together, as JAX says in its own errors.
    except Exception as error:
        cause = str(error).strip().partition("\n")[0]
        raise FileError(f"{name} describes no network: {cause}") from error


def _read_file(folder: epath.Path, name: str, sha256: str) -> dict[str, np.ndarray]:
    """The arrays of one safetensors file."""
    path = folder / name
    problem = f"is missing; expected it beside {RECORD}, which lists it"
    encoded = b""
    if leads_out_by_link(folder, path):
        problem = "is a symbolic link that leads out of the bundle; expected the file itself"
    elif path.exists():
        # Read once, so that the bytes that were checked are the bytes that are used.
        encoded = path.read_bytes()
        actual = files.bytes_sha256(encoded)
        problem = ""
        if actual != sha256:
            problem = f"is damaged: its sha256 is {actual[:16]}; expected {sha256[:16]}"
    if problem:
        raise FileError(f"{path} {problem}")
    # The package raises its own error and several of Python's.
    with reading(path, "cannot be read as safetensors", Exception):
        return safetensors.numpy.load(encoded)


def _needed(
    network: ImageNetwork,
    like: PyTree,
    layers: tuple[str, ...],
    arrays: dict[str, np.ndarray],
    path: epath.Path,
) -> PyTree:
    """The parameters of a backbone; those that its layers do not need take no memory."""
    # NumPy has no arrays of more than a size that a record may still give.
    with reading(path.parent / RECORD, "describes no network", ValueError):
        needed = bundled_params(network, like, layers)
    return network_params_for_layers(network, like, layers) | _filled(needed, arrays, path)


def _filled(like: PyTree, arrays: dict[str, np.ndarray], path: epath.Path) -> PyTree:
    """The tree `like` with the arrays of a file as its leaves, which must fit exactly."""
    leaves = named_param_leaves(like)
    problem = bundle_tensors_problem(arrays, leaves)
    if problem:
        raise FileError(f"{path}: {problem}")
    # In the order of the leaves of `like`; the file has its tensors in an order of its own.
    ordered = map(arrays.__getitem__, leaves)
    return jax.device_put(jax.tree.unflatten(jax.tree.structure(like), ordered))
