"""Trains one recurrent model on extracted features."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
from etils import epath
from jax.sharding import Mesh

from videolstm_jax.clips import balance
from videolstm_jax.clips.batches import train_batches, videos_of_clip_batch
from videolstm_jax.clips.draws import ClipDraws, Host
from videolstm_jax.cluster import team
from videolstm_jax.cluster.watchdog import READING, watchdog
from videolstm_jax.config import RunConfig
from videolstm_jax.dataset.training_list import list_record, trained_on_of
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.results.evaluated import is_result, remove_results
from videolstm_jax.train.checkpoints.last_checkpoint import (
    checkpoint_folder,
    latest_checkpoint_step,
)
from videolstm_jax.train.loop import fit
from videolstm_jax.train.mesh import data_mesh, mesh_text, replicate_on_mesh
from videolstm_jax.train.numerics.divergence import print_divergence
from videolstm_jax.train.optim import optimizer, optimizer_with_block_rate
from videolstm_jax.train.record import Plan
from videolstm_jax.train.state import new_training_state
from videolstm_jax.train.step import make_step, model_loss
from videolstm_jax.trained.foreground import foreground_entry, foreground_of_store
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.validation import validation_of_model
from videolstm_jax.training_start.grafts import grafts_trained_on
from videolstm_jax.training_start.training_inputs import (
    TrainingInputs,
    open_training,
    videos_that_choose_checkpoints,
)
from videolstm_jax.types import Batch, names_of
from videolstm_jax.workdir.config_json import save_config


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
    watchdog().expect(READING)
    # All that can be refused is refused before the folder is locked and written.
    training = open_training(cfg)
    plan = _plan(training)
    mesh = data_mesh(cfg.train.devices, cfg.data.batch, cfg.train.shards)
    folder = training.folder
    lock = team_writer(
        folder,
        "train",
        break_lock=cfg.break_lock,
        # `evaluate` or `localize` may be writing these.
        is_ours=lambda target: not is_result(folder, target),
        # `remove_unfinished_checkpoints` removes what a killed process left of a checkpoint.
        below=False,
    )
    with lock:
        _print_start(training, mesh)
        _fit(training, plan, mesh)
        if team.current_team().is_first:
            _save_config(training)
    return folder


def _plan(training: TrainingInputs) -> Plan:
    """How long the training is, how often it saves, and what its checkpoints must agree with."""
    cfg = training.cfg
    chosen_by = videos_that_choose_checkpoints(cfg, training.dataset)
    return Plan(
        steps=cfg.train.steps,
        log_every=cfg.train.log_every,
        save_every=cfg.train.save_every,
        identity=training.identity(),
        about={},
        validate=validation_of_model(training.model, training.features, chosen_by, cfg),
        keep_best=cfg.train.keep != "last",
        nonfinite=cfg.train.nonfinite,
        hash_every=cfg.train.hash_every,
        resume=cfg.resume,
        videos_of=partial(
            videos_of_clip_batch,
            training.features.x,
            training.train_list,
            cfg.data,
            _draws(training),
        ),
    )


def _print_start(training: TrainingInputs, mesh: Mesh) -> None:
    """Prints what is trained, on which devices, and whether the classes are uneven."""
    cfg = training.cfg
    count = 0
    for leaf in jax.tree.leaves(training.model.params):
        count += leaf.size
    print(
        f"trains {cfg.run_name}, {count:,} parameters, on {mesh_text(mesh)}: {training.folder}",
        flush=True,
    )
    balance.print_uneven(cfg.train.balance, training.train_list, training.dataset.classes)


# ---- training ------------------------------------------------------------------------------------


def _fit(training: TrainingInputs, plan: Plan, mesh: Mesh) -> None:
    """Trains to the end of the plan, on as many devices as the settings say."""
    cfg, model = training.cfg, training.model
    optimize = optimizer(cfg.optim, cfg.train.steps)
    if model.block is not None:
        optimize = optimizer_with_block_rate(optimize, cfg.train.backbone_rate)
    state = replicate_on_mesh(new_training_state(model.params, optimize), mesh)
    classes = len(training.dataset.classes)
    # The functions read float16, so that half the bytes are sent to the devices.
    loss = model_loss(
        model.functions.apply,
        attention_entropy=cfg.train.attention_entropy,
        class_weights=balance.class_weights_for_loss(
            cfg.train.balance, training.train_list, classes
        ),
    )
    step = make_step(loss, optimize, cfg.seed, mesh=mesh, shards=cfg.train.shards)
    fit(state, step, _batches(training), plan, folder=training.folder, mesh=mesh)


def _draws(training: TrainingInputs) -> ClipDraws:
    """How the clips are drawn; of several hosts each draws its share."""
    return ClipDraws(
        training.cfg.seed,
        balanced=training.cfg.train.balance == "draws",
        host=Host(team.current_team().index, team.current_team().count),
        mirrored=training.mirrored is not None,
    )


def _batches(training: TrainingInputs) -> Callable[[int], Iterator[Batch]]:
    """The training batches from a given step on; of several hosts each reads its share."""
    cfg = training.cfg
    features = training.features
    draws = _draws(training)

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


def _save_config(training: TrainingInputs) -> None:
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
        checkpoint_step=latest_checkpoint_step(training.folder / checkpoint_folder(cfg.train.keep)),
        # So that no later stage needs the cell's code for these.
        attends=model.cell.attends,
        layers=model.cell.layers._asdict(),
        **_block_entry(model),
        **_foreground_entry(training),
    )


def _block_entry(model: TrainedModel) -> dict[str, Any]:
    """What config.json has of a block that was trained with the cell; nothing without one."""
    if model.block is None:
        return {}
    return {"block": model.block.record()}


def _foreground_entry(training: TrainingInputs) -> dict[str, Any]:
    """The foreground axis of the features of x; nothing where no box can be made of it.

    A run with a trained block has none: the block changes the features with every step.
    """
    model = training.model
    if not model.cell.attends or model.block is not None:
        return {}
    return foreground_entry(foreground_of_store(training.features.x, training.train_list))


def _trained_on(training: TrainingInputs) -> set[str]:
    """The names of the videos that the parameters depend on, or the features they read."""
    cfg = training.cfg
    names = set(names_of(training.train_list))
    # The videos choose the checkpoint, unless it is the last one; else they are only looked at.
    if cfg.train.keep != "last":
        names.update(names_of(videos_that_choose_checkpoints(cfg, training.dataset)))
    names |= grafts_trained_on(cfg.train.graft, training.work)
    for stream in training.model.layers_by_stream():
        names.update(trained_on_of(training.work.convnet(stream)))
    return names
