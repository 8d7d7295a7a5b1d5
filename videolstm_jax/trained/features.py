"""The feature stores that a model reads."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from videolstm_jax import files
from videolstm_jax.backbone.convnet import extractor_of
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.verification import verify_store
from videolstm_jax.presets import Settings
from videolstm_jax.sealed_json import SEAL, json_sha256
from videolstm_jax.train.sizes import model_sized_for_training
from videolstm_jax.trained.functions import Scales
from videolstm_jax.types import names_of

if TYPE_CHECKING:
    from videolstm_jax.backbone.block import TrainedBlock
    from videolstm_jax.config import ModelConfig, RunConfig
    from videolstm_jax.core.cell import Layers
    from videolstm_jax.types import Video
    from videolstm_jax.workdir.layout import Workdir


class ModelFeatures(NamedTuple):
    """The store of a model's own stream, and that of its motion input or None."""

    x: FeatureStore
    motion: FeatureStore | None = None

    def by_input(self) -> dict[str, FeatureStore]:
        """The stores that there are, under `x` and `motion`."""
        stores = {"x": self.x}
        if self.motion is not None:
            stores["motion"] = self.motion
        return stores

    def sizes(
        self, config: ModelConfig, classes: int, block: TrainedBlock | None = None
    ) -> ModelConfig:
        """The settings of a model with the sizes of these features, or of what its block makes."""
        x_shape = self.x.shape
        if block is not None:
            x_shape = block.shape
        motion_shape = None
        if self.motion is not None:
            motion_shape = self.motion.shape
        return model_sized_for_training(config, x_shape, motion_shape, classes)


def open_model_features(work: Workdir, stream: str, layers: Layers) -> ModelFeatures:
    """Opens the stores that a cell reads.

    Args:
      work: the work folder.
      stream: of `x`; the motion input is always flow.
      layers: of the cell.

    Raises:
      FileError: `extract` has not written one of them.
    """
    # Both at the start: a stage must not work for an hour before a store turns out to be missing.
    x = FeatureStore.open(work.features(stream, layers.x))
    if layers.motion is None:
        return ModelFeatures(x)
    return ModelFeatures(x, FeatureStore.open(work.features("flow", layers.motion)))


def extract_command_of_model(cfg: RunConfig, stream: str) -> str:
    """The command that makes the features of a stream as a training needs them."""
    settings = Settings(cfg.preset, cfg.overrides).for_stream(stream)
    return f"`videolstm extract {shlex.join(settings.arguments())}`"


def verify_model_features(features: ModelFeatures, videos: Sequence[Video], mode: str) -> None:
    """Compares the features of these videos with the digests in their index.

    Args:
      features: to be read.
      videos: whose features will be read.
      mode: `data.verify`.

    Raises:
      FileError: naming the files that are missing or damaged.
    """
    # A model on flow features reads both of its inputs from one store.
    stores = {str(store.folder): store for store in features.by_input().values()}
    for store in stores.values():
        verify_store(store, names_of(videos), mode)


def model_input_scales(features: ModelFeatures, videos: Sequence[Video]) -> Scales:
    """The standard deviation of each input over all values of these videos, the training list.

    Raises:
      FileError: all features are the same.
    """
    deviations = {}
    for name, store in features.by_input().items():
        # The index has it where `extract` had the training list; an imported store may not.
        deviation = store.std or store.statistics(names_of(videos))[1]
        if not deviation > 0:
            raise FileError(f"{store.folder}: the features of the training list are all the same")
        deviations[name] = deviation
    return Scales(**deviations)


def described_model_inputs(features: ModelFeatures) -> dict[str, dict[str, Any]]:
    """Names the stores and what is in them, for config.json and for checkpoints."""
    return {name: model_store_record(store) for name, store in features.by_input().items()}


def model_store_record(store: FeatureStore) -> dict[str, Any]:
    """The name of a store, the digest of its content, and what made it."""
    # The digest of the index, which has the digest of every file, stands for all features.
    index = files.read_json_object(store.folder / "index.json", made_by="extract")
    index.pop(SEAL, None)  # earlier indexes of the same features have none
    return {
        "store": "/".join(store.folder.parts[-3:]),
        "sha256": json_sha256(index),
        "extractor": extractor_of(store.about),
    }
