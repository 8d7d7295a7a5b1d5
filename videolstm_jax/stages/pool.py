"""Pools the work folders of seeds or held-out groups into one folder and one table of counts."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from etils import epath

from videolstm_jax import files
from videolstm_jax.annotations.workdir_truth import mean_boxes_of_true_tubes, read_true_tubes
from videolstm_jax.config import RunConfig
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.results.pool_parts import PoolPart, read_pool_parts
from videolstm_jax.results.pool_runs import copy_pooled_file, merge_pooled_runs
from videolstm_jax.results.pooled import pooled_accuracy, pooled_overlaps
from videolstm_jax.results.summary_text import pooled_text
from videolstm_jax.types import Dataset
from videolstm_jax.workdir.dataset_json import is_in_workdir, load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.tubes_jsonl import save_detections


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
    merge_pooled_runs(members, pool)
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
    root = epath.Path(cfg.workdir)
    return [Workdir(str(root / part)) for part in parts]


# ---- videos --------------------------------------------------------------------------------------


def _write_dataset(members: Sequence[PoolPart], pool: Workdir) -> None:
    # Only test videos: nothing is trained in a pool, and training lists overlap test lists.
    videos = []
    for part in members:
        for video in part.dataset.part("test"):
            videos.append(video._replace(name=part.pooled_names[video.name]))
    classes = members[0].dataset.classes
    # Those that this pool has; a file of an earlier one would be of other videos.
    files_beside = []
    for path in (pool.truth, pool.train_boxes, pool.bad):
        if path.exists():
            files_beside.append(path.name)
    pooled = Dataset(classes, tuple(sorted(videos)))
    save_dataset(pool.dataset, pooled, pooled=True, beside=files_beside)


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
        for name, pooled_name in part.pooled_names.items():
            copy_pooled_file(part.work.flow / f"{name}.zip", pool.flow / f"{pooled_name}.zip")
