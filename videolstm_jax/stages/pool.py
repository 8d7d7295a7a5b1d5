"""Pools the work folders of seeds or held-out groups into one folder and one table of counts."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.annotations.workdir_truth import read_true_tubes, train_boxes
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import RunConfig
from videolstm_jax.errors import FileError
from videolstm_jax.measure.accuracy import top_k
from videolstm_jax.measure.intervals import wilson
from videolstm_jax.trained.training_list import KEY
from videolstm_jax.types import Dataset, Scores

COPIED = ("config.json", "metrics.jsonl")
"""Files of a run that the report reads; those of the first part stand for all."""
BY_VIDEO = ("videos", "states")
"""Folders of a run that hold one file for each test video."""


class _Part(NamedTuple):
    """One work folder of the pool: `pooled_names` has the new name of each of its test videos."""

    name: str
    work: Workdir
    dataset: Dataset
    pooled_names: Mapping[str, str]


def run(cfg: RunConfig, parts: Sequence[str]) -> epath.Path:
    """Makes `<workdir>/pooled` of the work folders `<workdir>/<part>`, as if it were one of them.

    Every test video of every part is a test video of the pool. A video that several parts have is
    there once for each part, with the part's name before its own.

    Returns:
      The folder of the pool, which localize, report and `summary` read.

    Raises:
      FileError: a part is unfinished, or the parts do not have the same classes and runs.
    """
    # Made anew each time: files of an earlier pool may be of videos that are no longer in it.
    pool = _pool(cfg)
    if pool.path.exists():
        pool.path.rmtree()
    members = _read_parts(cfg, parts)
    _write_dataset(members, pool)
    _write_truth(members, pool)
    _write_train_boxes(members, pool)
    _write_skipped(members, pool)
    _copy_flow(members, pool)
    _merge_runs(members, pool)
    return pool.path


def summary(cfg: RunConfig, parts: Sequence[str]) -> epath.Path:
    """Writes `<workdir>/pooled.json` of a pool whose runs have been localised, and prints it.

    It holds, for every scored run, the exact counts of each part and their sum, and for every
    localised run the frame IoU of its tubes over all videos, minus that of each baseline, with
    paired bootstrap intervals.

    Raises:
      FileError: there is no pool of these parts.
    """
    works, pool = _works(cfg, parts), _pool(cfg)
    classes = artifacts.load_dataset(pool.dataset).classes
    record = {
        "parts": list(parts),
        "classes": list(classes),
        "accuracy": _counts(cfg, works, classes),
        "localization": _overlaps(pool),
    }
    path = epath.Path(cfg.workdir) / "pooled.json"
    files.write_json(path, record)
    print(pooled_text(record))
    return path


def pooled_text(summary: Mapping[str, Any]) -> str:
    """The pooled counts and overlaps as a plain table."""
    lines = [f"{'':24s} {'right':>11s}  {'accuracy':>8s}  {'95 % interval':>14s}  each part"]
    for name, row in summary["accuracy"].items():
        share = wilson(row["right"], row["videos"])
        of_parts = " ".join(f"{right / total:.1%}" for right, total in row["parts"])
        lines.append(
            f"{name:24s} {row['right']:5d}/{row['videos']:<5d}  {share.value:8.1%}  "
            f"{share.low:6.1%} {share.high:6.1%}  {of_parts}"
        )
        if row.get("trained_on"):
            lines.append(f"{'':24s} trained on {row['trained_on']} of these videos")
    for name, row in summary["localization"].items():
        overlap = row["model"]
        lines.append(
            f"\n{name}: frame IoU {overlap['value']:.3f} ({overlap['low']:.3f} to "
            f"{overlap['high']:.3f}), attention in the true box {row['mass_inside_truth']:.3f}, "
            f"its share of the frame {row['area_of_truth']:.3f}"
        )
        for baseline, measures in row["baselines"].items():
            minus = measures["minus"]
            lines.append(
                f"  {baseline:22s} {measures['value']:.3f}   model minus baseline "
                f"{minus['value']:+.3f} ({minus['low']:+.3f} to {minus['high']:+.3f})"
            )
    return "\n".join(lines)


def _pool(cfg: RunConfig) -> Workdir:
    return Workdir(str(epath.Path(cfg.workdir) / "pooled"))


def _works(cfg: RunConfig, parts: Sequence[str]) -> list[Workdir]:
    return [Workdir(str(epath.Path(cfg.workdir) / part)) for part in parts]


# ---- the parts and the names of their videos -----------------------------------------------------


def _read_parts(cfg: RunConfig, parts: Sequence[str]) -> list[_Part]:
    """The work folders, which must have the same classes."""
    works = _works(cfg, parts)
    datasets = [artifacts.load_dataset(work.dataset) for work in works]
    if len({dataset.classes for dataset in datasets}) > 1:
        raise FileError(
            f"{cfg.workdir}: the parts {', '.join(parts)} have different classes; expected the same"
        )
    names = _pooled_names(parts, datasets)
    return [_Part(*row) for row in zip(parts, works, datasets, names, strict=True)]


def _pooled_names(parts: Sequence[str], datasets: Sequence[Dataset]) -> list[dict[str, str]]:
    """The pooled name of each test video, by part.

    Held-out groups share no test videos, so names stay. Seeds share all: each gets the part's name.
    """
    tests = [[video.name for video in dataset.part("test")] for dataset in datasets]
    every_name = [name for names in tests for name in names]
    if len(set(every_name)) == len(every_name):
        return [{name: name for name in names} for names in tests]
    return [
        {name: _with_part(name, part) for name in names}
        for part, names in zip(parts, tests, strict=True)
    ]


def _with_part(name: str, part: str) -> str:
    label, stem = name.split("/", 1)
    return f"{label}/{part}_{stem}"


# ---- videos --------------------------------------------------------------------------------------


def _write_dataset(members: Sequence[_Part], pool: Workdir) -> None:
    # Only test videos: nothing is trained in a pool, and training lists overlap test lists.
    videos = []
    for part in members:
        for video in part.dataset.part("test"):
            videos.append(video._replace(name=part.pooled_names[video.name]))
    classes = members[0].dataset.classes
    artifacts.save_dataset(pool.dataset, Dataset(classes, tuple(sorted(videos))))


def _write_truth(members: Sequence[_Part], pool: Workdir) -> None:
    """The true tubes of the test videos, if there are any."""
    truth = []
    for part in members:
        for name, tubes in read_true_tubes(part.work, part.dataset).items():
            if name in part.pooled_names:
                truth += [tube._replace(video=part.pooled_names[name]) for tube in tubes]
    if truth:
        truth.sort(key=lambda tube: (tube.video, tube.tube.start))
        artifacts.save_detections(pool.truth, truth)


def _write_train_boxes(members: Sequence[_Part], pool: Workdir) -> None:
    """The mean training box of each test video: that of its own part, which has its own list."""
    boxes = {}
    for part in members:
        truth = read_true_tubes(part.work, part.dataset)
        for name, box in train_boxes(part.work, part.dataset, truth).items():
            boxes[part.pooled_names[name]] = box.tolist()
    if boxes:
        files.write_json(pool.train_boxes, boxes)


def _write_skipped(members: Sequence[_Part], pool: Workdir) -> None:
    """The test videos that `prepare` had to skip; they count as wrong in the pool too."""
    rows = []
    for part in members:
        if not part.work.bad.exists():
            continue
        # A skipped video is in no list, so it is named as the other videos of its part are.
        renamed = any(old != new for old, new in part.pooled_names.items())
        for row in files.read_jsonl(part.work.bad):
            if row.get("part") == "test":
                name = _with_part(row["name"], part.name) if renamed else row["name"]
                rows.append(row | {"name": name})
    if rows:
        files.write_jsonl(pool.bad, sorted(rows, key=lambda row: row["name"]))


def _copy_flow(members: Sequence[_Part], pool: Workdir) -> None:
    for part in members:
        for old, new in part.pooled_names.items():
            _copy(part.work.flow / f"{old}.zip", pool.flow / f"{new}.zip")


# ---- runs ----------------------------------------------------------------------------------------


def _score_files(work: Workdir) -> list[epath.Path]:
    """The score files of all models of a work folder, relative to it."""
    paths = sorted(work.path.glob("*/*/scores.npz")) + sorted(work.path.glob("fused/*.npz"))
    if not paths:
        raise FileError(f"{work.path}: has no scores; the stages evaluate and fuse write them")
    return [path.relative_to(work.path) for path in paths]


def _merge_runs(members: Sequence[_Part], pool: Workdir) -> None:
    """Puts together the scores of every model, and what was kept of each video."""
    first = members[0].work.path
    for place in _score_files(members[0].work):
        artifacts.save_scores(pool.path / place, _merged_scores(members, place))
        run, pooled_run = place.parent, pool.path / place.parent
        for name in COPIED:
            _copy(first / run / name, pooled_run / name)
        _drop_training_list(pooled_run / "config.json")
        for part in members:
            for old, new in part.pooled_names.items():
                for folder in BY_VIDEO:
                    source = part.work.path / run / folder / f"{old}.npz"
                    _copy(source, pooled_run / folder / f"{new}.npz")


def _drop_training_list(path: epath.Path) -> None:
    """Removes the list of the first part, which has test videos of the other parts."""
    # Each part was evaluated by itself, and its score file marks the videos it was trained on.
    record = files.read_json(path) if path.exists() else {}
    if record.pop(KEY, None) is not None:
        files.write_json(path, record)


def _merged_scores(members: Sequence[_Part], place: epath.Path) -> Scores:
    """The scores of one model on the test videos of all parts, in the order of the pooled names."""
    rows = []
    for part in members:
        # A score file lists videos in an order of its own, so names are looked up, not counted.
        scores = artifacts.load_scores(part.work.path / place)
        names = [part.pooled_names[video] for video in scores.videos]
        trained = np.zeros(len(names), bool) if scores.trained is None else scores.trained
        rows += zip(names, scores.scores, scores.label, trained, strict=True)
    rows.sort(key=lambda row: row[0])
    videos, table, labels, trained = (list(column) for column in zip(*rows, strict=True))
    labels, trained = np.array(labels), np.array(trained)
    return Scores(tuple(videos), np.stack(table), labels, scores.classes, trained)


def _copy(old: epath.Path, new: epath.Path) -> None:
    if old.exists():
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(old, new)


# ---- the summary ---------------------------------------------------------------------------------


def _counts(
    cfg: RunConfig, works: Sequence[Workdir], classes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The right test videos of each part and of all, by model; skipped ones count as wrong."""
    missing = [0] * len(works)
    if not cfg.eval.allow_missing:
        missing = [len(artifacts.load_missing(work, classes)) for work in works]
    table = {}
    for place in _score_files(works[0]):
        of_parts, trained = [], 0
        for work, skipped in zip(works, missing, strict=True):
            scores = artifacts.load_scores(work.path / place)
            right = top_k(scores.scores, scores.label)
            of_parts.append((right, len(scores.videos) + skipped))
            if scores.trained is not None:
                trained += int(scores.trained.sum())
        table[_model_name(place)] = {
            "right": sum(right for right, _ in of_parts),
            "videos": sum(total for _, total in of_parts),
            "parts": of_parts,
        }
        if trained:
            table[_model_name(place)]["trained_on"] = trained
    return table


def _model_name(place: epath.Path) -> str:
    """The name by which `Workdir.scores` finds a score file."""
    if place.parts[0] == "fused":
        return place.stem
    if place.parts[0] == "convnets":
        return f"convnet-{place.parent.name}"
    return place.parent.name


def _overlaps(pool: Workdir) -> dict[str, dict[str, Any]]:
    """Frame IoU of each localised run and of its baselines, and the statistics of its attention."""
    table = {}
    for path in sorted(pool.path.glob("runs/*/map.json")):
        record = files.read_json(path)
        if record["model"] is None:  # no test video has true boxes
            continue
        attention = record["attention"]
        table[path.parent.name] = {
            "model": record["model"]["mean_frame_iou"],
            "videos": record["truth"]["videos"],
            "baselines": _baseline_overlaps(record["baselines"]),
            "mass_inside_truth": attention["mass_inside_truth"],
            "area_of_truth": attention["area_of_truth"],
            "entropy": attention["entropy"],
            "peak": attention["peak"],
        }
    return table


def _baseline_overlaps(baselines: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    overlaps = {}
    for name, measures in baselines.items():
        overlaps[name] = {
            "value": measures["mean_frame_iou"]["value"],
            "minus": measures["model_minus_baseline"],
        }
    return overlaps
