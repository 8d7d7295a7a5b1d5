"""Reads a bundle and checks all of it; needs neither TensorFlow nor orbax."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
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
from videolstm_jax.features.records import DTYPES
from videolstm_jax.nn.vgg import make_convnet, params_for_taps
from videolstm_jax.train.graft import named_leaves
from videolstm_jax.trained.backbone import TrainedConvNet, convnet_config
from videolstm_jax.trained.bundle import (
    CELL_FILE,
    FORMAT_VERSION,
    RECORD,
    backbone_file,
    needed_params,
)
from videolstm_jax.trained.functions import Scales
from videolstm_jax.trained.place import StoredModel
from videolstm_jax.trained.training_list import trained_on
from videolstm_jax.video.online import FlowSettings

if TYPE_CHECKING:
    from videolstm_jax.files import PathLike
    from videolstm_jax.types import PyTree


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
    record = _checked_record(folder / RECORD)
    try:
        config, scales = _complete(ModelConfig, record["model"]), Scales(**record["scales"])
        localize = _complete(LocalizeConfig, record["localize"])
        classes, stream = tuple(record["classes"]), record["stream"]
        extractors, backbones = record["extractors"], record["backbones"]
        # Values and their agreement first: a large file is read only where the record makes sense.
        _check_values(folder / RECORD, record)
        _check_agrees(folder / RECORD, record, config)
        arrays = {name: _read_file(folder / name, sha) for name, sha in record["files"].items()}
        like = jax.eval_shape(make_model(config).init, jax.random.key(0))
        params = _filled(like, arrays[CELL_FILE], folder / CELL_FILE)
        convnets = {}
        for name, row in backbones.items():
            place = folder / backbone_file(name)
            convnets[name] = _convnet(row, classes, arrays[backbone_file(name)], place)
    except (KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{folder / RECORD}: not the record of a bundle: {error!r}") from error
    except ConfigError as error:
        raise FileError(f"{folder / RECORD}: {error}") from error
    videos = trained_on(record, folder / RECORD)
    stored = StoredModel(config, params, scales, classes, stream, extractors, videos)
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
    if files.json_sha256(content) != record["sha256"]:
        raise FileError(f"{path}: the content has been changed: its sha256 does not agree")
    return record


def _check_values(path: epath.Path, record: Mapping[str, Any]) -> None:
    """Raises FileError for values that no settings class checks."""
    classes, scales = record["classes"], Scales(**record["scales"])
    if not all(isinstance(name, str) for name in classes) or len(set(classes)) != len(classes):
        raise FileError(f"{path}: classes are {classes}; expected different names")
    for name, scale in scales._asdict().items():
        if not 0 < scale < math.inf:  # also refuses NaN
            raise FileError(f"{path}: the scale of {name} is {scale}; expected a positive number")
    if not 0 <= record["fps"] < math.inf:
        raise FileError(f"{path}: fps is {record['fps']}; expected 0 or more")
    for stream, row in record["backbones"].items():
        for layer, dtype in row["layers"].items():
            if dtype not in DTYPES:
                raise FileError(
                    f"{path}: {layer} of {stream} is stored as {dtype}; expected one of "
                    f"{', '.join(DTYPES)}"
                )


def _complete(kind: type, record: Mapping[str, Any]) -> Any:
    """Settings of which each is written down: a default of this version may be another one."""
    lacking = {field.name for field in dataclasses.fields(kind)} - record.keys()
    if lacking:
        raise KeyError(f"{kind.__name__} lacks {', '.join(sorted(lacking))}")
    return kind(**record)


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
    streams = {record["stream"]} | ({"flow"} if layers["motion"] else set())
    if set(record["backbones"]) != streams:
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
    if "flow" in streams:
        FlowSettings.of(record["flow"], path)


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


def _convnet(
    row: Mapping[str, Any],
    classes: tuple[str, ...],
    arrays: dict[str, np.ndarray],
    path: epath.Path,
) -> TrainedConvNet:
    """The ConvNet of one stream; parameters that its layers do not need take no memory."""
    config = convnet_config(row["convnet"])
    network = make_convnet(config, row["channels"], len(classes))
    like = jax.eval_shape(network.init, jax.random.key(0))
    layers = tuple(row["layers"])
    needed = _filled(needed_params(like, layers), arrays, path)
    params = params_for_taps(like, layers) | needed
    return TrainedConvNet(params, config, row["channels"], classes, row["sha256"])


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
