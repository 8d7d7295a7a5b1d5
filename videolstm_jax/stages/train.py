"""Trains one recurrent model on extracted features."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from etils import epath

from videolstm_jax.artifacts import Workdir, check_layout, load_dataset, save_config
from videolstm_jax.clips import balance
from videolstm_jax.clips.batches import Host, train_batches
from videolstm_jax.config import ModelConfig, RunConfig
from videolstm_jax.core.cells import find_cell
from videolstm_jax.core.model import make_model
from videolstm_jax.files import json_sha256
from videolstm_jax.lock.sole_writer import sole_writer
from videolstm_jax.train.divergence import print_divergence
from videolstm_jax.train.loop import Plan, fit
from videolstm_jax.train.mesh import data_mesh, replicate, spread
from videolstm_jax.train.optim import optimizer
from videolstm_jax.train.state import new_state
from videolstm_jax.train.step import make_step, model_loss
from videolstm_jax.trained.features import (
    ModelFeatures,
    described_inputs,
    feature_scales,
    open_features,
)
from videolstm_jax.trained.functions import Scales
from videolstm_jax.trained.grafts import grafted, grafts_trained_on
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.trained.training_list import list_record, trained_on_of
from videolstm_jax.types import Batch, Dataset, TrainState, Video

VALID_SEGMENTS = 5
"""Segments of each validation video; the 25 of the paper are for the test list."""
SMALLEST_SCORE = 1e-12
"""A validation score below it counts as this much, so that its logarithm is finite."""


def run(cfg: RunConfig) -> epath.Path:
    """Trains, and writes `runs/<name>/`.

    It holds ckpt/, metrics.jsonl, best/ with `keep=best`, and config.json once training is done.
    The top LSTM reads the features of `cfg.data.stream`, a motion layer those of flow. Sizes are
    read off the features. Training that was stopped goes on where it stopped.

    Returns:
      The folder.

    Raises:
      ConfigError, FileError: a stage before has not run, or its output does not fit.
      FileError: parameters of another run that do not fit.
      FileError: the folder holds a run of other settings or other features, or another process
        trains in it.
    """
    cell = find_cell(cfg.model.cell)
    work = Workdir(cfg.workdir)
    check_layout(work)
    dataset = load_dataset(work.dataset)
    train_list = dataset.part("train")
    features = open_features(work, cfg.data.stream, cell.layers)
    model = _new_model(cfg, dataset, features, train_list)
    inputs = described_inputs(features)
    plan = Plan(
        steps=cfg.train.steps,
        log_every=cfg.train.log_every,
        save_every=cfg.train.save_every,
        identity=_identity(cfg, model.config, dataset, inputs),
        about={},
        validate=_validation(cfg, dataset, model, features),
        keep_best=cfg.train.keep == "best",
    )

    folder = work.run(cfg.run_name)
    count = sum(leaf.size for leaf in jax.tree.leaves(model.params))
    with _sole_writer(cfg, folder):
        print(f"trains {cfg.run_name}, {count:,} parameters: {folder}", flush=True)
        batches = _batches(cfg, features, train_list)
        weights = balance.loss_weights(cfg.train.balance, train_list, len(dataset.classes))
        balance.print_uneven(cfg.train.balance, train_list, dataset.classes)
        _fit(cfg, model, plan, batches, folder, weights)
        frames = cfg.data.frames  # the loss is summed over them
        warning = print_divergence(folder, len(dataset.classes), frames)
        save_config(
            folder,
            cfg,
            warnings=[warning] if warning else [],
            model=dataclasses.asdict(model.config),
            classes=dataset.classes,
            scales=model.scales._asdict(),
            inputs=inputs,
            trained_on=list_record(_trained_on(cfg, dataset, model)),
            # So that no later stage needs the cell's code for these.
            attends=cell.attends,
            layers=cell.layers._asdict(),
        )
    return folder


def _sole_writer(cfg: RunConfig, folder: epath.Path) -> contextlib.AbstractContextManager[None]:
    """The lock of the folder; where one training runs on several hosts, the first one holds it."""
    if jax.process_index() > 0:
        return contextlib.nullcontext()
    return sole_writer(folder, "train", break_lock=cfg.break_lock)


def _trained_on(cfg: RunConfig, dataset: Dataset, model: TrainedModel) -> set[str]:
    """The names of the videos that the parameters depend on, or the features they read."""
    parts = {"train"}
    # The validation videos choose the best checkpoint; else they are only looked at.
    if cfg.train.keep == "best":
        parts.add("valid")
    names = {video.name for video in dataset.videos if video.part in parts}
    work = Workdir(cfg.workdir)
    names |= grafts_trained_on(cfg.train.graft, work)
    for stream in model.layers_by_stream():
        names.update(trained_on_of(work.convnet(stream)))
    return names


def _new_model(
    cfg: RunConfig, dataset: Dataset, features: ModelFeatures, train_list: Sequence[Video]
) -> TrainedModel:
    """The model before its first step: drawn at random, then grafted."""
    scales = Scales()
    if cfg.data.feature_scale == "std":
        scales = feature_scales(features, train_list)
    config = features.sizes(cfg.model, len(dataset.classes))
    # Compiled as one program: drawn leaf by leaf, a large model takes seconds.
    params = jax.jit(make_model(config).init)(jax.random.key(cfg.seed))
    params = grafted(params, cfg.train.graft, Workdir(cfg.workdir))
    return TrainedModel(config, params, scales, dataset.classes, cfg.data.stream)


def _fit(
    cfg: RunConfig,
    model: TrainedModel,
    plan: Plan,
    batches_from: Callable[[int], Iterator[Batch]],
    folder: epath.Path,
    weights: np.ndarray | None,
) -> None:
    """Trains to the end of the plan, on as many devices as the settings say."""
    optimize = optimizer(cfg.optim, cfg.train.steps)
    mesh = data_mesh(cfg.train.devices, cfg.data.batch)
    state = replicate(new_state(model.params, optimize), mesh)
    # The functions read float16, so that half the bytes are sent to the devices.
    loss = model_loss(
        model.functions.apply,
        attention_entropy=cfg.train.attention_entropy,
        class_weights=weights,
    )
    step = make_step(loss, optimize, cfg.seed, mesh=mesh)
    fit(state, step, batches_from, plan, folder=folder, place=partial(spread, mesh=mesh))


def _identity(
    cfg: RunConfig, config: ModelConfig, dataset: Dataset, inputs: dict[str, Any]
) -> dict[str, Any]:
    """The settings and data that a checkpoint must agree with for training to go on from it.

    How long training lasts may differ, and so may how the same numbers are computed.
    """
    identity = {
        "cell": config.cell,
        "classes": dataset.classes,
        "seed": cfg.seed,
        "train.graft": cfg.train.graft,
        "train.balance": cfg.train.balance,
        "train.attention_entropy": cfg.train.attention_entropy,
    }
    for name, value in dataclasses.asdict(config).items():
        if name not in ("cell", "classes", "engine", "remat"):
            identity[f"model.{name}"] = value
    for name, value in dataclasses.asdict(cfg.optim).items():
        identity[f"optim.{name}"] = value
    for name in ("stream", "frames", "batch", "order", "short_clips", "feature_scale"):
        identity[f"data.{name}"] = getattr(cfg.data, name)
    if cfg.optim.schedule != "constant":  # then the length decides how the learning rate falls
        identity["train.steps"] = cfg.train.steps
    for name, row in inputs.items():
        identity[f"features.{name}"] = row["sha256"]
    labels = [[video.name, video.label] for video in dataset.videos if video.part == "train"]
    identity["videos"] = json_sha256(labels)
    return identity


def _batches(
    cfg: RunConfig, features: ModelFeatures, train_list: Sequence[Video]
) -> Callable[[int], Iterator[Batch]]:
    """The training batches from a given step on; of several hosts each reads its share."""

    def batches_from(step: int) -> Iterator[Batch]:
        return train_batches(
            features.x,
            features.motion,
            train_list,
            cfg.data,
            seed=cfg.seed,
            start_step=step,
            dtype="float16",
            host=Host(jax.process_index(), jax.process_count()),
            balanced=cfg.train.balance == "draws",
        )

    return batches_from


def _validation(
    cfg: RunConfig, dataset: Dataset, model: TrainedModel, features: ModelFeatures
) -> Callable[[TrainState], dict[str, float]] | None:
    """Accuracy and mean -log p of the validation videos by a few segments (Sec. 5.2)."""
    if not cfg.data.validation:
        return None
    videos = dataset.part("valid")
    settings = dataclasses.replace(cfg.eval, segments=VALID_SEGMENTS)

    def validate(state: TrainState) -> dict[str, float]:
        trained = model.with_params(state.params)
        right, loss = 0, 0.0
        every_score = trained.segments(features, videos, cfg.data, settings)
        for video, scores in zip(videos, every_score, strict=True):
            right += int(scores.argmax() == video.label)
            loss -= float(np.log(max(scores[video.label], SMALLEST_SCORE)))
        return {"valid_accuracy": right / len(videos), "valid_loss": loss / len(videos)}

    return validate
