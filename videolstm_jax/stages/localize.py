"""Makes tubes from a model's attention and measures them where there are true boxes (Sec. 4).

The stage loads no model. It reads the attention, the frame scores, and the size and the foreground
of the features, which `evaluate` kept of each test video. It needs nothing else of the run. A
second pass over the features would give the same numbers. Whoever tries other settings of boxes
saves that pass, and needs neither the features nor the cell's code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videolstm_jax import files
from videolstm_jax.annotations.workdir_truth import mean_boxes_of_true_tubes, read_true_tubes
from videolstm_jax.config import RunConfig
from videolstm_jax.dataset.training_list import scores_of_checked_videos
from videolstm_jax.errors import FileError
from videolstm_jax.flow_images.flow_index import check_flow
from videolstm_jax.localize.baseline_tubes import baseline_tubes
from videolstm_jax.localize.baselines import box_coverage_by_tubes
from videolstm_jax.localize.inputs import (
    localizer_flow_without_camera,
    localizer_input,
    localizer_input_of_flow,
)
from videolstm_jax.localize.linking import Track
from videolstm_jax.localize.scoring import VideoOutput, score_tracks
from videolstm_jax.localize.tubes import video_tracks, video_tube
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.measure.attention_stats import attention_mass_inside, attention_stats
from videolstm_jax.results import evaluated
from videolstm_jax.results.box_settings import box_settings_of_results
from videolstm_jax.results.localized import (
    LocalizedVideo,
    MeasureOptions,
    measure_localized_videos,
)
from videolstm_jax.results.localizer_files import (
    flow_maps_of_localized_video,
    fused_scores_of_results,
)
from videolstm_jax.results.summary_text import pooled_localization_text
from videolstm_jax.trained.run_record import fit_of_run
from videolstm_jax.types import Dataset, Detection, Video
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import save_detections

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.types import NDArray

PROGRESS_EVERY = 50
"""A line of progress is printed every so many videos."""


class _Task(NamedTuple):
    """All that the localization of a video needs beside the video.

    `fit` is the `data.fit` of the run, how its attention lies on the frames. `truth` holds the true
    tubes and `train_boxes` the mean training box [4] by video; `fused` holds the scores [C] by
    video if `localize.scores` names a score file.
    """

    cfg: RunConfig
    work: Workdir
    dataset: Dataset
    fit: str
    truth: Mapping[str, list[Detection]]
    train_boxes: Mapping[str, NDArray]
    fused: Mapping[str, NDArray] | None


def run(cfg: RunConfig) -> epath.Path:
    """Writes runs/<name>/tubes.jsonl, one line a tube, and map.json, see docs/evaluation.md.

    With `localize.name` the files are tubes-<localize.name>.jsonl and map-<localize.name>.json.

    Returns:
      The path of map.json. The numbers that need true boxes are null in it where no test video has
      any.

    Raises:
      FileError: a file is missing or does not fit, the cell has no attention, or the model was
        trained on some of the test videos, unless `eval.allow_trained`; or another process
        localises with these settings.
    """
    task = _open_task(cfg)
    variant, work = cfg.localize.name, task.work
    results = (work.tubes(cfg.run_name, variant), work.tube_measures(cfg.run_name, variant))
    lock_name = ".localize.lock"
    # Other settings have other files, so they may be tried side by side.
    if variant:
        lock_name = f".localize-{variant}.lock"
    lock = team_writer(
        work.run(cfg.run_name),
        "localize",
        name=lock_name,
        is_ours=lambda target: target in results,
        below=False,
        # An evaluation removes the tubes of earlier scores.
        rivals=".evaluate.lock",
        break_lock=cfg.break_lock,
    )
    with lock:
        return _write_tubes(task)


def _write_tubes(task: _Task) -> epath.Path:
    """Makes and measures the tubes of all test videos; returns the path of map.json."""
    cfg = task.cfg
    tests = task.dataset.part("test")
    trained = _count_trained(cfg, task.work)
    check_flow(task.work, tests, cfg.data.verify)
    videos = []
    for count, video in enumerate(tests, 1):
        videos.append(_localize(task, video))
        if count % PROGRESS_EVERY == 0 or count == len(tests):
            print(f"localize: {count} of {len(tests)} videos", flush=True)
    detections = []
    for video in videos:
        # One detection for each tube and class: attention, and with it the boxes, is the same for
        # every class.
        detections += score_tracks(video.tracks, video.output, cfg.localize)
    variant = cfg.localize.name
    path = task.work.tube_measures(cfg.run_name, variant)
    # The measures of before would lie beside tubes that they do not measure.
    path.unlink(missing_ok=True)
    save_detections(task.work.tubes(cfg.run_name, variant), detections)
    summary = _measured(task, videos)
    if trained:
        summary["trained_on"] = trained
        print(f"localize: the model was trained on {trained} of these {len(videos)} videos")
    files.write_json(path, summary, sealed=True)
    print(pooled_localization_text(summary))
    return path


def _open_task(cfg: RunConfig) -> _Task:
    """Reads what the localization of every video needs."""
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    tests = dataset.part("test")
    truth = read_true_tubes(work, dataset)
    boxes = mean_boxes_of_true_tubes(work, dataset, truth)
    fused = fused_scores_of_results(cfg, work, dataset, tests)
    fit = fit_of_run(cfg, work, cfg.run_name)
    settings = box_settings_of_results(cfg, work, tests, len(dataset.classes))
    cfg = dataclasses.replace(cfg, localize=settings)
    return _Task(cfg, work, dataset, fit, truth, boxes, fused)


def _measured(task: _Task, videos: Sequence[LocalizedVideo]) -> dict[str, Any]:
    """The content of map.json."""
    cfg = task.cfg
    # Frame scores rank the boxes of frame-mAP only where they belong to the tubes: fused scores
    # have none, and several tubes of a frame would have the same.
    rank_by_frame = task.fused is None and cfg.localize.tubes == 1
    tubes = 0
    for video in videos:
        tubes += len(video.tracks)
    return {
        "run": cfg.run_name,
        "scores": cfg.localize.scores or "mean of frame scores",
        "settings": dataclasses.asdict(cfg.localize),
        "classes": list(task.dataset.classes),
        "videos": len(videos),
        "tubes": tubes,
        **measure_localized_videos(videos, MeasureOptions(cfg.localize, rank_by_frame, cfg.seed)),
    }


def _count_trained(cfg: RunConfig, work: Workdir) -> int:
    """The number of test videos that the model was trained on, which the settings must allow."""
    path = work.run(cfg.run_name) / "scores.npz"
    # The frame scores of another program have no score file beside them.
    if not path.exists():
        return 0
    scores = scores_of_checked_videos(path, cfg.run_name, allowed=cfg.eval.allow_trained)
    return int(scores.trained.sum())


def _read_pass(task: _Task, video: Video) -> evaluated.EvaluatedVideo:
    """Reads the frame scores [L', C], the attention and the size of features [L', N, N]."""
    name = task.cfg.run_name
    stored = evaluated.load_evaluated_video(task.work, name, video, len(task.dataset.classes))
    # An LSTM and a ConvLSTM have frame scores only.
    if stored.attention is None:
        raise FileError(
            f"{task.work.evaluated_video(name, video.name)} holds no attention, so there is "
            "nothing to localise with; expected a run whose cell attends"
        )
    return stored


# ---- one video -----------------------------------------------------------------------------------


def _localize(task: _Task, video: Video) -> LocalizedVideo:
    """Makes the tubes of one video and, where it has true boxes, what they are compared with."""
    stored = _read_pass(task, video)
    frame_scores, attention = stored.scores, stored.attention
    if task.fused is None:
        # In float64: the mean of a long video in float32 would depend on the order of its frames.
        scores = frame_scores.mean(axis=0, dtype=np.float64)
    else:
        scores = task.fused[video.name]
    # The attention of L frames may have L - 1 maps: the last frame has the scores before it.
    last_rows = np.repeat(frame_scores[-1:], video.frames - len(frame_scores), axis=0)
    every_frame = np.concatenate([frame_scores, last_rows])
    localized = LocalizedVideo(
        video=video,
        output=VideoOutput(video.name, scores, frame_scores, attention),
        frame_scores=every_frame,
        tracks=_tracks(task, video, stored),
        stats=attention_stats(attention),
        truth=task.truth.get(video.name, ()),
    )
    if localized.truth:
        return _compared(task, localized)
    return localized


def _tracks(task: _Task, video: Video, stored: evaluated.EvaluatedVideo) -> list[Track]:
    settings = task.cfg.localize
    flow = None
    if settings.input == "motion":
        # Read only where it is used: it is most of what this stage reads.
        cells = stored.attention.shape[1]
        flow = flow_maps_of_localized_video(
            task.work, video, cells, task.fit, localizer_flow_without_camera
        )
    path = task.work.evaluated_video(task.cfg.run_name, video.name)
    with files.reading(path, "", ValueError):
        maps = localizer_input(
            settings.input, stored.attention, stored.features, flow, stored.foreground
        )
        size = (video.height, video.width)
        return video_tracks(maps, size, video.frames, settings=settings, fit=task.fit)


def _compared(task: _Task, localized: LocalizedVideo) -> LocalizedVideo:
    """Adds the attention inside the true boxes, and the baselines, to a video with truth."""
    video, attention = localized.video, localized.output.attention
    cells = attention.shape[1]
    true_tubes = localized.true_tubes
    # The cells of the attention that true boxes cover, so that the mass inside needs no boxes of
    # its own.
    covered = box_coverage_by_tubes(true_tubes, localized.size, len(attention), cells, task.fit)
    tubes = baseline_tubes(
        true_tubes,
        localized.size,
        video.frames,
        cells,
        partial(
            video_tube,
            size=localized.size,
            frames=video.frames,
            settings=task.cfg.localize,
            fit=task.fit,
        ),
        flow=flow_maps_of_localized_video(
            task.work, video, cells, task.fit, localizer_input_of_flow
        ),
        train_box=task.train_boxes.get(video.name),
        fit=task.fit,
    )
    return localized._replace(inside=attention_mass_inside(attention, covered), baselines=tubes)
