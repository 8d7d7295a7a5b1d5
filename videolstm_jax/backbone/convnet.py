"""A trained backbone, read back, and the check that features come from the expected one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import jax

from videolstm_jax.config import ConvNetConfig
from videolstm_jax.dataset.training_list import videos_trained_on
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.files import reading
from videolstm_jax.json_records import value_text
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.network import ImageNetwork, network_with_tap
from videolstm_jax.nn.preprocessing import STREAM_OF_CHANNELS, network_picture_fit, network_pixels
from videolstm_jax.presets import convnet_of
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints
from videolstm_jax.workdir.config_json import load_config

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.config import RunConfig
    from videolstm_jax.square import PictureFit
    from videolstm_jax.types import PyTree


# The key of a record -> what a message calls it. Records keep the digest of a backbone so.
_EXTRACTOR_NAMES = {"convnet": "backbone digest"}


class TrainedBackbone(NamedTuple):
    """The parameters of a backbone, its settings, input channels and class names.

    `sha256` is that of all its parameters, also where `params` has only what some layers need.
    `trained_on` is its `training_list`; empty where that is not known. `fit` is the `data.fit` of
    the frames that it was fitted to. `tap` is the block whose input is one of its layers too; empty
    where none is.
    """

    params: PyTree
    config: ConvNetConfig
    channels: int
    classes: tuple[str, ...]
    sha256: str
    trained_on: tuple[str, ...] = ()
    fit: str = "squash"
    tap: str = ""

    @property
    def network(self) -> ImageNetwork:
        """Its functions and the layers that it offers."""
        network = image_network(self.config, self.channels, len(self.classes))
        if self.tap:
            return network_with_tap(network, self.tap)
        return network

    @property
    def picture_fit(self) -> PictureFit:
        """How pictures are brought to its square."""
        stream = STREAM_OF_CHANNELS[self.channels]
        return network_picture_fit(self.fit, stream, self.config.preprocessing)


class Backbone(NamedTuple):
    """The backbone of one stream as a model uses it.

    `folder` is where it was read from. `dtypes` gives for each layer that the model reads how its
    store rounds features, `float16` or `uint8`.
    """

    folder: epath.Path
    stream: str
    trained: TrainedBackbone
    dtypes: Mapping[str, str]

    def about(self) -> dict[str, Any]:
        """What a feature store of this backbone records of it; see `extractor_of`."""
        config = self.trained.config
        mean, scale = network_pixels(self.stream, config.preprocessing, config.pixel_scale)
        preprocessing = {"name": config.preprocessing, "mean": list(mean), "scale": list(scale)}
        preprocessing |= backbone_fit_entry(self.trained.fit)
        return {
            "backbone": self.trained.network.identity,
            "sha256": self.trained.sha256,
            "preprocessing": preprocessing,
        }


def load_convnet(folder: epath.Path) -> TrainedBackbone:
    """Reads the backbone that `fit_convnet` left in a folder.

    Raises:
      FileError: it is missing, unfinished or damaged.
    """
    path = folder / "config.json"
    record = load_config(folder, made_by="fit_convnet")
    # Arithmetic: a size of 0 divides, and one of hundreds of digits fits no number.
    damage = (KeyError, TypeError, AttributeError, ValueError, ArithmeticError)
    with reading(path, "not of a backbone", *damage):
        config = convnet_config(record["convnet"])
        channels = record["channels"]
        classes = tuple(record["classes"])
        # Records of before this setting are of squashed frames.
        fit = record["config"]["data"].get("fit", "squash")
        if channels not in STREAM_OF_CHANNELS:
            listed = ", ".join(map(str, STREAM_OF_CHANNELS))
            raise FileError(f"channels is {value_text(channels)}; expected one of {listed}")
        like = backbone_params_like(config, channels, len(classes))
    # No more than this: who reads a backbone need not have its training list or optimizer.
    identity = {"cell": "convnet", "classes": list(classes)}
    with Checkpoints(folder / "ckpt", create=False) as checkpoints:
        # The step that the record names: with its folder gone, the one before would be read.
        step = record.get("checkpoint_step")
        params, _ = checkpoints.restore_params(like, identity=identity, step=step)
        # Of all parameters, whichever of them a model needs: it is the name of the backbone.
        sha256 = checkpoints.params_sha256(step)
    return TrainedBackbone(
        params, config, channels, classes, sha256, videos_trained_on(record, path), fit
    )


def backbone_params_like(config: ConvNetConfig, channels: int, classes: int) -> PyTree:
    """The shapes of the parameters of an image network; nothing is drawn."""
    return jax.eval_shape(image_network(config, channels, classes).init, jax.random.key(0))


def check_backbone(cfg: RunConfig, stream: str, backbone: str, folder: object) -> None:
    """Refuses a backbone, or features of one, that is not the one of the settings.

    Args:
      cfg: of the stage.
      stream: of the backbone.
      backbone: that was found, as `convnet.backbone` names it.
      folder: where it lies, for the message.

    Raises:
      ConfigError: naming both.
    """
    # A preset may give flow another backbone than RGB.
    expected = convnet_of(cfg, stream).backbone
    if backbone != expected:
        raise ConfigError(
            f"{folder} is of the backbone {backbone}; the preset {cfg.preset} and its settings "
            f"have {expected} for {stream}; expected the same (convnet.backbone)"
        )


def backbone_fit_entry(fit: str) -> dict[str, str]:
    """What a record has of `data.fit`: nothing of `squash`, as in files from before the setting."""
    if fit == "squash":
        return {}
    return {"fit": fit}


def recorded_backbone_fit(about: Mapping[str, Any]) -> str:
    """The `data.fit` of the features of a store, from its `about`; empty for imported features."""
    preprocessing = about.get("preprocessing")
    if not isinstance(preprocessing, Mapping):
        return ""
    return preprocessing.get("fit", "squash")


def check_backbone_fit(cfg: RunConfig, fit: str, place: object) -> None:
    """Refuses what was made of frames of another `data.fit` than that of the settings.

    Args:
      cfg: of the stage.
      fit: that was read; empty where it is not known.
      place: where it lies, for the message.

    Raises:
      ConfigError: naming both.
    """
    # Boxes would lie on other parts of the frames than the attention that they are made of.
    if fit and fit != cfg.data.fit:
        raise ConfigError(
            f"{place} was made with data.fit {fit!r}; the preset {cfg.preset} and its settings "
            f"have {cfg.data.fit!r}; expected the same: take another workdir, or give --data.fit"
        )


def convnet_config(record: Mapping[str, Any]) -> ConvNetConfig:
    """The settings of a backbone from a JSON object, in which tuples have become lists."""
    settings: dict[str, Any] = {}
    for name, setting in record.items():
        # JSON has lists where settings are tuples.
        if isinstance(setting, list):
            setting = tuple(setting)
        settings[name] = setting
    return ConvNetConfig(**settings)


def extractor_of(about: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal for features to mean the same: the backbone, and how images are prepared.

    Args:
      about: of a feature store.
    """
    # A plain dictionary of JSON values: it is compared with what a run's config.json keeps.
    extractor = {}
    if "backbone" in about:  # imported features have none
        extractor["backbone"] = about["backbone"]
    preprocessing = about.get("preprocessing")
    if isinstance(preprocessing, Mapping):
        # The rest of it, such as frames a second, may differ between two videos of one store.
        of_pixels = {}
        for name in ("name", "mean", "scale", "fit"):
            if name in preprocessing:
                of_pixels[name] = preprocessing[name]
        preprocessing = of_pixels
    return extractor | {"convnet": about.get("sha256"), "preprocessing": preprocessing}


def check_extractor(
    trained_on: Mapping[str, Any] | None, about: Mapping[str, Any], folder: object
) -> None:
    """Refuses features of another backbone or preprocessing than a model was trained on.

    Args:
      trained_on: `extractor_of` the features of training; None for a model that no run has trained.
      about: of the store that is to be read.
      folder: where that lies, for the message.

    Raises:
      FileError: they differ.
    """
    if trained_on is None:
        return
    # Only the fields of the store: an earlier one has no backbone, and stays readable.
    for field, extractor in extractor_of(about).items():
        if extractor != trained_on.get(field):
            name = _EXTRACTOR_NAMES.get(field, field)
            raise FileError(
                f"{folder}: the {name} of these features is {extractor}; the model was trained on "
                f"features of {trained_on.get(field)}"
            )
