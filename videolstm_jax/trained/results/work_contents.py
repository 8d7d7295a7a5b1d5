"""The results in a work folder, read back for the page and for pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import STREAMS
from videolstm_jax.localize.saliency import saliency_by_frame
from videolstm_jax.measure import accuracy, intervals
from videolstm_jax.report import choose, local, settings
from videolstm_jax.report.pictures.predicted import PredictedVideo
from videolstm_jax.report.tables import Result
from videolstm_jax.trained.results import evaluated
from videolstm_jax.trained.run_record import RunRecord
from videolstm_jax.trained.training_list import checked_scores
from videolstm_jax.types import Dataset, Scores, Tube, Video


class WorkFolderContents(NamedTuple):
    """Whatever the stages have written so far, except videos, frame scores and attention.

    `results` pairs each row of the table of results with its scores. `configs` and `maps` are the
    contents of config.json and map.json by name. `truth` are the true tubes by video. `unread` [n]
    are the labels of test videos that could not be read and count as wrong. `outdated` names the
    scores that belong to another test list.
    """

    work: Workdir
    dataset: Dataset | None
    results: tuple[tuple[Result, Scores], ...]
    configs: dict[str, dict[str, Any]]
    maps: dict[str, dict[str, Any]]
    truth: dict[str, tuple[Tube, ...]]
    unread: np.ndarray
    outdated: tuple[str, ...]

    def run(self, name: str) -> RunRecord:
        """The record of a run whose config.json was read."""
        return RunRecord(self.work, name, self.configs[name])

    def scores_of(self, name: str, kind: str) -> Scores:
        """The scores of a row of the table; a run and a fusion may share a name."""
        for result, scores in self.results:
            if (result.name, result.kind) == (name, kind):
                return scores
        raise KeyError(name)


class _ScoreFile(NamedTuple):
    """A file of scores, the name and kind of its model, and the streams it reads."""

    path: epath.Path
    name: str
    kind: str
    inputs: str


def read_contents(
    work: Workdir, *, allow_missing: bool = False, allow_trained: bool = False
) -> WorkFolderContents:
    """Reads a work folder, whole or in part.

    Args:
      work: the work folder.
      allow_missing: leave test videos that could not be read out of the accuracies.
      allow_trained: read results on videos that a model was trained on, too.

    Raises:
      FileError: a file exists but cannot be used, or is such a result and these are not allowed.
    """
    # The page can be made at any time, so each file may be absent still.
    dataset = None
    if work.dataset.exists():
        dataset = artifacts.load_dataset(work.dataset)
    # Without a list of videos there is nothing that could be missing.
    unread = np.zeros(0, np.int32)
    if dataset is not None and not allow_missing:
        unread = artifacts.load_missing(work, dataset.classes)
    configs, maps = {}, {}
    for name, folder in _model_folders(work).items():
        if (folder / "config.json").exists():
            configs[name] = artifacts.load_config(folder)
        if (folder / "map.json").exists():
            maps[name] = files.read_json(folder / "map.json")
    contents = WorkFolderContents(
        work=work,
        dataset=dataset,
        results=(),
        configs=configs,
        maps=maps,
        truth=load_truth(work),
        unread=unread,
        outdated=(),
    )
    return _with_results(contents, allow_trained=allow_trained)


def _with_results(contents: WorkFolderContents, *, allow_trained: bool) -> WorkFolderContents:
    """Adds the results of all score files, and the names of those that are outdated."""
    results, outdated = [], []
    for file in _score_files(contents.work, contents.configs):
        scores = artifacts.load_scores(file.path)
        # Scores of an earlier test list would be compared with the wrong videos: they are left out
        # of the table and named.
        if contents.dataset is not None and not _same_test_list(scores, contents.dataset):
            outdated.append(file.name)
            continue
        scores = checked_scores(file.path, file.name, allowed=allow_trained)
        measures = contents.maps.get(file.name)
        results.append((_result(file, scores, measures, contents.unread), scores))
    return contents._replace(results=tuple(results), outdated=tuple(outdated))


def load_truth(work: Workdir) -> dict[str, tuple[Tube, ...]]:
    """Reads the true tubes by video; none where the data set has no boxes."""
    if not work.truth.exists():
        return {}
    truth: dict[str, list[Tube]] = {}
    for detection in artifacts.load_detections(work.truth):
        truth.setdefault(detection.video, []).append(detection.tube)
    return {video: tuple(tubes) for video, tubes in truth.items()}


def load_best_tubes(work: Workdir, run: str) -> dict[str, tuple[Tube, ...]]:
    """Reads the detected tubes of the best class of each video; none before `localize`."""
    path = work.run(run) / "tubes.jsonl"
    if not path.exists():
        return {}
    return choose.tubes_of_best_class(artifacts.load_detections(path))


def load_metrics(work: Workdir) -> tuple[dict[str, list[dict]], dict[str, list[dict]]]:
    """Reads metrics.jsonl of the recurrent models and of the ConvNets, by name."""
    models: dict[str, list[dict]] = {}
    convnets: dict[str, list[dict]] = {}
    for name, folder in _model_folders(work).items():
        if (folder / "metrics.jsonl").exists():
            group = convnets if _is_convnet(name) else models
            group[name] = files.read_jsonl(folder / "metrics.jsonl")
    return models, convnets


def load_prediction(
    run: RunRecord,
    video: Video,
    classes: tuple[str, ...],
    *,
    detections: Iterable[Tube] = (),
    truth: Iterable[Tube] = (),
    best_by_segments: int | None = None,
) -> tuple[PredictedVideo, np.ndarray | None]:
    """Reads what a run predicted for one test video.

    The heat map is scaled with the settings of the run's boxes, so that it shows what they were
    made from.

    Returns:
      The prediction, and the attention [L', N, N]; None for a cell without attention.

    Raises:
      FileError: the run was not evaluated on this video.
    """
    evaluated_video = evaluated.load_video(run.work, run.name, video, len(classes))
    heat = None
    if evaluated_video.attention is not None:
        box_settings = evaluated.localize_settings(run.work, run.name)
        heat = saliency_by_frame(evaluated_video.attention, box_settings)
    prediction = PredictedVideo(
        video,
        classes,
        evaluated_video.scores,
        heat,
        tuple(detections),
        tuple(truth),
        best_by_segments,
    )
    return prediction, evaluated_video.attention


# ---- folders and files ---------------------------------------------------------------------------


def _model_folders(work: Workdir) -> dict[str, epath.Path]:
    """The folders of ConvNets and runs by the names that the page gives them, existing or not."""
    folders = {f"convnet-{stream}": work.convnet(stream) for stream in STREAMS}
    runs = work.path / "runs"
    if not runs.exists():
        return folders
    for folder in sorted(runs.iterdir()):
        # A lock or a file of the user's own is no run.
        if folder.is_dir():
            folders[folder.name] = folder
    return folders


def _is_convnet(name: str) -> bool:
    return name.startswith("convnet-")


def _score_files(work: Workdir, configs: dict[str, dict[str, Any]]) -> Iterator[_ScoreFile]:
    """Yields every file of scores, those of fusions last."""
    for name, folder in _model_folders(work).items():
        path = folder / "scores.npz"
        if path.exists():
            # Scores without settings are no trained model, such as the nearest neighbour.
            kind = "comparison"
            if _is_convnet(name):
                kind = "ConvNet"
            elif name in configs:
                kind = "recurrent"
            yield _ScoreFile(path, name, kind, settings.inputs_text(name, configs.get(name)))
    fused = work.path / "fused"
    if not fused.exists():
        return
    for path in sorted(fused.glob("*.npz")):
        yield _ScoreFile(path, path.stem, "fusion", "scores")


def _same_test_list(scores: Scores, dataset: Dataset) -> bool:
    """Whether the scores belong to the test list of the data set as it is now."""
    # By name and label, in any order: a list that was made anew may have the same videos.
    scored = dict(zip(scores.videos, scores.label.tolist(), strict=True))
    listed = {video.name: video.label for video in dataset.listed("test")}
    return scores.classes == dataset.classes and scored == listed


def _result(
    file: _ScoreFile, scores: Scores, measures: dict[str, Any] | None, unread: np.ndarray
) -> Result:
    total = len(scores.label) + len(unread)
    correct = accuracy.top_k(scores.scores, scores.label)
    interval, mean_class = intervals.Interval(0.0, 0.0, 1.0), 0.0
    if total:
        interval = intervals.wilson(correct, total)
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
        **local.numbers(measures),
    )
