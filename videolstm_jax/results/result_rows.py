"""The rows of the table of results, from the score files of a work folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.config import STREAMS
from videolstm_jax.dataset.training_list import scores_of_checked_videos
from videolstm_jax.measure import accuracy, intervals
from videolstm_jax.report import local, settings
from videolstm_jax.report.tables import Result
from videolstm_jax.workdir.scores_npz import load_scores

if TYPE_CHECKING:
    from videolstm_jax.results.work_contents import WorkFolderContents
    from videolstm_jax.types import Dataset, Scores
    from videolstm_jax.workdir.layout import Workdir


class _ScoreFile(NamedTuple):
    """A file of scores, the name and kind of its model, and the streams it reads."""

    path: epath.Path
    name: str
    kind: str
    inputs: str


def models_with_results(
    work_folder: WorkFolderContents, *, allow_trained: bool
) -> WorkFolderContents:
    """Adds the results of all score files, and the names of those that are outdated."""
    results, outdated = [], []
    for file in _score_files(work_folder.work, work_folder.configs):
        scores = load_scores(file.path)
        # Scores of an earlier test list would be compared with the wrong videos: they are left out
        # of the table and named.
        if work_folder.dataset is not None and not _same_test_list(scores, work_folder.dataset):
            outdated.append(file.name)
            continue
        scores = scores_of_checked_videos(file.path, file.name, allowed=allow_trained)
        measures = work_folder.maps.get(file.name)
        results.append((_result(file, scores, measures, work_folder.unread), scores))
    return work_folder._replace(results=tuple(results), outdated=tuple(outdated))


def folders_with_results(work: Workdir) -> dict[str, epath.Path]:
    """The folders of backbones and runs by the names that the page gives them, existing or not."""
    folders = {f"convnet-{stream}": work.convnet(stream) for stream in STREAMS}
    runs = work.path / "runs"
    if not runs.exists():
        return folders
    for folder in sorted(runs.iterdir()):
        # A lock or a file of the user's own is no run.
        if folder.is_dir():
            folders[folder.name] = folder
    return folders


def is_convnet_with_results(name: str) -> bool:
    """Whether the page has a row "ConvNet" of this name: the scores of a backbone alone."""
    return name.startswith("convnet-")


def _score_files(work: Workdir, configs: dict[str, dict[str, Any]]) -> Iterator[_ScoreFile]:
    """Yields every file of scores, those of fusions last."""
    for name, folder in folders_with_results(work).items():
        path = folder / "scores.npz"
        if path.exists():
            # Scores without settings are no trained model, such as the nearest neighbour.
            kind = "comparison"
            if is_convnet_with_results(name):
                kind = "ConvNet"
            elif name in configs:
                kind = "recurrent"
            yield _ScoreFile(
                path, name, kind, settings.page_text_of_inputs(name, configs.get(name))
            )
    fused = work.path / "fused"
    if not fused.exists():
        return
    for path in sorted(fused.glob("*.npz")):
        yield _ScoreFile(path, path.stem, "fusion", "scores")


def _same_test_list(scores: Scores, dataset: Dataset) -> bool:
    """Whether the scores belong to the test list of the data set as it is now."""
    # By name and label, in any order: a list that was made anew may have the same videos.
    scored = dict(zip(scores.videos, scores.label.tolist(), strict=True))
    listed = {}
    for video in dataset.listed("test"):
        listed[video.name] = video.label
    return scores.classes == dataset.classes and scored == listed


def _result(
    file: _ScoreFile, scores: Scores, measures: dict[str, Any] | None, unread: np.ndarray
) -> Result:
    # Unread videos are in the total and never right.
    total = len(scores.label) + len(unread)
    correct = accuracy.top_k(scores.scores, scores.label)
    # Without a single test video the share may be anything.
    interval = intervals.Interval(0.0, 0.0, 1.0)
    mean_class = 0.0
    if total:
        interval = intervals.wilson_interval(correct, total)
        mean_class = accuracy.mean_class_accuracy(scores.scores, scores.label, missing=unread)
    trained_on = 0
    if scores.trained is not None:
        trained_on = int(scores.trained.sum())
    return Result(
        name=file.name,
        kind=file.kind,
        inputs=file.inputs,
        correct=correct,
        total=total,
        low=interval.low,
        high=interval.high,
        mean_class=mean_class,
        trained_on=trained_on,
        **local.localization_page_numbers(measures),
    )
