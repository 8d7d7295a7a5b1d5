"""The ladder on real videos: folds of whole groups, and frozen features that all folds share.

Both streams read frozen EfficientNet-Lite0, as in `benchmarks.real_data.ut_interaction`, and every
second frame. The sizes of the models and of the training are those of stick actions; nothing was
chosen on these sets. The row ConvNet is the layer of the classes on frozen features.
"""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from benchmarks.held_out import fold_of_groups
from benchmarks.ladder.runs import RUNS, SEEDS, ladder_rows, names_of_test, scores_of_run, train_all
from benchmarks.ladder.sets import CHANNELS, TRAINING
from benchmarks.real_data import backbone_arrays, frame_classifier, ut_folds, ut_interaction
from benchmarks.real_data.rows import as_record
from benchmarks.real_data.stages import Run
from videolstm_jax.clips.balance import labels_of_clip_videos
from videolstm_jax.presets import Settings
from videolstm_jax.stages import prepare
from videolstm_jax.types import Scores, names_of
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores

SETTINGS: Mapping[str, Any] = {**ut_interaction.SETTINGS, **TRAINING}
"""On top of the preset `small`."""

FORM = ut_folds.FeatureForm(channels=CHANNELS)
"""Of the features that cells read: every second frame, as many components as of stick actions."""

CONVNETS = (Run("convnet-rgb", "convnet", "rgb"), Run("convnet-flow", "convnet", "flow"))
"""Not recurrent, but with seeds and score files like the other rows."""

MODELS = RUNS["independent"]
"""All models of the ladder."""


class RealSet(NamedTuple):
    """A set of real videos.

    Attributes:
      prepared: (folder of the data, work folder, settings) to the settings of every fold.
      about: how the folds are made, for the result file.
      changes: on top of `SETTINGS`.
    """

    prepared: Callable[[str, str, Mapping[str, Any]], list[Settings]]
    about: str
    changes: Mapping[str, Any] = {}


def run(name: str, data: str, workdir: str, stop: float = float("inf")) -> dict[str, Any]:
    """Trains what is missing, and returns the rows that all folds have.

    Args:
      name: of `REAL_SETS`.
      data: the folder of the set, with `videos/<Class>/`.
      workdir: of everything that is computed.
      stop: a moment of `time.monotonic` after which nothing is begun.
    """
    real_set = REAL_SETS[name]
    common = {**SETTINGS, **real_set.changes}
    prepared = real_set.prepared(data, workdir, common)
    # The network is not fitted, so one fold's settings extract the features of all.
    for stream in ("rgb", "flow"):
        cfg = prepared[0].for_stream(stream).config()
        backbone_arrays.extract(cfg, ut_folds.arrays_folder(workdir, stream))
    folds = []
    for fold in prepared:
        settings = ut_folds.training_fold(fold, workdir, FORM)
        ut_folds.import_features(settings, workdir, FORM)
        folds.append(settings)
    for seed in SEEDS:
        for convnet in CONVNETS:
            for settings in folds:
                if time.monotonic() < stop:
                    _classify_frames(convnet, settings, workdir, seed)
    train_all(MODELS, folds, SEEDS, stop)
    return {
        "data": real_set.about,
        "folds": len(folds),
        "settings": common,
        "features": FORM._asdict(),
        "videos": names_of_test(folds),
        "rows": as_record(ladder_rows((*CONVNETS, *MODELS), folds)),
    }


def _classify_frames(convnet: Run, settings: Settings, workdir: str, seed: int) -> None:
    """Trains the layer of the classes on frozen vectors of single frames, and scores the test list.

    Args:
      convnet: the row, whose stream is read.
      settings: of the fold.
      workdir: of the arrays.
      seed: of the draws.
    """
    path = scores_of_run(convnet, settings, seed)
    if path.exists():
        return
    folder = ut_folds.arrays_folder(workdir, convnet.stream) / "fc7"
    dataset = load_dataset(Workdir(settings.overrides["workdir"]).dataset)
    train, test = dataset.part("train"), dataset.part("test")
    vectors = [_vectors(folder, name) for name in names_of(train)]
    layer = frame_classifier.fit(vectors, labels_of_clip_videos(train), seed=seed)
    scores = []
    for name in names_of(test):
        scores.append(frame_classifier.video_scores(layer, _vectors(folder, name)))
    save_scores(
        path, Scores(names_of(test), np.stack(scores), labels_of_clip_videos(test), dataset.classes)
    )


def _vectors(folder: pathlib.Path, name: str) -> np.ndarray:
    """The vectors [L', D] of a video."""
    return np.load(folder / f"{name}.npy").astype(np.float32)


# ---- folds ---------------------------------------------------------------------------------------


def _weizmann(data: str, workdir: str, common: Mapping[str, Any]) -> list[Settings]:
    """One fold for each performer, in the order of their names."""
    place = {"workdir": f"{workdir}/all", "data__videos": f"{data}/videos"}
    base = Settings("small", {**common, **place})
    source = Workdir(base.overrides["workdir"])
    if not source.dataset.exists():
        prepare.run(base.config())
    dataset = load_dataset(source.dataset)
    performers = len({video.group for video in dataset.videos})
    folds = []
    for number in range(1, performers + 1):
        fold = base.override(workdir=f"{workdir}/fold-{number}")
        work = Workdir(fold.overrides["workdir"])
        if not work.dataset.exists():
            pathlib.Path(work.root).mkdir(parents=True, exist_ok=True)
            save_dataset(work.dataset, fold_of_groups(dataset, number, performers))
            # One flow serves all folds: its bound does not depend on the training list.
            pathlib.Path(work.flow).symlink_to(pathlib.Path(source.flow).resolve())
        folds.append(fold)
    return folds


def _ut_interaction(data: str, workdir: str, common: Mapping[str, Any]) -> list[Settings]:
    folds = []
    for number in range(1, ut_folds.FOLDS + 1):
        folds.append(ut_folds.prepared_fold(data, workdir, number, common))
    return folds


REAL_SETS: Mapping[str, RealSet] = {
    "weizmann": RealSet(
        _weizmann,
        "Weizmann, 4 actions of 6 performers, one performer held out",
        # Read at their own rate, 25 frames a second, since some clips have 53 frames in all.
        {"data__fps": 0.0},
    ),
    "ut_interaction": RealSet(
        _ut_interaction, "UT-Interaction, sequences 1 to 15, folds of 3 sequences"
    ),
}
"""By the name of the task."""
