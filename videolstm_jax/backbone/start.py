"""Where a backbone starts: random numbers, ImageNet weights, or another backbone of ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import jax
from etils import epath

from videolstm_jax.backbone.convnet import load_convnet
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.nn.backbones import image_network, is_hook
from videolstm_jax.nn.hook import find_hook
from videolstm_jax.nn.preprocessing import STREAM_CHANNELS
from videolstm_jax.nn.weight_files import is_weight_file, read_weights, weights_sha256
from videolstm_jax.train.graft import graft, named_param_leaves

if TYPE_CHECKING:
    from videolstm_jax.config import ConvNetConfig, RunConfig
    from videolstm_jax.nn.network import ImageNetwork
    from videolstm_jax.types import Dataset, PyTree

RANDOM = "random"
"""The value of `convnet.weights` for a start from random numbers, whatever is installed."""


class StartingPoint(NamedTuple):
    """Where the training of a backbone starts.

    Attributes:
      params: of every layer.
      preprocessing: of the images that belongs to them.
      fingerprints: of the file that they come from, if there is one.
      trained_on: videos that they were trained on, as far as that is known.
    """

    params: PyTree
    preprocessing: str
    fingerprints: dict[str, str]
    trained_on: tuple[str, ...] = ()


def check_backbone_start(cfg: RunConfig) -> None:
    """Refuses settings whose backbone cannot start, before any video is read.

    A function of the user's own is imported and not called: it may load a large network.

    Args:
      cfg: of a stage `fit_convnet`.

    Raises:
      ConfigError: the function cannot be imported.
      FileError: the package of weights is missing, or its file is damaged; or `convnet.weights`
        names a file of weights that does not exist.
    """
    convnet, stream = cfg.convnet, cfg.data.stream
    if is_hook(convnet.backbone):
        find_hook(convnet.backbone)
        return
    # Neither depends on the classes, which only the videos tell.
    network = image_network(convnet, STREAM_CHANNELS[stream], classes=1)
    if _starts_from_package(network, convnet):
        network.weights.installed()
        return
    path = _weights_path(convnet, stream)
    # Not folders: that of a backbone may be one that this pipeline is about to fit.
    if convnet.weights and is_weight_file(path) and not path.exists():
        raise FileError(
            f"convnet.weights is {path}, which is missing; expected a file of weights; "
            "`videolstm fetch_weights` fetches those of ImageNet"
        )


def _starts_from_package(network: ImageNetwork, cfg: ConvNetConfig) -> bool:
    """Whether the parameters come from a package that brings them."""
    reader = network.weights
    return not cfg.weights and reader is not None and reader.installed is not None


def _weights_path(cfg: ConvNetConfig, stream: str) -> epath.Path:
    """The path that `convnet.weights` names."""
    # Replaced and not formatted: a path may hold other braces.
    return epath.Path(cfg.weights.replace("{stream}", stream))


def starting_backbone_params(
    network: ImageNetwork, cfg: RunConfig, dataset: Dataset
) -> StartingPoint:
    """Returns random parameters, or those that `convnet.weights` names.

    Args:
      network: the backbone.
      cfg: `convnet`, the seed and the stream.
      dataset: whose classes decide whether a last layer can be taken over.

    Raises:
      ConfigError: weights that do not fit the backbone or the settings of its preprocessing.
      FileError: a file of weights or a folder that cannot be read.
    """
    # Drawn in any case: weights may lack layers, such as the last one for other classes.
    params = jax.jit(network.init)(jax.random.key(cfg.seed))
    weights = cfg.convnet.weights
    reader = network.weights
    if _starts_from_package(network, cfg.convnet):
        return _from_weight_file(network, params, reader.installed(), cfg.convnet)
    # Both mean random numbers where no package brought weights; the empty text is the default.
    if weights in ("", RANDOM):
        # With group normalisation random numbers are the usual start, so nothing is printed.
        if not weights and cfg.convnet.norm == "none" and reader is not None:
            print(
                "starts from random numbers; --convnet.weights takes weights of ImageNet, as the "
                "paper's ConvNets had (docs/convnets.md)",
                flush=True,
            )
        preprocessing = _agreed_preprocessing(cfg.convnet, "", network.preprocessing)
        return StartingPoint(params, preprocessing, {})
    path = _weights_path(cfg.convnet, cfg.data.stream)
    if is_weight_file(path):
        if reader is None:
            raise ConfigError(
                f"convnet.weights is {path}; the backbone {network.identity} brings its own"
            )
        return _from_weight_file(network, params, path, cfg.convnet)
    return _from_convnet_folder(params, path, cfg.convnet, dataset.classes)


def _from_weight_file(
    network: ImageNetwork, params: PyTree, path: epath.Path, cfg: ConvNetConfig
) -> StartingPoint:
    """Returns ImageNet's layers but the last; for flow the first is averaged and repeated."""
    names = named_param_leaves(params)
    # Outside `_must_fit`: a file that cannot be read is no mistake of the settings.
    arrays = read_weights(path)
    with _must_fit(path):
        weights = network.weights.convert(arrays)
    if not weights.preprocessing and cfg.preprocessing == "auto":
        raise ConfigError(
            f"{path} does not say how its images were preprocessed; expected "
            "--convnet.preprocessing=caffe or torch"
        )
    # Published weights read pixels as they are.
    _check_pixel_scale(cfg, 1.0, path)
    preprocessing = _agreed_preprocessing(
        cfg, str(path), weights.preprocessing or cfg.preprocessing
    )
    channels = network.input_shape[-1]
    with _must_fit(path):
        leaves = network.weights.starting_leaves(weights, names, channels)
        params = graft(params, leaves)
    # Named, since a layer that starts from random numbers by mistake is not seen in the loss at
    # first.
    random_layers = set()
    for name in names:
        if name not in leaves:
            layer, _, _ = name.partition(".")
            random_layers.add(layer)
    print(
        f"starts from {path}, preprocessed as {preprocessing}; {', '.join(sorted(random_layers))} "
        "from random numbers",
        flush=True,
    )
    return StartingPoint(params, preprocessing, {"weights": weights_sha256(path)})


def _from_convnet_folder(
    params: PyTree, folder: epath.Path, cfg: ConvNetConfig, classes: tuple[str, ...]
) -> StartingPoint:
    """Returns the layers of another backbone of ours; the last only where the classes agree."""
    if not (folder / "config.json").exists():
        raise ConfigError(
            f"convnet.weights is {cfg.weights!r}; expected the folder of a backbone that the "
            "stage fit_convnet trained, such as other-work/convnets/rgb, or a file of ImageNet "
            "weights, .h5, .pth, .safetensors or .npz"
        )
    trained = load_convnet(folder)
    # Two networks may share names and shapes of layers, so that the leaves alone would fit.
    if trained.config.backbone != cfg.backbone:
        raise ConfigError(
            f"the weights in {folder} are of the backbone {trained.config.backbone}; "
            f"convnet.backbone is {cfg.backbone}; expected the same"
        )
    _check_pixel_scale(cfg, trained.config.pixel_scale, folder)
    preprocessing = _agreed_preprocessing(cfg, str(folder), trained.config.preprocessing)
    leaves = {}
    for name, leaf in named_param_leaves(trained.params).items():
        # The last layer has an output for each class, in their order.
        if trained.classes == classes or not name.startswith("logits."):
            leaves[name] = leaf
    with _must_fit(folder):
        params = graft(params, leaves)
    # Of the numbers: the folder may be moved, and this training still goes on from its checkpoint.
    fingerprints = {"weights": trained.sha256}
    return StartingPoint(params, preprocessing, fingerprints, trained.trained_on)


@contextlib.contextmanager
def _must_fit(path: epath.Path) -> Iterator[None]:
    """Turns an error about layers and shapes into one about the setting that names the weights.

    Errors of reading the file stay errors of the file, so reading is left outside.
    """
    try:
        yield
    except FileError as error:
        raise ConfigError(f"the weights in {path} do not fit: {error}") from error


def _check_pixel_scale(cfg: ConvNetConfig, pixel_scale: float, path: epath.Path) -> None:
    if pixel_scale != cfg.pixel_scale:
        raise ConfigError(
            f"convnet.pixel_scale is {cfg.pixel_scale}; the weights in {path} were trained "
            f"with {pixel_scale}"
        )


def _agreed_preprocessing(cfg: ConvNetConfig, path: str, preprocessing: str) -> str:
    """Returns the preprocessing to use; `path` of the weights is empty where there are none."""
    if cfg.preprocessing == "auto":
        return preprocessing
    # Weights see other images under another preprocessing, which costs accuracy without any error.
    if path and cfg.preprocessing != preprocessing:
        raise ConfigError(
            f"convnet.preprocessing is {cfg.preprocessing!r}; the weights in {path} were "
            f"trained with {preprocessing!r}"
        )
    return cfg.preprocessing
