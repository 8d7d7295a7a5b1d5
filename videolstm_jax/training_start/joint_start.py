"""What a training of a backbone's upper part together with a cell starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from videolstm_jax.backbone.block import TrainedBlock
from videolstm_jax.backbone.convnet import extractor_of, load_convnet
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.nn.network import find_network_block
from videolstm_jax.trained.features import ModelFeatures, extract_command_of_model

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.backbone.convnet import TrainedBackbone
    from videolstm_jax.config import RunConfig
    from videolstm_jax.types import PyTree
    from videolstm_jax.workdir.layout import Workdir


class JointStart(NamedTuple):
    """The start of a joint training.

    Attributes:
      block: the part of the backbone that is trained.
      params: of the block, those of the fitted backbone.
      features: what the model reads: the maps below the block and, as they are, those of flow.
    """

    block: TrainedBlock
    params: PyTree
    features: ModelFeatures


def joint_start(cfg: RunConfig, work: Workdir, frozen: ModelFeatures, layer: str) -> JointStart:
    """Opens what `train.backbone_from` needs.

    Args:
      cfg: of the training.
      work: the work folder.
      frozen: the features that the cell would read without a block.
      layer: of the backbone that the cell reads.

    Raises:
      ConfigError: imported features, or a backbone without such a block.
      FileError: no backbone; or the maps below the block are missing, or of another backbone.
    """
    stream = cfg.data.stream
    # Features of another program come without the network that made them.
    if not isinstance(frozen.x.about.get("convnet"), Mapping):
        raise ConfigError(
            f"train.backbone_from is {cfg.train.backbone_from!r}; {frozen.x.folder} was imported, "
            "so there is no backbone to train; expected features of `videolstm extract`"
        )
    folder = work.convnet(stream)
    trained = load_convnet(folder)
    first = find_network_block(trained.network, cfg.train.backbone_from)
    block = TrainedBlock(trained.config, trained.channels, len(trained.classes), first, layer)
    store = _tap_store(cfg, work, block)
    _check_tap(store, frozen.x, block, trained, folder)
    # Only x changes: the maps of motion are those of flow, whose backbone is not trained.
    return JointStart(block, block.params_of(trained.params), frozen._replace(x=store))


def _tap_store(cfg: RunConfig, work: Workdir, block: TrainedBlock) -> FeatureStore:
    """The store of the maps that the block reads."""
    folder = work.features(cfg.data.stream, block.tap)
    if not (folder / "index.json").exists():
        raise FileError(
            f"{folder} is missing, the maps that {block.first} reads (train.backbone_from); "
            f"{extract_command_of_model(cfg, cfg.data.stream)} makes them"
        )
    return FeatureStore.open(folder)


def _check_tap(
    store: FeatureStore,
    frozen: FeatureStore,
    block: TrainedBlock,
    trained: TrainedBackbone,
    folder: epath.Path,
) -> None:
    """Refuses maps that are not those below the block of this backbone.

    Args:
      store: of the maps.
      frozen: of the features of the same backbone.
      block: the block.
      trained: the backbone.
      folder: of the backbone, for messages.
    """
    # A folder that was renamed: maps of one shape may lie below several blocks.
    layer = store.about.get("layer")
    if layer != block.tap:
        raise FileError(f"{store.folder} has the layer {layer}; expected {block.tap}")
    shape = block.network.cuts[block.first].shape
    if store.shape != shape:
        raise FileError(f"{store.folder} has maps {store.shape}; {block.first} reads {shape}")
    # A backbone that was fitted again has maps of the same shapes, which its new block cannot read.
    for features in (store, frozen):
        if features.about.get("sha256") != trained.sha256:
            raise FileError(
                f"{features.folder} was made by another backbone than {folder}; remove the "
                "features and extract them again"
            )
    # The scales of a model are of the frozen features, and hold for those of the block only where
    # both come from the same pixels.
    if extractor_of(store.about) != extractor_of(frozen.about):
        raise FileError(
            f"{store.folder} was made with another preprocessing than {frozen.folder}; remove the "
            "features and extract them again"
        )
