"""Settings of UT-Interaction that are compared on held-out sequences of a training list.

All tries read the training list of fold 1 only. Three times, three of its twelve sequences are held
out: 55 clips in all. These clips are test clips of folds 2 to 4 later, so that the choice is blind
for folds 1 and 5 alone; the results say what the rows are worth there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks.real_data import linear
from benchmarks.real_data.stages import (
    Run,
    right_of_run,
    run_of,
    scores_path,
    train_and_score,
)
from benchmarks.real_data.ut_folds import (
    HELD_OUT,
    FeatureForm,
    import_features,
    validation_fold,
    work_of,
)
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.presets import Settings
from videolstm_jax.workdir.dataset_json import load_dataset


class Try(NamedTuple):
    """What is compared.

    Attributes:
      settings: on top of those of the task.
      form: of the features.
      held_out: which sequences are held out, one after the other; see `HELD_OUT`.
      streams: that VideoLSTM reads, one after the other.
    """

    settings: Mapping[str, Any] = {}
    form: FeatureForm = FeatureForm()
    held_out: tuple[int, ...] = HELD_OUT
    streams: tuple[str, ...] = ("flow",)


_RATE = {"optim__learning_rate": 3e-3}
_MIRRORED = {**_RATE, "data__mirrored": True}
_DROPOUTS = {"model__hidden_dropout": 0.5}
_DECAY = {"optim__weight_decay": 10.0}
_SECOND = {**_MIRRORED, **_DECAY}
# Attention sums to one over 7x7 places, so that a cell reads values 49 times smaller without it.
_SCALED = {"model__attention_scale": 49.0}
_LONGER = {"train__steps": 300}
_BOTH = ("flow", "rgb")
_EARLIER = HELD_OUT[:1]
"""The first tries had these sequences alone."""

FIRST = "learning rate 3e-3"
SECOND = "mirrored clips, weight decay 10, each value of the map standardised"

_PLACE = FeatureForm(scale="place")

TRIES = {
    "learning rate 1e-3": Try(held_out=_EARLIER),
    "300 updates": Try({**_RATE, "train__steps": 300}, held_out=_EARLIER),
    "dropout .5 before the dense layer too": Try({**_RATE, **_DROPOUTS}, held_out=_EARLIER),
    FIRST: Try(_RATE),
    "mirrored clips": Try(_MIRRORED),
    SECOND: Try(_SECOND, _PLACE, streams=_BOTH),
    "each value of the map standardised": Try(_RATE, _PLACE, held_out=HELD_OUT[:2]),
    "second setting, A * X times 49": Try({**_SECOND, **_SCALED}, _PLACE, streams=_BOTH),
    "second setting, 300 updates": Try({**_SECOND, **_LONGER}, _PLACE, streams=_BOTH),
    "second setting, A * X times 49, 300 updates": Try(
        {**_SECOND, **_SCALED, **_LONGER}, _PLACE, streams=_BOTH
    ),
    "first setting, A * X times 49": Try({**_RATE, **_SCALED}, streams=("rgb",)),
}
"""Each is `FIRST`, or where it says so `SECOND`, with one change, if it says no other."""


def compare_tries(fold: Settings, workdir: str, stop: float) -> dict[str, dict[str, Any]]:
    """What VideoLSTM is worth in each of `TRIES`, with seed 0.

    Args:
      fold: the settings of fold 1.
      workdir: of the task.
      stop: a moment of `time.monotonic` after which no training begins.

    Returns:
      By try and stream: right answers of each part that was held out, and how many videos it has.
    """
    worth: dict[str, dict[str, Any]] = {}
    for name, compared in TRIES.items():
        for stream in compared.streams:
            right, videos = _right_of_try(fold, workdir, compared, stream, stop)
            if right:
                about = {"settings": compared.settings, "form": compared.form._asdict()}
                worth[f"{name}, {stream}"] = {**about, "right": right, "videos": videos}
    return worth


def _right_of_try(
    fold: Settings, workdir: str, compared: Try, stream: str, stop: float
) -> tuple[list[int], list[int]]:
    model = Run(run_of(compared.settings), "videolstm", stream, compared.settings)
    if stream != "flow":
        model = model._replace(name=f"{model.name}-{stream}")
    right, videos = [], []
    for held_out in compared.held_out:
        settings = validation_fold(fold, workdir, compared.form, held_out)
        read = ("flow",) if stream == "flow" else ("rgb", "flow")
        trained = settings.override(**compared.settings)
        cfg = model.config(settings, settings.overrides["workdir"], 0)
        # Features of a try that will not be trained would only fill the disk.
        if scores_path(cfg).exists() or time.monotonic() < stop:
            import_features(trained, workdir, compared.form, read, ("pool5",))
        if train_and_score(cfg, stop):
            answers = right_of_run(cfg)
            right.append(sum(answers.values()))
            videos.append(len(answers))
    return right, videos


def ridge_on_held_out(fold: Settings, workdir: str) -> list[int]:
    """Right answers of ridge regression on the mean flow map of the same lists."""
    right = []
    for held_out in HELD_OUT:
        work = work_of(validation_fold(fold, workdir, held_out=held_out))
        dataset = load_dataset(work.dataset)
        store = FeatureStore.open(work.features("flow", "pool5"))
        vectors, label = {}, {}
        for part in ("train", "valid"):
            videos = dataset.part(part)
            means = [store.read(video.name).astype(np.float32).mean(0) for video in videos]
            vectors[part] = np.stack(means).reshape(len(videos), -1)
            label[part] = np.array([video.label for video in videos])
        groups = [video.group for video in dataset.part("train")]
        scores, _ = linear.ridge(vectors["train"], label["train"], vectors["valid"], groups=groups)
        right.append(int((scores.argmax(1) == label["valid"]).sum()))
    return right
