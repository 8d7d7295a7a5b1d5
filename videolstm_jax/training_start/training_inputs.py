"""What one training reads: the lists, the features, and the model before its first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
from etils import epath

from videolstm_jax.backbone.convnet import check_backbone, check_backbone_fit, recorded_backbone_fit
from videolstm_jax.clips.batches import MirroredStores
from videolstm_jax.config import RunConfig
from videolstm_jax.core.cells import find_cell
from videolstm_jax.core.model import make_model
from videolstm_jax.train.identity import training_identity
from videolstm_jax.trained.features import (
    ModelFeatures,
    described_model_inputs,
    model_input_scales,
    open_model_features,
    verify_model_features,
)
from videolstm_jax.trained.functions import Scales
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.training_start.grafts import grafted
from videolstm_jax.training_start.joint_start import JointStart, joint_start
from videolstm_jax.training_start.mirrored import described_mirrored_training, open_mirrored
from videolstm_jax.types import Dataset, JointParams, Video
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir, check_layout


class TrainingInputs(NamedTuple):
    """One training, with all that it reads.

    Attributes:
      cfg: of the run.
      work: the work folder.
      dataset: all videos; `train_list` are those of the training.
      train_list: V videos.
      features: the stores that the cell reads.
      mirrored: the stores of the mirrored training list, where clips are drawn in both views.
      inputs: `described_model_inputs` of the features.
      model: before its first step.
    """

    cfg: RunConfig
    work: Workdir
    dataset: Dataset
    train_list: Sequence[Video]
    features: ModelFeatures
    mirrored: MirroredStores | None
    inputs: dict[str, Any]
    model: TrainedModel

    @property
    def folder(self) -> epath.Path:
        """The folder of the run."""
        return self.work.run(self.cfg.run_name)

    def identity(self) -> dict[str, Any]:
        """What a checkpoint must agree with for this training to go on from it."""
        cfg, config, classes = self.cfg, self.model.config, self.dataset.classes
        identity = training_identity(cfg, config, classes, self.train_list, self.inputs)
        # None and not False, as which a checkpoint of before counts that knows no such setting.
        identity["data.mirrored"] = self.cfg.data.mirrored or None
        # Absent, and so None, in checkpoints of before these settings.
        identity["train.backbone_from"] = identity["train.backbone_rate"] = None
        if self.model.block is not None:
            identity["train.backbone_from"] = self.model.block.first
            identity["train.backbone_rate"] = cfg.train.backbone_rate
        for name, row in described_mirrored_training(self.mirrored).items():
            identity[f"features.{name}.mirrored"] = row["sha256"]
        return identity


def open_training(cfg: RunConfig) -> TrainingInputs:
    """Opens what a training reads, and makes its model.

    Raises:
      ConfigError, FileError: a stage before has not run, or its output does not fit.
    """
    work = Workdir(cfg.workdir)
    # The cell first: a misspelt name costs nothing then.
    layers = find_cell(cfg.model.cell).layers
    check_layout(work)
    dataset = load_dataset(work.dataset)
    train_list = dataset.part("train")
    frozen = open_model_features(work, cfg.data.stream, layers)
    _check_backbones(cfg, frozen)
    # With a block the cell reads what the block makes of the maps below it.
    features, joint = frozen, None
    if cfg.train.backbone_from:
        joint = joint_start(cfg, work, frozen, layers.x)
        features = joint.features
    videos = [*train_list, *videos_that_choose_checkpoints(cfg, dataset)]
    # Before the deviation is taken of them, and before the first step.
    verify_model_features(features, videos, cfg.data.verify)
    mirrored = open_mirrored(cfg, features, train_list)
    # Scales are of what the cell reads: of a block's output, which is still that of the backbone.
    model = _new_model(cfg, dataset, frozen, train_list, joint)
    inputs = described_model_inputs(features)
    return TrainingInputs(cfg, work, dataset, train_list, features, mirrored, inputs, model)


def _check_backbones(cfg: RunConfig, features: ModelFeatures) -> None:
    """Refuses features of another backbone or `data.fit` than those of the settings."""
    streams = {"x": cfg.data.stream, "motion": "flow"}
    for name, store in features.by_input().items():
        # Imported features do not say what made them.
        convnet = store.about.get("convnet")
        if isinstance(convnet, dict):
            backbone = convnet.get("backbone", "vgg")
            check_backbone(cfg, streams[name], backbone, store.folder)
            check_backbone_fit(cfg, recorded_backbone_fit(store.about), store.folder)


def _new_model(
    cfg: RunConfig,
    dataset: Dataset,
    features: ModelFeatures,
    train_list: Sequence[Video],
    joint: JointStart | None,
) -> TrainedModel:
    """The model before its first step: drawn at random, then grafted.

    Args:
      cfg: of the run.
      dataset: for the classes.
      features: that the cell reads.
      train_list: the videos that scales are of.
      joint: the start of the block that is trained too; None without one.
    """
    scales = Scales()
    if cfg.data.feature_scale == "std":
        scales = model_input_scales(features, train_list)
    config = features.sizes(cfg.model, len(dataset.classes))
    # Compiled as one program: drawn leaf by leaf, a large model takes seconds.
    params = jax.jit(make_model(config).init)(jax.random.key(cfg.seed))
    block = None
    if joint is not None:
        block = joint.block
        params = JointParams(*params, joint.params)
    params = grafted(params, cfg.train.graft, Workdir(cfg.workdir))
    return TrainedModel(config, params, scales, dataset.classes, cfg.data.stream, block=block)


def videos_that_choose_checkpoints(cfg: RunConfig, dataset: Dataset) -> Sequence[Video]:
    """The videos that are scored while a run is trained: the validation list, or the test list."""
    # As in the authors' code. The videos then count as trained on, so `evaluate` refuses them or
    # marks its results.
    if cfg.train.keep == "best_on_test":
        return dataset.part("test")
    if cfg.data.validation:
        return dataset.part("valid")
    return ()
