"""Scores the test list with a trained model: by segments, and in one pass over whole videos.

The validation list is scored by segments only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
from etils import epath

from videolstm_jax.clips.balance import labels_of_clip_videos
from videolstm_jax.cluster import team
from videolstm_jax.cluster.shares import gather_rows, share_of
from videolstm_jax.cluster.watchdog import READING, watchdog, watchdog_by_video
from videolstm_jax.config import RunConfig
from videolstm_jax.files import write_arrays
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.measure.accuracy import (
    accuracy_text,
    majority_accuracy,
    mean_class_accuracy,
    top_k,
    trained_accuracy_note,
)
from videolstm_jax.measure.states import state_maps
from videolstm_jax.report import choose
from videolstm_jax.results.evaluated import SCORES, VALIDATION_SCORES, remove_results
from videolstm_jax.results.run_checks import check_evaluated_run
from videolstm_jax.train.log import ProgressLine
from videolstm_jax.trained.features import ModelFeatures, verify_model_features
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.types import Dataset, Scores, Video, names_of
from videolstm_jax.workdir.dataset_json import load_dataset, load_labels_of_bad_videos
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores

PROGRESS_EVERY = 50
"""Off a terminal, progress is printed every so many videos."""


def run(cfg: RunConfig) -> epath.Path:
    """Writes `runs/<name>/scores.npz`, and frame scores and attention of each test video.

    The 25 segments give the score of a video (Sec. 5.2). One pass over all its frames, the carry
    kept, gives the class scores of every frame [L', C] and, for the cells that attend, the
    attention [L', N, N] that boxes are made of; they are written to `runs/<name>/videos/`. With
    `eval.states` the videos that the report shows by its rule get `runs/<name>/states/`, see
    `measure.states`.

    Of several processes each one scores its share of the videos and writes their files. Process 0
    gets the scores of all, and writes what is of the whole list.

    With `eval.part` valid, only the segments of the validation list are scored, and
    `runs/<name>/scores_valid.npz` is written. The results of the test list stay.

    Returns:
      The path of the scores.

    Raises:
      ConfigError, FileError: a stage before has not run, or its output does not belong to this run:
        another cell, other classes, or features of another shape.
      FileError: the model was trained on some of the test videos, unless `eval.allow_trained`; or
        another process evaluates it.
    """
    watchdog().expect(READING)
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    videos = dataset.part(cfg.eval.part)
    model = TrainedModel.of_run(work, cfg.run_name)
    trained = check_evaluated_run(cfg, work, model, dataset, videos)
    features = model.open_features(work, stream=cfg.data.stream)
    # While the results of an earlier evaluation are still there.
    verify_model_features(features, videos, cfg.data.verify)
    with _lock(cfg, work.run(cfg.run_name)):
        if cfg.eval.part == "valid":
            return _write_validation(cfg, model, features, videos, trained)
        return _write_test(cfg, model, features, dataset, trained)


def _lock(cfg: RunConfig, folder: epath.Path) -> contextlib.AbstractContextManager[None]:
    """The lock of the results of one list of videos; those of the other list have their own."""
    if cfg.eval.part == "valid":
        return team_writer(
            folder,
            "evaluate",
            name=".evaluate-valid.lock",
            is_ours=lambda target: target == folder / VALIDATION_SCORES,
            below=False,
            break_lock=cfg.break_lock,
        )
    return team_writer(
        folder,
        "evaluate",
        name=".evaluate.lock",
        # It removes the tubes of earlier scores, which `localize` may be writing.
        rivals=".localize*.lock",
        is_ours=lambda target: target == folder / SCORES,
        # `remove_results` removes the folders of its other files whole. To look for hidden files
        # below would list every checkpoint, which takes long in a bucket.
        below=False,
        break_lock=cfg.break_lock,
    )


def _write_test(
    cfg: RunConfig,
    model: TrainedModel,
    features: ModelFeatures,
    dataset: Dataset,
    trained: np.ndarray,
) -> epath.Path:
    """Writes what is kept of the test list; returns the path of the scores."""
    work, videos = Workdir(cfg.workdir), dataset.part("test")
    # scores.npz marks the run as evaluated, so it goes first and comes last.
    with team.current_team().first_goes_first("the results of before are removed"):
        if team.current_team().is_first:
            remove_results(work.run(cfg.run_name), validation=False)
    _write_whole_videos(cfg, model, features, _own_videos(videos))
    scores = _video_scores(cfg, model, features, videos)
    path = work.run(cfg.run_name) / "scores.npz"
    if scores is None:
        return path
    label = labels_of_clip_videos(videos)
    _write_states(cfg, model, features, _shown(cfg, videos, scores, label))
    results = Scores(names_of(videos), scores, label, dataset.classes, trained)
    save_scores(path, results)
    _print_accuracy(cfg, work, dataset, results)
    return path


def _print_accuracy(cfg: RunConfig, work: Workdir, dataset: Dataset, results: Scores) -> None:
    """Prints the accuracy on the test list, and what it is compared with."""
    # Videos that could not be read have no scores, and count as wrong.
    missing: Sequence[int] | np.ndarray = ()
    if not cfg.eval.allow_missing:
        missing = load_labels_of_bad_videos(work, dataset.classes)
    text = accuracy_text(results.scores, results.label, missing, trained=results.trained)
    comparison = _comparison(dataset, results.scores, results.label, missing)
    print(f"{cfg.run_name}: {text}", flush=True)
    print(f"{cfg.run_name}: {comparison}", flush=True)


def _write_validation(
    cfg: RunConfig,
    model: TrainedModel,
    features: ModelFeatures,
    videos: Sequence[Video],
    trained: np.ndarray,
) -> epath.Path:
    """Writes the scores of the validation list, with which weights of a fusion are searched."""
    path = Workdir(cfg.workdir).validation_scores(cfg.run_name)
    scores = _video_scores(cfg, model, features, videos)
    if scores is None:
        return path
    label = labels_of_clip_videos(videos)
    save_scores(path, Scores(names_of(videos), scores, label, model.classes, trained, part="valid"))
    correct = top_k(scores, label)
    note = trained_accuracy_note(trained)
    print(f"{cfg.run_name}: {correct} of {len(videos)} validation videos right{note}", flush=True)
    return path


def _comparison(
    dataset: Dataset, scores: np.ndarray, label: np.ndarray, missing: Sequence[int] | np.ndarray
) -> str:
    """What an accuracy must be compared with where some classes have more videos than others."""
    train = labels_of_clip_videos(dataset.listed("train"))
    # The most frequent class of the training list: to take it from the test list would be to look.
    baseline = majority_accuracy(train, label, missing)
    mean_class = mean_class_accuracy(scores, label, missing=np.array(missing, int))
    return (
        f"mean class accuracy {100 * mean_class:.1f} %; always answering "
        f"{dataset.classes[baseline.label]} gives {baseline.right} of {baseline.total}"
    )


def _write_whole_videos(
    cfg: RunConfig, model: TrainedModel, features: ModelFeatures, videos: Sequence[Video]
) -> None:
    """Writes frame scores and attention of each video."""
    work = Workdir(cfg.workdir)
    # A process may have no video, where there are fewer videos than processes.
    if not videos:
        return
    for outputs in watchdog_by_video(model.whole_videos(features, videos, cfg.eval)):
        arrays = {"scores": outputs.scores}
        # What boxes are made of, so that `localize` needs no second pass over the features.
        if outputs.attention is not None:
            arrays |= {"attention": outputs.attention, "features": outputs.features}
        if outputs.foreground is not None:
            arrays["foreground"] = outputs.foreground
        write_arrays(work.evaluated_video(cfg.run_name, outputs.video.name), **arrays)


def _video_scores(
    cfg: RunConfig, model: TrainedModel, features: ModelFeatures, videos: Sequence[Video]
) -> np.ndarray | None:
    """The scores [V, C] of all videos by their segments; None in all processes but the first."""
    own_videos = _own_videos(videos)
    progress = ProgressLine(len(own_videos), 0, unit="video")
    rows: dict[str, np.ndarray] = {}
    # A generator: each video counts as soon as it is scored.
    own_scores = watchdog_by_video(model.segments(features, own_videos, cfg.data, cfg.eval))
    for video, scores in zip(own_videos, own_scores, strict=True):
        rows[video.name] = scores
        progress.show(len(rows), {}, logged=len(rows) % PROGRESS_EVERY == 0)
    # By name: shares end at different times, and their order is not that of the list.
    every_score = gather_rows("scores", names_of(videos), rows)
    if every_score is None:
        return None
    return np.stack(every_score)


def _own_videos(videos: Sequence[Video]) -> Sequence[Video]:
    """The videos that this process scores: all, or its share of them."""
    return share_of(videos, team.current_team().index, team.current_team().count)


def _shown(
    cfg: RunConfig, videos: Sequence[Video], scores: np.ndarray, label: np.ndarray
) -> list[Video]:
    """The videos that the report shows by its rule."""
    rows = choose.choose_page_videos(label, scores.argmax(1), scores.max(1), cfg.report.examples)
    return [videos[row] for row in rows]


def _write_states(
    cfg: RunConfig, model: TrainedModel, features: ModelFeatures, videos: Sequence[Video]
) -> None:
    """Writes maps of the state that `eval.states` names, where the cell has it."""
    if cfg.eval.states == "none" or not videos:
        return
    if cfg.eval.states not in model.cell.states:
        names = ", ".join(model.cell.states) or "none"
        print(f"no maps of the state {cfg.eval.states!r} are written; the cell has {names}")
        return
    work = Workdir(cfg.workdir)
    # As an array, since the file holds arrays only. It tells the page which state is shown.
    kind = np.array(cfg.eval.states)
    # A pass of its own over few videos: the state of every test video would fill the disk.
    for video, states in model.states(features, videos, cfg.eval):
        maps = state_maps(states)
        write_arrays(work.states(cfg.run_name, video.name), kind=kind, **maps._asdict())
