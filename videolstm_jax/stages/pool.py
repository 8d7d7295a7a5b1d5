"""Pools the work folders of seeds or held-out groups into one folder and one table of counts."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.annotations.workdir_truth import mean_boxes_of_true_tubes, read_true_tubes
from videolstm_jax.config import RunConfig
from videolstm_jax.dataset.training_list import KEY
from videolstm_jax.errors import FileError
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.results.evaluated import BY_VIDEO
from videolstm_jax.results.pool_parts import PoolPart, read_pool_parts
from videolstm_jax.results.pooled import (
    pooled_accuracy,
    pooled_overlaps,
    pooled_score_files,
)
from videolstm_jax.results.summary_text import pooled_text
from videolstm_jax.trained.foreground import KEY as FOREGROUND_KEY
from videolstm_jax.types import Dataset, Scores
from videolstm_jax.workdir.dataset_json import is_in_workdir, load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores, save_scores
from videolstm_jax.workdir.tubes_jsonl import save_detections

COPIED = ("config.json", "metrics.jsonl")
"""Files of a run that the report reads; those of the first part stand for all."""


def run(cfg: RunConfig, parts: Sequence[str]) -> epath.Path:
    """Makes `<workdir>/pooled` of the work folders `<workdir>/<part>`, as if it were one of them.

    Every test video of every part is a test video of the pool. A video that several parts have is
    there once for each part, with the part's name before its own.

    The caller holds `pool_writer` until the pool has its summary and its page: another process
    would remove this folder.

    Returns:
      The folder of the pool, which localize, report and `pool_summary` read.

    Raises:
      FileError: a part is unfinished, or the parts do not have the same classes and runs.
    """
    pool = _pool(cfg)
    # Made anew each time: files of an earlier pool may be of videos that are no longer in it.
    if pool.path.exists():
        pool.path.rmtree()
    members = read_pool_parts(_works(cfg, parts), parts, cfg.workdir)
    _write_truth(members, pool)
    _write_train_boxes(members, pool)
    _write_skipped(members, pool)
    # Behind these files, which it names.
    _write_dataset(members, pool)
    _copy_flow(members, pool)
    _merge_runs(members, pool)
    return pool.path


def pool_summary(cfg: RunConfig, parts: Sequence[str]) -> epath.Path:
    """Writes `<workdir>/pooled.json` of a pool whose runs have been localised, and prints it.

    It holds, for every scored run, the exact counts of each part and their sum, and for every
    localised run the frame IoU of its tubes over all videos, minus that of each baseline, with
    paired bootstrap intervals. The caller holds `pool_writer`.

    Raises:
      FileError: there is no pool of these parts.
    """
    works, pool = _works(cfg, parts), _pool(cfg)
    classes = load_dataset(pool.dataset).classes
    record = {
        "parts": list(parts),
        "classes": list(classes),
        "accuracy": pooled_accuracy(works, classes, allow_missing=cfg.eval.allow_missing),
        "localization": pooled_overlaps(pool),
    }
    path = _summary_path(cfg)
    files.write_json(path, record)
    print(pooled_text(record))
    return path


def pool_writer(cfg: RunConfig) -> contextlib.AbstractContextManager[None]:
    """Holds the lock of the pool and of its summary, in the folder of the parts.

    Raises:
      FileError: another process pools them.
    """
    path = _summary_path(cfg)
    return team_writer(
        cfg.workdir,
        "pool",
        name=".pool.lock",
        # The folders of the parts, below, are those of other stages.
        is_ours=lambda target: target == path,
        below=False,
        break_lock=cfg.break_lock,
    )


def _summary_path(cfg: RunConfig) -> epath.Path:
    return epath.Path(cfg.workdir) / "pooled.json"


def _pool(cfg: RunConfig) -> Workdir:
    return Workdir(str(epath.Path(cfg.workdir) / "pooled"))


def _works(cfg: RunConfig, parts: Sequence[str]) -> list[Workdir]:
    return [Workdir(str(epath.Path(cfg.workdir) / part)) for part in parts]


# ---- videos --------------------------------------------------------------------------------------


def _write_dataset(members: Sequence[PoolPart], pool: Workdir) -> None:
    # Only test videos: nothing is trained in a pool, and training lists overlap test lists.
    videos = []
    for part in members:
        for video in part.dataset.part("test"):
            videos.append(video._replace(name=part.pooled_names[video.name]))
    classes = members[0].dataset.classes
    beside = [path.name for path in (pool.truth, pool.train_boxes, pool.bad) if path.exists()]
    pooled = Dataset(classes, tuple(sorted(videos)))
    save_dataset(pool.dataset, pooled, pooled=True, beside=beside)


def _write_truth(members: Sequence[PoolPart], pool: Workdir) -> None:
    """The true tubes of the test videos, if there are any."""
    truth = []
    for part in members:
        for name, tubes in read_true_tubes(part.work, part.dataset).items():
            # The true tubes of training videos have no place in a pool.
            if name not in part.pooled_names:
                continue
            for tube in tubes:
                truth.append(tube._replace(video=part.pooled_names[name]))
    if truth:
        truth.sort(key=lambda tube: (tube.video, tube.tube.start))
        save_detections(pool.truth, truth)


def _write_train_boxes(members: Sequence[PoolPart], pool: Workdir) -> None:
    """The mean training box of each test video: that of its own part, which has its own list."""
    boxes = {}
    for part in members:
        truth = read_true_tubes(part.work, part.dataset)
        for name, box in mean_boxes_of_true_tubes(part.work, part.dataset, truth).items():
            boxes[part.pooled_names[name]] = box.tolist()
    if boxes:
        files.write_json(pool.train_boxes, boxes, sealed=True)


def _write_skipped(members: Sequence[PoolPart], pool: Workdir) -> None:
    """The test videos that `prepare` had to skip; they count as wrong in the pool too."""
    rows = []
    for part in members:
        if not is_in_workdir(part.work, part.work.bad):
            continue
        # A skipped video is in no list, so it is named as the other videos of its part are.
        for row in files.read_jsonl(part.work.bad):
            if row.get("part") != "test":
                continue
            rows.append(row | {"name": part.pooled(row["name"])})
    if rows:
        files.write_jsonl(pool.bad, sorted(rows, key=lambda row: row["name"]), sealed=True)


def _copy_flow(members: Sequence[PoolPart], pool: Workdir) -> None:
    for part in members:
        for old, new in part.pooled_names.items():
            _copy(part.work.flow / f"{old}.zip", pool.flow / f"{new}.zip")


# ---- runs ----------------------------------------------------------------------------------------


def _merge_runs(members: Sequence[PoolPart], pool: Workdir) -> None:
    """Puts together the scores of every model, and what was kept of each video."""
    first = members[0].work.path
    for place in pooled_score_files(members[0].work):
        save_scores(pool.path / place, _merged_scores(members, place))
        run, pooled_run = place.parent, pool.path / place.parent
        for name in COPIED:
            _copy(first / run / name, pooled_run / name)
        _pool_settings(members, run, pooled_run / "config.json")
        for part in members:
            _copy_videos(part, part.work.path / run, pooled_run)


def _copy_videos(part: PoolPart, run: epath.Path, pooled_run: epath.Path) -> None:
    """Copies what a run of one part kept of each video, under the pooled names."""
    for old, new in part.pooled_names.items():
        for folder in BY_VIDEO:
            _copy(run / folder / f"{old}.npz", pooled_run / folder / f"{new}.npz")


def _pool_settings(members: Sequence[PoolPart], run: epath.Path, path: epath.Path) -> None:
    """Corrects the settings of the first part, `path`, where they must not stand for all parts."""
    # A fusion has no settings.
    if not path.exists():
        return
    _check_fits(members, run)
    record = files.read_object(path)
    # The training list of the first part has test videos of the others. Each part was evaluated by
    # itself, and its score file marks the videos it was trained on.
    is_changed = record.pop(KEY, None) is not None
    # Each part has an axis of its own, of its training list, and its videos keep their maps.
    is_changed |= record.pop(FOREGROUND_KEY, None) is not None
    warnings = _warnings(members, run)
    if warnings:
        record["warnings"] = warnings
        is_changed = True
    if is_changed:
        files.write_json(path, record)


def _check_fits(members: Sequence[PoolPart], run: epath.Path) -> None:
    """Refuses a run whose attention lies on the frames of its parts in different ways."""
    fit_of_part = {}
    for part in members:
        path = part.work.path / run / "config.json"
        if path.exists():
            settings = files.read_object(path).get("config", {}).get("data", {})
            fit_of_part[path] = settings.get("fit", "squash")
    if len(set(fit_of_part.values())) > 1:
        texts = [f"{path} has {fit}" for path, fit in fit_of_part.items()]
        raise FileError(f"data.fit: {', '.join(texts)}; expected one value in all parts of a pool")


def _warnings(members: Sequence[PoolPart], run: epath.Path) -> list[str]:
    """The warnings of a run of any part, such as of a training that diverged."""
    warnings = []
    for part in members:
        path = part.work.path / run / "config.json"
        if path.exists():
            for warning in files.read_object(path).get("warnings", ()):
                warnings.append(f"in {part.name} {warning}")
    return warnings


def _merged_scores(members: Sequence[PoolPart], place: epath.Path) -> Scores:
    """The scores of one model on the test videos of all parts, in the order of the pooled names."""
    names: list[str] = []
    tables, labels, trained = [], [], []
    for part in members:
        scores = load_scores(part.work.path / place)
        # A score file lists videos in an order of its own, so names are looked up, not counted.
        names.extend(map(part.pooled_names.__getitem__, scores.videos))
        tables.append(scores.scores)
        labels.append(scores.label)
        # Score files of another program do not mark the videos of the training list.
        is_trained = scores.trained
        if is_trained is None:
            is_trained = np.zeros(len(scores.videos), bool)
        trained.append(is_trained)
    order = sorted(range(len(names)), key=names.__getitem__)
    return Scores(
        tuple(names[row] for row in order),
        np.concatenate(tables)[order],
        np.concatenate(labels)[order],
        scores.classes,
        np.concatenate(trained)[order],
    )


def _copy(old: epath.Path, new: epath.Path) -> None:
    if old.exists():
        # A copy and not a link, which would break when a part is moved or removed.
        with files.replacing(new) as beside:
            shutil.copyfile(old, beside)
