"""What a finished training left, read back for use."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from videolstm_jax.artifacts import Workdir, load_config
from videolstm_jax.config import ConvNetConfig, ModelConfig
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.nn.vgg import make_convnet
from videolstm_jax.train.checkpoint import Checkpoints
from videolstm_jax.train.graft import graft, named_leaves, under
from videolstm_jax.types import Inputs

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.types import Array, Params, PyTree


class Scales(NamedTuple):
    """What the features of each store are divided by before a model reads them; 1 leaves them raw."""

    x: float = 1.0
    motion: float = 1.0


class Run(NamedTuple):
    """A trained recurrent model: its parameters, its resolved sizes, the scales of its inputs, its
    C class names.

    `extractors` says what made the features of each input, `x` and `motion`; see `extractor_of`.
    """

    params: Params
    model: ModelConfig
    scales: Scales
    classes: tuple[str, ...]
    extractors: Mapping[str, dict] = MappingProxyType({})


class TrainedConvNet(NamedTuple):
    """A trained ConvNet: parameters, settings, input channels, class names, and a sha256 of all its
    parameters.
    """

    params: PyTree
    config: ConvNetConfig
    channels: int
    classes: tuple[str, ...]
    sha256: str


def load_run(workdir: str, name: str) -> Run:
    """Reads a trained model: the last checkpoint, or the best one where the run kept it.

    Args:
      workdir: the folder of the walk.
      name: of the run, or the path of its folder.

    Raises:
      FileError: the run is missing, unfinished or damaged, or its checkpoint is of another cell or
        classes.
    """
    folder = Workdir(workdir).run(name)
    said = load_config(folder, made_by="train")
    try:
        model, scales = ModelConfig(**said["model"]), Scales(**said["scales"])
        classes, best = tuple(said["classes"]), said["config"]["train"]["keep"] == "best"
        extractors = {
            name: row["extractor"]
            for name, row in said.get("inputs", {}).items()
            if "extractor" in row
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{folder / 'config.json'}: not of a trained run: {error!r}") from error
    like = jax.eval_shape(make_model(model).init, jax.random.key(0))
    with Checkpoints(folder / ("best" if best else "ckpt"), create=False) as checkpoints:
        identity = {"cell": model.cell, "classes": list(classes)}
        params, _ = checkpoints.restore_params(like, identity=identity)
    return Run(params, model, scales, classes, extractors)


def extractor_of(about: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same for features to mean the same: the ConvNet, and how its images were
    preprocessed.

    Args:
      about: of a feature store.
    """
    how = about.get("preprocessing")
    named = (
        {name: how[name] for name in ("name", "mean", "scale") if name in how}
        if isinstance(how, Mapping)
        else how
    )
    return {"convnet": about.get("sha256"), "preprocessing": named}


def same_extractor(run: Run, name: str, about: Mapping[str, Any], folder: object) -> None:
    """Raises FileError where features are not of the ConvNet and preprocessing that a run was
    trained on.

    Args:
      run: the trained model.
      name: of its input, `x` or `motion`.
      about: of the store that it is to read.
      folder: where that lies.
    """
    made, found = run.extractors.get(name), extractor_of(about)
    for field in found if made is not None else ():
        if found[field] != made.get(field):
            raise FileError(
                f"{folder}: the {field} of these features is {found[field]}; the run was trained on "
                f"features of {made.get(field)}"
            )


def load_convnet(folder: epath.Path) -> TrainedConvNet:
    """Reads the ConvNet that `fit_convnet` left in a folder.

    Raises:
      FileError: it is missing, unfinished or damaged.
    """
    said = load_config(folder, made_by="fit_convnet")
    try:
        settings = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in said["convnet"].items()
        }
        settings = {
            "preprocessing": "caffe"
        } | settings  # the only one there was before it was a setting
        config, channels, classes = (
            ConvNetConfig(**settings),
            said["channels"],
            tuple(said["classes"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{folder / 'config.json'}: not of a ConvNet: {error!r}") from error
    like = jax.eval_shape(make_convnet(config, channels, len(classes)).init, jax.random.key(0))
    with Checkpoints(folder / "ckpt", create=False) as checkpoints:
        params, _ = checkpoints.restore_params(
            like, identity={"cell": "convnet", "classes": list(classes)}
        )
        sha256 = checkpoints.params_sha256()
    return TrainedConvNet(params, config, channels, classes, sha256)


def grafted(params: Params, entries: Sequence[str], workdir: str) -> Params:
    """Parameters that take over parts of other runs.

    Args:
      params: of the new model.
      entries: "run:part" takes a dotted part such as `cell.top` or `head`; "run:theirs=ours" one
        under another name. `cell.motion` of a run that has only one LSTM is that LSTM: the authors'
        motion layer comes from a ConvLSTM.
      workdir: where the runs are.

    Raises:
      ConfigError: an entry that is not of this form.
      FileError: a run that cannot be read.
      FileError: a part that is not there, or does not fit.
    """
    for entry in entries:
        name, _, part = entry.rpartition(":")
        theirs, _, ours = part.partition("=")
        if not name or not theirs:
            raise ConfigError(
                f'TrainConfig.graft has {entry!r}; expected "run:part" or "run:theirs=ours"'
            )
        source = load_run(workdir, name).params
        if theirs == "cell.motion" and not ours and source.cell.motion is None:
            theirs, ours = "cell.top", "cell.motion"
        try:
            params = graft(params, under(named_leaves(source), theirs, ours))
        except FileError as error:
            raise FileError(f"grafting {entry}: {error}") from error
    return params


def fingerprint(value: Any) -> str:
    """A sha256 of anything JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def resolved(
    model: ModelConfig, x: tuple[int, ...], motion: tuple[int, ...] | None, classes: int
) -> ModelConfig:
    """The model's sizes as the features have them.

    Args:
      model: the settings.
      x: shape of one frame's features, [N, N, D], or [D] for a vector, which is a 1x1 map.
      motion: the same of the flow features, or None for a cell without.
      classes: C.

    Raises:
      ConfigError: a shape that is not a square map or a vector.
    """
    sizes: dict[str, Any] = {"classes": classes}
    sizes["map_size"], sizes["depth"] = _side(x)
    if motion is not None:
        sizes["motion_size"], sizes["motion_depth"] = _side(motion)
    return dataclasses.replace(model, **sizes)


def as_inputs(inputs: Inputs, scales: Scales) -> Inputs:
    """Features as they are stored, made what a model reads: float32, scaled, vectors [B, T, D] as
    1x1 maps.
    """
    return Inputs(
        *(
            None if array is None else _as_map(array) / scale
            for array, scale in zip(inputs, scales, strict=True)
        )
    )


def _as_map(array: Array) -> Array:
    array = jnp.asarray(array).astype(jnp.float32)
    return array[:, :, None, None] if array.ndim == 3 else array


def _side(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) == 1:
        return 1, shape[0]
    if len(shape) != 3 or shape[0] != shape[1]:
        raise ConfigError(f"the features of a frame are {list(shape)}; expected [N, N, D] or [D]")
    return shape[0], shape[2]
