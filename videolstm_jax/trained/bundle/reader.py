"""Reads a bundle and checks all of it; needs neither TensorFlow nor orbax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
import safetensors.numpy
from etils import epath

from videolstm_jax import files
from videolstm_jax.config import LocalizeConfig, ModelConfig
from videolstm_jax.core.cells import find_cell
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.flow_images.online import FlowSettings
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.network import ImageNetwork, params_for_layers
from videolstm_jax.nn.preprocessing import PREPROCESSING, pixels
from videolstm_jax.train.graft import named_leaves
from videolstm_jax.trained.backbone.convnet import TrainedConvNet, convnet_config
from videolstm_jax.trained.bundle.record import check_fields
from videolstm_jax.trained.bundle.writer import (
    CELL_FILE,
    FORMAT_VERSION,
    RECORD,
    backbone_file,
    needed_params,
)
from videolstm_jax.trained.functions import Scales
from videolstm_jax.trained.place import StoredModel
from videolstm_jax.trained.training_list import trained_on

if TYPE_CHECKING:
    from videolstm_jax.files import PathLike
    from videolstm_jax.types import PyTree


CHANNELS: Mapping[str, int] = {"rgb": 3, "flow": 2}
"""The channels of the images of each stream."""


class BundleFolder(NamedTuple):
    """A bundle as a place that a model was read from; see `place.Place`."""

    folder: epath.Path
    record: Mapping[str, Any]
    convnets: Mapping[str, TrainedConvNet]
    localize: LocalizeConfig

    @property
    def fps(self) -> float:
        """The rate that videos were resampled to; 0 is their own."""
        return self.record["fps"]

    def convnet(self, stream: str) -> tuple[epath.Path, TrainedConvNet]:
        """The ConvNet of a stream, read and checked when the bundle was loaded."""
        return self.folder, self.convnets[stream]

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
    path = folder / RECORD
    record = _checked_record(path)
    # Values and their agreement first: a large file is read only where the record makes sense.
    check_fields(path, record)
    classes, scales = tuple(record["classes"]), Scales(**record["scales"])
    videos = trained_on(record, path)
    try:
        config, localize = ModelConfig(**record["model"]), LocalizeConfig(**record["localize"])
        _check_agrees(path, record, config)
        networks = {}
        for stream, row in record["backbones"].items():
            networks[stream] = _checked_network(path, stream, row, len(classes))
        like = _shapes(path, "model", make_model(config).init)
    except ConfigError as error:
        raise FileError(f"{path}: {error}") from error
    arrays = {name: _read_file(folder / name, sha) for name, sha in record["files"].items()}
    params = _filled(like, arrays[CELL_FILE], folder / CELL_FILE)
    convnets = {}
    for stream, row in record["backbones"].items():
        name = backbone_file(stream)
        network, net_like = networks[stream]
        layers = tuple(row["layers"])
        net_params = _needed(network, net_like, layers, arrays[name], folder / name)
        net_config = convnet_config(row["convnet"])
        convnets[stream] = TrainedConvNet(
            net_params, net_config, row["channels"], classes, row["sha256"]
        )
    stored = StoredModel(
        config, params, scales, classes, record["stream"], record["extractors"], videos
    )
    return stored, BundleFolder(folder, record, convnets, localize)


def _checked_record(path: epath.Path) -> dict[str, Any]:
    """The content of model.json, of this version and unchanged."""
    record = files.read_json(path, made_by="bundle")
    if not isinstance(record, dict) or "version" not in record or "sha256" not in record:
        raise FileError(f"{path}: not the record of a bundle; expected version and sha256")
    # The version first: of another format even the sum may be made in another way.
    if record["version"] != FORMAT_VERSION:
        raise FileError(
            f"{path}: the format has version {record['version']!r}; this program reads "
            f"{FORMAT_VERSION}"
        )
    content = {name: value for name, value in record.items() if name != "sha256"}
    try:
        actual = files.json_sha256(content)
    except ValueError as error:
        # Python reads 1e400 as infinity, which JSON cannot hold. The field is named where possible.
        check_fields(path, record)
        raise FileError(f"{path}: {error}") from error
    if actual != record["sha256"]:
        raise FileError(f"{path}: the content has been changed: its sha256 does not agree")
    return record


def _check_agrees(path: epath.Path, record: Mapping[str, Any], config: ModelConfig) -> None:
    """Raises FileError where the parts of a record contradict one another."""
    if len(record["classes"]) != config.classes:
        raise FileError(
            f"{path}: {len(record['classes'])} class names; expected {config.classes}, the classes "
            "of the model"
        )
    layers = find_cell(config.cell).layers._asdict()
    if record["layers"] != layers:
        raise FileError(
            f"{path}: the cell {config.cell} read {record['layers']}; here it reads {layers}"
        )
    _check_streams(path, record, layers)


def _check_streams(
    path: epath.Path, record: Mapping[str, Any], layers: Mapping[str, str | None]
) -> None:
    """Raises FileError where backbones, files or flow are not those that the cell's layers need."""
    # A model on flow features reads both of its inputs from the same ConvNet.
    streams = {record["stream"]: {layers["x"]}}
    if layers["motion"] is not None:
        streams.setdefault("flow", set()).add(layers["motion"])
    if set(record["backbones"]) != set(streams):
        raise FileError(
            f"{path}: ConvNets of {', '.join(sorted(record['backbones']))}; expected those of "
            f"{', '.join(sorted(streams))}"
        )
    expected = {CELL_FILE, *(backbone_file(stream) for stream in streams)}
    if set(record["files"]) != expected:
        raise FileError(
            f"{path}: lists {', '.join(sorted(record['files']))}; expected "
            f"{', '.join(sorted(expected))}"
        )
    for stream, row in record["backbones"].items():
        if set(row["layers"]) != streams[stream]:
            raise FileError(
                f"{path}: backbones.{stream}.layers are {', '.join(sorted(row['layers']))}; "
                f"expected {', '.join(sorted(streams[stream]))}, which the cell reads"
            )
    if "flow" in streams:
        flow = record["flow"]
        if flow is None:
            raise FileError(f"{path}: flow is null; expected settings, since the cell reads flow")
        if (flow["width"] == 0) != (flow["height"] == 0):
            sides = f"{flow['width']} x {flow['height']}"
            raise FileError(f"{path}: flow is {sides}; expected both sides, or 0 x 0")


def _checked_network(
    path: epath.Path, stream: str, row: Mapping[str, Any], classes: int
) -> tuple[ImageNetwork, PyTree]:
    """The image network of a stream, whose record is checked, and the shapes of its parameters."""
    config, channels = convnet_config(row["convnet"]), CHANNELS[stream]
    if row["channels"] != channels:
        raise FileError(
            f"{path}: backbones.{stream}.channels is {row['channels']}; expected {channels}"
        )
    if config.preprocessing not in PREPROCESSING:
        raise FileError(
            f"{path}: backbones.{stream}.convnet.preprocessing is {config.preprocessing}; expected "
            f"one of {', '.join(PREPROCESSING)}"
        )
    # The numbers are written for readers without this program; they must not say something else.
    mean, scale = pixels(stream, config.preprocessing, config.pixel_scale)
    expected = {"name": config.preprocessing, "mean": list(mean), "scale": list(scale)}
    if row["preprocessing"] != expected:
        raise FileError(
            f"{path}: backbones.{stream}.preprocessing is {row['preprocessing']}; expected "
            f"{expected}, as its convnet says"
        )
    network = image_network(config, channels, classes)
    # Where the record names it: one that was made before the field has a VGG.
    if row.get("backbone", "vgg") != network.identity:
        raise FileError(
            f"{path}: backbones.{stream} is of the backbone {row['backbone']}; its convnet makes "
            f"{network.identity}"
        )
    return network, _shapes(path, f"backbones.{stream}", network.init)


def _shapes(path: epath.Path, name: str, init: Callable[..., PyTree]) -> PyTree:
    """The shapes of the parameters that `init` draws."""
    try:
        return jax.eval_shape(init, jax.random.key(0))
    # Sizes of which each is possible may not be possible together, as JAX says in its own errors.
    except Exception as error:
        cause = str(error).strip().partition("\n")[0]
        raise FileError(f"{path}: {name} describes no network: {cause}") from error


def _read_file(path: epath.Path, sha256: str) -> dict[str, np.ndarray]:
    """The arrays of one safetensors file."""
    if not path.exists():
        raise FileError(f"{path} is missing; expected it beside {RECORD}, which lists it")
    # Read once, so that the bytes that were checked are the bytes that are used.
    data = path.read_bytes()
    actual = files.bytes_sha256(data)
    if actual != sha256:
        raise FileError(
            f"{path} is damaged: its sha256 is {actual[:16]}; expected {str(sha256)[:16]}"
        )
    try:
        return safetensors.numpy.load(data)
    except Exception as error:  # the package raises its own error and several of Python's
        raise FileError(f"{path}: cannot be read as safetensors: {error}") from error


def _needed(
    network: ImageNetwork,
    like: PyTree,
    layers: tuple[str, ...],
    arrays: dict[str, np.ndarray],
    path: epath.Path,
) -> PyTree:
    """The parameters of a ConvNet; those that its layers do not need take no memory."""
    needed = needed_params(network, like, layers)
    return params_for_layers(network, like, layers) | _filled(needed, arrays, path)


def _filled(like: PyTree, arrays: dict[str, np.ndarray], path: epath.Path) -> PyTree:
    """The tree `like` with the arrays of a file as its leaves, which must fit exactly."""
    leaves = named_leaves(like)
    # Both ways: a tensor too many is as suspicious as one too few.
    for name in arrays:
        if name not in leaves:
            raise FileError(f"{path}: has the tensor {name}, which the model does not have")
    values = []
    for name, leaf in leaves.items():
        array = arrays.get(name)
        if array is None:
            raise FileError(f"{path}: lacks the tensor {name}")
        if array.shape != leaf.shape or array.dtype != leaf.dtype:
            raise FileError(
                f"{path}: {name} is {array.dtype} {list(array.shape)}; expected {leaf.dtype} "
                f"{list(leaf.shape)}"
            )
        if not np.isfinite(array).all():
            raise FileError(f"{path}: {name} has values that are not finite")
        values.append(array)
    return jax.device_put(jax.tree.unflatten(jax.tree.structure(like), values))
