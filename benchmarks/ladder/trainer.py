"""Trains and scores the models of the ladder in one process, one seed after the other.

The parts are those of the stages `train` and `evaluate`. A stage compiles its programs for one run
and writes checkpoints; here all seeds of a model share one program, and only scores are kept. A
training of the ladder takes seconds, less than a stage needs beside it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
import optax

from videolstm_jax.clips.balance import labels_of_clip_videos
from videolstm_jax.clips.batches import MirroredStores, train_batches
from videolstm_jax.clips.draws import ClipDraws
from videolstm_jax.config import RunConfig
from videolstm_jax.core.cells import find_cell
from videolstm_jax.errors import ConfigError
from videolstm_jax.files import write_arrays
from videolstm_jax.train.optim import optimizer
from videolstm_jax.train.state import new_training_state
from videolstm_jax.train.step import model_loss
from videolstm_jax.trained.features import ModelFeatures, model_input_scales, open_model_features
from videolstm_jax.trained.functions import Scales
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.training_start.mirrored import open_mirrored
from videolstm_jax.types import Batch, Dataset, Scores, TrainState, Video, names_of
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores

READ_OUTS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean_of_frames": lambda scores: scores.mean(0),
    "last_frame": lambda scores: scores[-1],
    "mean_of_last_half": lambda scores: scores[len(scores) // 2 :].mean(0),
}
"""From the class probabilities [L', C] of one pass over a clip to its scores [C]."""


class Trainer(NamedTuple):
    """One model of the ladder, without its seed.

    Attributes:
      cfg: of the run; its seed and name are not read.
      dataset: all videos.
      features: the stores that the cell reads.
      mirrored: those of the mirrored training list, where `data.mirrored` is on.
      model: with the sizes and scales of the features, without parameters.
      init: from a seed to the state before the first update.
      step: (state, batch, seed) to the state after an update, and the loss.
    """

    cfg: RunConfig
    dataset: Dataset
    features: ModelFeatures
    mirrored: MirroredStores | None
    model: TrainedModel
    init: Callable[[int], TrainState]
    step: Callable[[TrainState, Batch, int], tuple[TrainState, jax.Array]]


def open_trainer(cfg: RunConfig) -> Trainer:
    """Opens the features of a model, and makes the programs that all its seeds share."""
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    train_list = dataset.part("train")
    features = open_model_features(work, cfg.data.stream, find_cell(cfg.model.cell).layers)
    mirrored = open_mirrored(cfg, features, train_list)
    config = features.sizes(cfg.model, len(dataset.classes))
    scales = Scales()
    if cfg.data.feature_scale == "std":
        scales = model_input_scales(features, train_list)
    model = TrainedModel(config, {}, scales, dataset.classes, cfg.data.stream)
    optimize = optimizer(cfg.optim, cfg.train.steps)
    loss_and_gradient = jax.value_and_grad(model_loss(model.functions.apply), has_aux=True)

    @jax.jit
    def first_params(seed: int):
        return model.functions.init(jax.random.key(seed))

    # As `make_step`, but the seed of the dropout masks is an input and not a constant of the
    # program, so that five seeds are compiled once.
    @jax.jit
    def step(state: TrainState, batch: Batch, seed: int) -> tuple[TrainState, jax.Array]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        (loss, _), gradient = loss_and_gradient(state.params, batch, key)
        updates, opt_state = optimize.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(state.step + 1, params, opt_state), loss

    def init(seed: int) -> TrainState:
        return new_training_state(first_params(seed), optimize)

    return Trainer(cfg, dataset, features, mirrored, model, init, step)


def on_fold(trainer: Trainer, cfg: RunConfig) -> Trainer:
    """The same programs on the lists and features of another fold.

    Args:
      trainer: of the same model.
      cfg: of a run on that fold. Its features must be stored as they are read, with
        `data.feature_scale` raw: a deviation of its own would be a constant of the programs.
    """
    if cfg.workdir == trainer.cfg.workdir:
        return trainer
    if cfg.data.feature_scale != "raw":
        raise ConfigError(
            f"data.feature_scale is {cfg.data.feature_scale!r}; folds share programs with raw only"
        )
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    features = trainer.model.open_features(work)
    mirrored = open_mirrored(cfg, features, dataset.part("train"))
    return trainer._replace(cfg=cfg, dataset=dataset, features=features, mirrored=mirrored)


def train(trainer: Trainer, seed: int) -> TrainedModel:
    """Trains one seed to the end."""
    state = trainer.init(seed)
    batches = train_batches(
        trainer.features.x,
        trainer.features.motion,
        trainer.dataset.part("train"),
        trainer.cfg.data,
        ClipDraws(seed, mirrored=trainer.mirrored is not None),
        mirrored=trainer.mirrored,
        dtype="float16",
    )
    for _ in range(trainer.cfg.train.steps):
        state, _ = trainer.step(state, next(batches), seed)
    return dataclasses.replace(trainer.model, params=state.params)


def train_and_score(trainer: Trainer, cfg: RunConfig, *, read_outs: bool = False) -> None:
    """Trains the seed of a configuration, and writes `runs/<name>/scores.npz` of the test list.

    Args:
      trainer: of the model.
      cfg: with the seed and the name of the run.
      read_outs: whether to write the scores of `READ_OUTS` too, `runs/<name>/read_outs.npz`.
    """
    began, busy = time.monotonic(), time.process_time()
    model = train(trainer, cfg.seed)
    videos = trainer.dataset.part("test")
    folder = Workdir(cfg.workdir).run(cfg.run_name)
    if read_outs:
        write_arrays(folder / "read_outs.npz", **_read_outs(trainer, model, videos))
    scores = np.stack(list(model.segments(trainer.features, videos, cfg.data, cfg.eval)))
    label = labels_of_clip_videos(videos)
    # Written last: it marks the run as done.
    save_scores(folder / "scores.npz", Scores(names_of(videos), scores, label, model.classes))
    wall, processor = time.monotonic() - began, time.process_time() - busy
    right = int((scores.argmax(1) == label).sum())
    print(
        f"{cfg.run_name}: {right} of {len(label)} right, {wall:.0f} s, {processor:.0f} s of "
        "processor time",
        flush=True,
    )


def _read_outs(
    trainer: Trainer, model: TrainedModel, videos: Sequence[Video]
) -> dict[str, np.ndarray]:
    """The scores [V, C] of one pass over each clip, read in every way."""
    frame_scores = {}
    # The longest clip comes first, so the order of the list is restored by name.
    for clip in model.whole_videos(trainer.features, videos, trainer.cfg.eval):
        frame_scores[clip.video.name] = clip.scores
    rows = {}
    for read_out, function in READ_OUTS.items():
        rows[read_out] = np.stack([function(frame_scores[video.name]) for video in videos])
    return rows
