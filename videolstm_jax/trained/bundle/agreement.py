"""How the parts of a bundle may contradict one another; each problem is one sentence.

Every function returns an empty text where nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from videolstm_jax.core.cells import find_cell
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.network import network_tap_layer
from videolstm_jax.nn.preprocessing import PREPROCESSING, network_pixels
from videolstm_jax.trained.bundle.record import BackboneRecord, BundleRecord
from videolstm_jax.trained.bundle.writer import CELL_FILE, bundled_backbone_file
from videolstm_jax.trained.foreground import foreground_problem

CHANNELS: Mapping[str, int] = {"rgb": 3, "flow": 2}
"""The channels of the images of each stream."""


def bundle_record_problem(record: BundleRecord) -> str:
    """How the classes, layers, backbones, files and flow of a record contradict one another."""
    config = record.model
    if len(record.classes) != config.classes:
        return (
            f"{len(record.classes)} class names; expected {config.classes}, the classes of the "
            "model"
        )
    layers = find_cell(config.cell).layers._asdict()
    recorded = {"x": record.layers.x, "motion": record.layers.motion}
    # The cell may be the user's own, and its module another version than that of the training.
    if recorded != layers:
        return f"the cell {config.cell} read {recorded}; here it reads {layers}"
    problem = _block_problem(record) or _streams_problem(record, _stored_layers(record))
    if record.foreground:
        problem = problem or foreground_problem(record.foreground, config.depth)
    if problem:
        return problem
    fits = {
        f"backbones.{stream}": row.preprocessing.fit for stream, row in record.backbones.items()
    }
    if record.flow is not None:
        fits["flow"] = record.flow.fit
    for part, fit in fits.items():
        if fit != record.fit:
            return f"{part} has the fit {fit}; the model has {record.fit}; expected the same"
    for stream, row in record.backbones.items():
        problem = _backbone_problem(stream, row, config.classes)
        if problem:
            return problem
    return ""


def _stored_layers(record: BundleRecord) -> dict[str, set[str]]:
    """The layers of each stream's frozen backbone that the model reads."""
    x = record.layers.x
    if record.backbone_from:
        x = network_tap_layer(record.backbone_from)
    # A model on flow features reads both of its inputs from the same backbone.
    streams = {record.stream: {x}}
    if record.layers.motion is not None:
        streams.setdefault("flow", set()).add(record.layers.motion)
    return streams


def _block_problem(record: BundleRecord) -> str:
    """Whether the backbone of the model's stream lacks the block that was trained with the cell."""
    row = record.backbones.get(record.stream)
    # A missing backbone is named by `_streams_problem`.
    if not record.backbone_from or row is None:
        return ""
    blocks = image_network(row.convnet, row.channels, len(record.classes)).cuts
    if record.backbone_from in blocks:
        return ""
    return f"backbone_from is {record.backbone_from}; expected one of {', '.join(blocks) or 'none'}"


def _streams_problem(record: BundleRecord, streams: Mapping[str, set[str]]) -> str:
    """Whether backbones, files and flow are those that the layers of the streams need."""
    # Neither more nor fewer: a backbone too many would be loaded and never used.
    if set(record.backbones) != set(streams):
        return f"backbones of {_names(record.backbones)}; expected those of {_names(streams)}"
    # Exactly these: the digest of a file that is not listed would never be compared.
    expected = {CELL_FILE, *map(bundled_backbone_file, streams)}
    if set(record.files) != expected:
        return f"lists {_names(record.files)}; expected {_names(expected)}"
    for stream, row in record.backbones.items():
        if set(row.layers) != streams[stream]:
            return (
                f"backbones.{stream}.layers are {_names(row.layers)}; expected "
                f"{_names(streams[stream])}, which the cell reads"
            )
    if "flow" in streams and record.flow is None:
        return "flow is null; expected settings, since the cell reads flow"
    return ""


def _backbone_problem(stream: str, row: BackboneRecord, classes: int) -> str:
    """Whether the record of a backbone fits its stream and its own settings."""
    config = row.convnet
    if row.channels != CHANNELS[stream]:
        return f"backbones.{stream}.channels is {row.channels}; expected {CHANNELS[stream]}"
    # `auto` is resolved when a backbone is fitted; a stored one has the preprocessing it was fitted
    # with.
    if config.preprocessing not in PREPROCESSING:
        return (
            f"backbones.{stream}.convnet.preprocessing is {config.preprocessing}; expected one of "
            f"{', '.join(PREPROCESSING)}"
        )
    # The numbers are written for readers without this program; they must not say something else.
    mean, scale = network_pixels(stream, config.preprocessing, config.pixel_scale)
    stored = (row.preprocessing.name, row.preprocessing.mean, row.preprocessing.scale)
    expected = (config.preprocessing, tuple(mean), tuple(scale))
    if stored != expected:
        return (
            f"backbones.{stream}.preprocessing is {_prepared(*stored)}; expected "
            f"{_prepared(*expected)}, as its convnet says"
        )
    identity = image_network(config, row.channels, classes).identity
    if row.backbone != identity:
        return f"backbones.{stream} is of the backbone {row.backbone}; its convnet makes {identity}"
    return ""


def _prepared(name: str, mean: tuple[float, ...], scale: tuple[float, ...]) -> str:
    return f"{name} with mean {list(mean)} and scale {list(scale)}"


def bundle_tensors_problem(
    arrays: Mapping[str, np.ndarray], leaves: Mapping[str, np.ndarray]
) -> str:
    """How the tensors of a file differ from the leaves, by name, that a network needs."""
    # Both ways: a tensor too many is as suspicious as one too few.
    for name in arrays:
        if name not in leaves:
            return f"has the tensor {name}, which the model does not have"
    for name, leaf in leaves.items():
        array = arrays.get(name)
        if array is None:
            return f"lacks the tensor {name}"
        if array.shape != leaf.shape or array.dtype != leaf.dtype:
            return (
                f"{name} is {array.dtype} {list(array.shape)}; expected {leaf.dtype} "
                f"{list(leaf.shape)}"
            )
        # Digests agree where a model that diverged was written; its scores would all be NaN.
        if not np.isfinite(array).all():
            return f"{name} has values that are not finite"
    return ""


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
