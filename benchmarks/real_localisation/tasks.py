"""The three sets of clips: what is prepared of each, and which clips train and test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from videolstm_jax.presets import Settings
from videolstm_jax.stages import prepare
from videolstm_jax.types import Video
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

BACKBONE = {
    "convnet__backbone": "lite0",
    "pipeline__flow_backbone": "lite0",
    "data__mirrored": False,
    "data__workers": 1,
}
"""Frozen ImageNet features, on top of each preset."""


class Fold(NamedTuple):
    """One training list and its test list.

    Attributes:
      name: of the fold.
      train: the clips that everything but recurrent models is fitted on.
      test: the clips that are measured.
      boxed: the clips whose true boxes make the mean training box; `train` and more.
      recurrent: the clips that recurrent models train on; `train`, or `train` and more.
    """

    name: str
    train: Sequence[Video]
    test: Sequence[Video]
    boxed: Sequence[Video]
    recurrent: Sequence[Video]


class Task(NamedTuple):
    """One set of clips.

    Attributes:
      preset: of the settings.
      overrides: on top of the preset and `BACKBONE`.
      folds: makes the folds of the prepared videos.
      needs_data: whether the folder of the videos must be given.
    """

    preset: str
    overrides: dict[str, Any]
    folds: Callable[[Sequence[Video]], list[Fold]]
    needs_data: bool = False


def performers_held_out(videos: Sequence[Video]) -> list[Fold]:
    """One fold for each performer, whose clips are its test list."""
    folds = []
    for group in sorted({video.group for video in videos}):
        train = [video for video in videos if video.group != group]
        test = [video for video in videos if video.group == group]
        folds.append(Fold(f"without-{group}", train, test, boxed=train, recurrent=train))
    return folds


def first_of_each_class(
    train: int, test: int, recurrent: int
) -> Callable[[Sequence[Video]], list[Fold]]:
    """One fold of the first clips of each class of both lists; actors are new in the test list.

    Args:
      train: clips of a class that everything but recurrent models is fitted on.
      test: clips of a class that are measured.
      recurrent: clips of a class that recurrent models train on; at least `train`.
    """

    def folds(videos: Sequence[Video]) -> list[Fold]:
        return [
            Fold(
                "all",
                train=_first(videos, "train", train),
                test=_first(videos, "test", test),
                boxed=[video for video in videos if video.part == "train"],
                recurrent=_first(videos, "train", recurrent),
            )
        ]

    return folds


def _first(videos: Sequence[Video], part: str, count: int) -> list[Video]:
    chosen: list[Video] = []
    taken: dict[int, int] = {}
    for video in videos:
        if video.part == part and taken.get(video.label, 0) < count:
            taken[video.label] = taken.get(video.label, 0) + 1
            chosen.append(video)
    return chosen


TASKS = {
    "weizmann": Task(
        "small",
        # The bound of flow is the same in all folds, so that they share the flow.
        {"data__hold_out": "p0", "flow__percentile": 0.0, "flow__bound": 4.0},
        performers_held_out,
        needs_data=True,
    ),
    "easy": Task("demo", {}, first_of_each_class(train=12, test=8, recurrent=12)),
    "hard": Task(
        "research",
        {"data__clips_per_class": 24, "data__test_clips_per_class": 25},
        # Two clips of a class are enough for an axis, and too few for a recurrent model.
        first_of_each_class(train=2, test=12, recurrent=12),
    ),
}
"""By name. `easy` has the test clips of the demo; `hard` some of those of the first seed."""


def prepared(task: Task, workdir: str, data: str = "") -> Settings:
    """Prepares the work folder of a task, unless that was done before."""
    settings = Settings(task.preset, {**BACKBONE, **task.overrides, "workdir": workdir})
    if task.needs_data:
        settings = settings.override(data__videos=data)
    if not Workdir(workdir).dataset.exists():
        prepare.run(settings.config())
    return settings


def folds_of(task: Task, workdir: str) -> list[Fold]:
    """The folds of a prepared task."""
    return task.folds(load_dataset(Workdir(workdir).dataset).videos)


def clips_of(folds: Sequence[Fold]) -> list[Video]:
    """Every clip that some fold trains or tests, once; test clips first."""
    clips = {}
    for part in ("test", "train", "recurrent"):
        for fold in folds:
            for video in getattr(fold, part):
                clips.setdefault(video.name, video)
    return list(clips.values())
