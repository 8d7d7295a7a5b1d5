"""The results in a work folder, read back for the page and for pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.localize.saliency import saliency_by_frame
from videolstm_jax.report import choose
from videolstm_jax.report.pictures.predicted import PredictedVideo
from videolstm_jax.report.tables import Result
from videolstm_jax.results import evaluated
from videolstm_jax.results.result_rows import (
    folders_with_results,
    is_convnet_with_results,
    models_with_results,
)
from videolstm_jax.trained.localize_settings import (
    localize_settings_of_run,
    run_has_measures,
    warn_of_lost_run_result,
)
from videolstm_jax.trained.run_record import RunRecord
from videolstm_jax.types import Dataset, Scores, Tube, Video
from videolstm_jax.workdir.config_json import METRICS, METRICS_SHA256, load_config
from videolstm_jax.workdir.dataset_json import (
    is_in_workdir,
    load_dataset,
    load_labels_of_bad_videos,
)
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import load_detections


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
        for row, scores in self.results:
            if (row.name, row.kind) == (name, kind):
                return scores
        # A mistake of the caller, which takes names from `results` itself.
        raise KeyError(name)


def read_results_of_workdir(
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
        dataset = load_dataset(work.dataset)
    # Without a list of videos there is nothing that could be missing.
    unread = np.zeros(0, np.int32)
    if dataset is not None and not allow_missing:
        unread = load_labels_of_bad_videos(work, dataset.classes)
    configs, maps = {}, {}
    for name, folder in folders_with_results(work).items():
        if (folder / "config.json").exists():
            configs[name] = load_config(folder)
        if run_has_measures(folder):
            maps[name] = files.read_json_object(folder / "map.json")
    work_folder = WorkFolderContents(
        work=work,
        dataset=dataset,
        results=(),
        configs=configs,
        maps=maps,
        truth=load_truth_of_results(work),
        unread=unread,
        outdated=(),
    )
    return models_with_results(work_folder, allow_trained=allow_trained)


def load_truth_of_results(work: Workdir) -> dict[str, tuple[Tube, ...]]:
    """Reads the true tubes by video; none where the data set has no boxes."""
    if not is_in_workdir(work, work.truth):
        return {}
    truth: dict[str, list[Tube]] = {}
    for detection in load_detections(work.truth):
        truth.setdefault(detection.video, []).append(detection.tube)
    # Fixed, as the record of all contents is: several pictures are made of the same tubes.
    return {video: tuple(tubes) for video, tubes in truth.items()}


def load_localized_tubes(work: Workdir, run: str) -> dict[str, tuple[Tube, ...]]:
    """Reads the detected tubes of the best class of each video; none before `localize`."""
    path, measures = work.run(run) / "tubes.jsonl", work.run(run) / "map.json"
    if path.exists() and path.stat().length:
        return choose.shown_tubes_of_best_class(load_detections(path))
    # A run may have no tube, but then its measures have none either.
    if measures.exists() and files.read_json_object(measures).get("tubes"):
        warn_of_lost_run_result(f"{path} is missing or empty, and {measures} is of its tubes")
    return {}


def load_metrics_of_results(work: Workdir) -> tuple[dict[str, list[dict]], dict[str, list[dict]]]:
    """Reads metrics.jsonl of the recurrent models and of the backbones, by name."""
    models: dict[str, list[dict]] = {}
    convnets: dict[str, list[dict]] = {}
    for name, folder in folders_with_results(work).items():
        rows = _metrics_rows(folder)
        # Scores may come without a training of ours, such as those of the nearest neighbour.
        if not rows:
            continue
        if is_convnet_with_results(name):
            convnets[name] = rows
        else:
            models[name] = rows
    return models, convnets


def _metrics_rows(folder: epath.Path) -> list[dict]:
    """The rows of metrics.jsonl in the folder of a model; none where it was not trained here.

    Raises:
      FileError: it is not the one that config.json was written beside.
    """
    path = folder / METRICS
    expected = None
    # A training that goes on has no config.json.
    if (folder / "config.json").exists():
        expected = load_config(folder).get(METRICS_SHA256)
    if expected is None and not path.exists():
        return []
    encoded = files.read_existing(path)
    if expected not in (None, files.bytes_sha256(encoded)):
        raise FileError(
            f"{path}: is not what the training wrote: its sha256 is not the one in config.json"
        )
    return files.parse_jsonl(encoded, path)


def load_evaluated_prediction(
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
    evaluated_video = evaluated.load_evaluated_video(run.work, run.name, video, len(classes))
    heat = None
    if evaluated_video.attention is not None:
        box_settings = localize_settings_of_run(run.work, run.name)
        # Frame by frame, when it is drawn: the maps of a long video at full size would fill memory.
        heat = saliency_by_frame(evaluated_video.attention, box_settings, run.fit)
    prediction = PredictedVideo(
        video,
        classes,
        evaluated_video.scores,
        heat,
        tuple(detections),
        tuple(truth),
        best_by_segments,
        run.fit,
    )
    return prediction, evaluated_video.attention
