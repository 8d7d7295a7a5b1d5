"""Trains one recurrent model on extracted features."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
from etils import epath
from jax.sharding import Mesh

from videolstm_jax.artifacts import Workdir, check_layout, load_dataset, save_config
from videolstm_jax.clips import balance
from videolstm_jax.clips.batches import MirroredStores, batch_videos, train_batches
from videolstm_jax.clips.draws import ClipDraws, Host
from videolstm_jax.cluster import team
from videolstm_jax.config import RunConfig
from videolstm_jax.core.cells import find_cell
from videolstm_jax.core.model import make_model
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.train.checkpoints.checkpoint import checkpoint_folder, latest_step
from videolstm_jax.train.identity import model_identity
from videolstm_jax.train.loop import fit
from videolstm_jax.train.mesh import data_mesh, mesh_text, replicate
from videolstm_jax.train.numerics.divergence import print_divergence
from videolstm_jax.train.optim import optimizer, with_block_rate
from videolstm_jax.train.record import Plan
from videolstm_jax.train.state import new_state
from videolstm_jax.train.step import make_step, model_loss
from videolstm_jax.trained.backbone.convnet import check_backbone, check_fit, recorded_fit
from videolstm_jax.trained.features import (
    ModelFeatures,
    described_inputs,
    feature_scales,
    open_features,
    verify_features,
)
from videolstm_jax.trained.functions import Scales
from videolstm_jax.trained.grafts import grafted, grafts_trained_on
from videolstm_jax.trained.joint_start import JointStart, joint_start
from videolstm_jax.trained.mirrored import described_mirrored, open_mirrored
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.results.evaluated import remove_results
from videolstm_jax.trained.training_list import list_record, trained_on_of
from videolstm_jax.trained.validation.in_training import validation
from videolstm_jax.types import Batch, Dataset, JointParams, Video, names_of


class _Training(NamedTuple):
    """One training, with all that it reads.

    Attributes:
      cfg: of the run.
      work: the work folder.
      dataset: all videos; `train_list` are those of the training.
      train_list: V videos.
      features: the stores that the cell reads.
      mirrored: the stores of the mirrored training list, where clips are drawn in both views.
      inputs: `described_inputs` of the features.
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
        identity = model_identity(cfg, config, classes, self.train_list, self.inputs)
        # None and not False, as which a checkpoint of before counts that knows no such setting.
        identity["data.mirrored"] = self.cfg.data.mirrored or None
        # Absent, and so None, in checkpoints of before these settings.
        identity["train.backbone_from"] = identity["train.backbone_rate"] = None
        if self.model.block is not None:
            identity["train.backbone_from"] = self.model.block.first
            identity["train.backbone_rate"] = cfg.train.backbone_rate
        for name, row in described_mirrored(self.mirrored).items():
            identity[f"features.{name}.mirrored"] = row["sha256"]
        return identity


def run(cfg: RunConfig) -> epath.Path:
    """Trains, and writes `runs/<name>/`.

    It holds ckpt/, metrics.jsonl, best/ unless `keep=last`, and config.json once training is done.
    The top LSTM reads the features of `cfg.data.stream`, a motion layer those of flow. Sizes are
    read off the features. Training that was stopped goes on where it stopped.

    Returns:
      The folder.

    Raises:
      ConfigError, FileError: a stage before has not run, or its output does not fit.
      FileError: parameters of another run that do not fit, or the folder holds a run of other
        settings or other features, or another process trains in it.
    """
    # All that can be refused is refused before the folder is locked and written.
    training = _open_training(cfg)
    chosen_by = _choosing_videos(cfg, training.dataset)
    plan = Plan(
        steps=cfg.train.steps,
        log_every=cfg.train.log_every,
        save_every=cfg.train.save_every,
        identity=training.identity(),
        about={},
        validate=validation(training.model, training.features, chosen_by, cfg),
        keep_best=cfg.train.keep != "last",
        nonfinite=cfg.train.nonfinite,
        hash_every=cfg.train.hash_every,
        resume=cfg.resume,
        videos_of=partial(
            batch_videos, training.features.x, training.train_list, cfg.data, _draws(training)
        ),
    )
    mesh = data_mesh(cfg.train.devices, cfg.data.batch, cfg.train.shards)
    folder = training.folder
    with team_writer(folder, "train", break_lock=cfg.break_lock):
        count = sum(leaf.size for leaf in jax.tree.leaves(training.model.params))
        print(
            f"trains {cfg.run_name}, {count:,} parameters, on {mesh_text(mesh)}: {folder}",
            flush=True,
        )
        balance.print_uneven(cfg.train.balance, training.train_list, training.dataset.classes)
        _fit(training, plan, mesh)
        if team.current().is_first:
            _save_config(training)
    return folder


def _open_training(cfg: RunConfig) -> _Training:
    """Opens what a training reads, and makes its model."""
    work = Workdir(cfg.workdir)
    # The cell first: a misspelt name costs nothing then.
    layers = find_cell(cfg.model.cell).layers
    check_layout(work)
    dataset = load_dataset(work.dataset)
    train_list = dataset.part("train")
    frozen = open_features(work, cfg.data.stream, layers)
    _check_backbones(cfg, frozen)
    features, joint = frozen, None
    if cfg.train.backbone_from:
        joint = joint_start(cfg, work, frozen, layers.x)
        features = joint.features
    videos = [*train_list, *_choosing_videos(cfg, dataset)]
    # Before the deviation is taken of them, and before the first step.
    verify_features(features, videos, cfg.data.verify)
    mirrored = open_mirrored(cfg, features, train_list)
    # Scales are of what the cell reads: of a block's output, which is still that of the backbone.
    model = _new_model(cfg, dataset, frozen, train_list, joint)
    inputs = described_inputs(features)
    return _Training(cfg, work, dataset, train_list, features, mirrored, inputs, model)


def _check_backbones(cfg: RunConfig, features: ModelFeatures) -> None:
    """Refuses features of another backbone or `data.fit` than those of the settings."""
    streams = {"x": cfg.data.stream, "motion": "flow"}
    for name, store in features.by_input().items():
        # Imported features do not say what made them.
        convnet = store.about.get("convnet")
        if isinstance(convnet, dict):
            backbone = convnet.get("backbone", "vgg")
            check_backbone(cfg, streams[name], backbone, store.folder)
            check_fit(cfg, recorded_fit(store.about), store.folder)


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
        scales = feature_scales(features, train_list)
    config = features.sizes(cfg.model, len(dataset.classes))
    # Compiled as one program: drawn leaf by leaf, a large model takes seconds.
    params = jax.jit(make_model(config).init)(jax.random.key(cfg.seed))
    block = None
    if joint is not None:
        block, params = joint.block, JointParams(*params, joint.params)
    params = grafted(params, cfg.train.graft, Workdir(cfg.workdir))
    return TrainedModel(config, params, scales, dataset.classes, cfg.data.stream, block=block)


def _choosing_videos(cfg: RunConfig, dataset: Dataset) -> Sequence[Video]:
    """The videos that are scored while a run is trained: the validation list, or the test list."""
    if cfg.train.keep == "best_on_test":
        return dataset.part("test")
    if cfg.data.validation:
        return dataset.part("valid")
    return ()


# ---- training ------------------------------------------------------------------------------------


def _fit(training: _Training, plan: Plan, mesh: Mesh) -> None:
    """Trains to the end of the plan, on as many devices as the settings say."""
    cfg, model = training.cfg, training.model
    optimize = optimizer(cfg.optim, cfg.train.steps)
    if model.block is not None:
        optimize = with_block_rate(optimize, cfg.train.backbone_rate)
    state = replicate(new_state(model.params, optimize), mesh)
    classes = len(training.dataset.classes)
    # The functions read float16, so that half the bytes are sent to the devices.
    loss = model_loss(
        model.functions.apply,
        attention_entropy=cfg.train.attention_entropy,
        class_weights=balance.loss_weights(cfg.train.balance, training.train_list, classes),
    )
    step = make_step(loss, optimize, cfg.seed, mesh=mesh, shards=cfg.train.shards)
    fit(state, step, _batches(training), plan, folder=training.folder, mesh=mesh)


def _draws(training: _Training) -> ClipDraws:
    """How the clips are drawn; of several hosts each draws its share."""
    return ClipDraws(
        training.cfg.seed,
        balanced=training.cfg.train.balance == "draws",
        host=Host(team.current().index, team.current().count),
        mirrored=training.mirrored is not None,
    )


def _batches(training: _Training) -> Callable[[int], Iterator[Batch]]:
    """The training batches from a given step on; of several hosts each reads its share."""
    cfg, features, draws = training.cfg, training.features, _draws(training)

    def batches_from(step: int) -> Iterator[Batch]:
        return train_batches(
            features.x,
            features.motion,
            training.train_list,
            cfg.data,
            draws,
            mirrored=training.mirrored,
            start_step=step,
            dtype="float16",
        )

    return batches_from


# ---- what is recorded ----------------------------------------------------------------------------


def _save_config(training: _Training) -> None:
    """Writes config.json, which marks the training as finished."""
    cfg, model = training.cfg, training.model
    # `fit` removes the file where it makes a step: results of an evaluation are then of parameters
    # that are gone.
    if not (training.folder / "config.json").exists():
        remove_results(training.folder)
    # The loss is summed over the frames of a clip, so its bound grows with them.
    classes = training.dataset.classes
    warnings = print_divergence(training.folder, len(classes), cfg.data.frames)
    save_config(
        training.folder,
        cfg,
        warnings=warnings,
        model=dataclasses.asdict(model.config),
        classes=classes,
        scales=model.scales._asdict(),
        inputs=training.inputs,
        trained_on=list_record(_trained_on(training)),
        checkpoint_step=latest_step(training.folder / checkpoint_folder(cfg.train.keep)),
        # So that no later stage needs the cell's code for these.
        attends=model.cell.attends,
        layers=model.cell.layers._asdict(),
        **_block_entry(model),
    )


def _block_entry(model: TrainedModel) -> dict[str, Any]:
    """What config.json has of a block that was trained with the cell; nothing without one."""
    if model.block is None:
        return {}
    return {"block": model.block.record()}


def _trained_on(training: _Training) -> set[str]:
    """The names of the videos that the parameters depend on, or the features they read."""
    cfg = training.cfg
    names = set(names_of(training.train_list))
    # The videos choose the checkpoint, unless it is the last one; else they are only looked at.
    if cfg.train.keep != "last":
        names.update(names_of(_choosing_videos(cfg, training.dataset)))
    names |= grafts_trained_on(cfg.train.graft, training.work)
    for stream in training.model.layers_by_stream():
        names.update(trained_on_of(training.work.convnet(stream)))
    return names
