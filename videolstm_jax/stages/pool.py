"""Pools several walks, seeds or held-out groups, into one work folder and one table of counts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.annotations.workdir_truth import read_true_tubes, train_boxes
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import RunConfig
from videolstm_jax.errors import FileError
from videolstm_jax.measure.accuracy import top_k, wilson
from videolstm_jax.types import Dataset, Scores


def run(cfg: RunConfig, parts: Sequence[str]) -> epath.Path:
    """Makes `<workdir>/pooled` of the walks in `<workdir>/<part>`, as if it were one walk.

    Every test video of every part is a test video of the pool; a video that several parts have is
    kept once a part, with the part's name before its own.

    Returns:
      The folder of the pool, which localize, report and `summary` read.

    Raises:
      FileError: a part is unfinished, or the parts do not have the same classes and runs.
    """
    works = _works(cfg, parts)
    pool = Workdir(str(epath.Path(cfg.workdir) / "pooled"))
    if pool.path.exists():
        pool.path.rmtree()
    datasets = [artifacts.load_dataset(work.dataset) for work in works]
    if len({dataset.classes for dataset in datasets}) > 1:
        raise FileError(
            f"{cfg.workdir}: the parts {', '.join(parts)} have different classes; expected the same"
        )
    names = _renaming(parts, datasets)
    _merge_videos(works, parts, datasets, names, pool)
    _merge_runs(works, names, pool)
    return pool.path


def summary(cfg: RunConfig, parts: Sequence[str]) -> epath.Path:
    """Writes `<workdir>/pooled.json` of a pool whose runs have been localised, and prints it.

    It holds, for every scored run, the exact counts of each part and their sum, and for every
    localised run the frame IoU of its tubes over all videos, minus each floor's, with paired
    bootstrap intervals.

    Raises:
      FileError: there is no pool of these parts.
    """
    works, pool = _works(cfg, parts), Workdir(str(epath.Path(cfg.workdir) / "pooled"))
    classes = artifacts.load_dataset(pool.dataset).classes
    value = {
        "parts": list(parts),
        "classes": list(classes),
        "accuracy": _counts(cfg, works, classes),
        "localization": _overlaps(pool),
    }
    path = epath.Path(cfg.workdir) / "pooled.json"
    files.write_json(path, value)
    print(text(value))
    return path


def _works(cfg: RunConfig, parts: Sequence[str]) -> list[Workdir]:
    return [Workdir(str(epath.Path(cfg.workdir) / part)) for part in parts]


def text(summary: dict[str, Any]) -> str:
    """The pooled counts and overlaps as a plain table."""
    lines = [f"{'':24s} {'right':>11s}  {'accuracy':>8s}  {'95 % interval':>14s}  each part"]
    for name, row in summary["accuracy"].items():
        share = wilson(row["right"], row["videos"])
        each = " ".join(f"{right / total:.1%}" for right, total in row["parts"])
        lines.append(
            f"{name:24s} {row['right']:5d}/{row['videos']:<5d}  {share.value:8.1%}  "
            f"{share.low:6.1%} {share.high:6.1%}  {each}"
        )
    for name, row in summary["localization"].items():
        ours = row["model"]
        lines.append(
            f"\n{name}: frame IoU {ours['value']:.3f} ({ours['low']:.3f} to {ours['high']:.3f}), attention in "
            f"the true box {row['mass_inside_truth']:.3f}, its share of the frame {row['area_of_truth']:.3f}"
        )
        for floor, each in row["baselines"].items():
            minus = each["minus"]
            lines.append(
                f"  {floor:22s} {each['value']:.3f}   model minus floor {minus['value']:+.3f} "
                f"({minus['low']:+.3f} to {minus['high']:+.3f})"
            )
    return "\n".join(lines)


def _renaming(parts: Sequence[str], datasets: Sequence[Dataset]) -> list[dict[str, str]]:
    """The pooled name of each part's test videos."""
    tested = [
        [video.name for video in dataset.videos if video.part == "test"] for dataset in datasets
    ]
    everything = [name for names in tested for name in names]
    if len(set(everything)) == len(everything):
        return [{name: name for name in names} for names in tested]
    return [
        {name: "/".join([name.split("/")[0], f"{part}_{name.split('/', 1)[1]}"]) for name in names}
        for part, names in zip(parts, tested, strict=True)
    ]


def _pooled(name: str, part: str, renamed: dict[str, str]) -> str:
    """What a skipped test video of one part is called in the pool, as those beside it are."""
    label, stem = name.split("/", 1)
    return name if all(old == new for old, new in renamed.items()) else f"{label}/{part}_{stem}"


def _merge_videos(
    works: Sequence[Workdir],
    parts: Sequence[str],
    datasets: Sequence[Dataset],
    names: Sequence[dict[str, str]],
    pool: Workdir,
) -> None:
    videos = [
        video._replace(name=new[video.name])
        for dataset, new in zip(datasets, names, strict=True)
        for video in dataset.videos
        if video.name in new
    ]
    artifacts.save_dataset(pool.dataset, Dataset(datasets[0].classes, tuple(sorted(videos))))
    known = [read_true_tubes(work, dataset) for work, dataset in zip(works, datasets, strict=True)]
    truth = [
        found._replace(video=new[name])
        for tubes, new in zip(known, names, strict=True)
        for name, found_there in tubes.items()
        if name in new
        for found in found_there
    ]
    if truth:
        artifacts.save_detections(
            pool.truth, sorted(truth, key=lambda found: (found.video, found.tube.start))
        )
    boxes = {
        new[name]: box.tolist()
        for work, dataset, tubes, new in zip(works, datasets, known, names, strict=True)
        for name, box in train_boxes(work, dataset, tubes).items()
    }
    if boxes:
        files.write_json(pool.train_boxes, boxes)
    bad = [
        row | {"name": _pooled(row["name"], part, new)}
        for work, part, new in zip(works, parts, names, strict=True)
        if work.bad.exists()
        for row in files.read_jsonl(work.bad)
        if row.get("part") == "test"
    ]
    if bad:
        files.write_jsonl(pool.bad, sorted(bad, key=lambda row: row["name"]))
    for work, new in zip(works, names, strict=True):
        for old, name in new.items():
            _copy(work.flow / f"{old}.zip", pool.flow / f"{name}.zip")


def _scored(work: Workdir) -> list[epath.Path]:
    """The score files of all models of a walk, relative to its folder."""
    found = sorted(work.path.glob("*/*/scores.npz")) + sorted(work.path.glob("fused/*.npz"))
    if not found:
        raise FileError(f"{work.path}: has no scores; the stages evaluate and fuse write them")
    return [path.relative_to(work.path) for path in found]


def _merge_runs(works: Sequence[Workdir], names: Sequence[dict[str, str]], pool: Workdir) -> None:
    for place in _scored(works[0]):
        found = [artifacts.load_scores(work.path / place) for work in works]
        merged = sorted(
            (new[video], row, label)
            for scores, new in zip(found, names, strict=True)
            for video, row, label in zip(scores.videos, scores.scores, scores.label, strict=True)
        )
        videos, rows, label = (list(column) for column in zip(*merged, strict=True))
        scores = Scores(tuple(videos), np.stack(rows), np.array(label), found[0].classes)
        artifacts.save_scores(pool.path / place, scores)
        for kept in ("config.json", "metrics.jsonl"):
            _copy(works[0].path / place.parent / kept, pool.path / place.parent / kept)
        for work, new in zip(works, names, strict=True):
            for old, video in new.items():
                for folder in ("videos", "states"):
                    _copy(
                        work.path / place.parent / folder / f"{old}.npz",
                        pool.path / place.parent / folder / f"{video}.npz",
                    )


def _counts(
    cfg: RunConfig, works: Sequence[Workdir], classes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """By model, how many test videos of each part and of all are right; skipped ones count as
    wrong.
    """
    missing = [
        0 if cfg.eval.allow_missing else len(artifacts.load_missing(work, classes))
        for work in works
    ]
    table = {}
    for place in _scored(works[0]):
        found = [artifacts.load_scores(work.path / place) for work in works]
        each = [
            (top_k(one.scores, one.label), len(one.videos) + lost)
            for one, lost in zip(found, missing, strict=True)
        ]
        name = place.stem if place.parts[0] == "fused" else place.parent.name
        table[f"convnet-{name}" if place.parts[0] == "convnets" else name] = {
            "right": sum(right for right, _ in each),
            "videos": sum(total for _, total in each),
            "parts": each,
        }
    return table


def _copy(old: epath.Path, new: epath.Path) -> None:
    if old.exists():
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(old, new)


def _overlaps(pool: Workdir) -> dict[str, dict[str, Any]]:
    """Frame IoU of each localised run and of its baselines, and how it looked."""
    found = {}
    for path in sorted(pool.path.glob("runs/*/map.json")):
        said = files.read_json(path)
        if said["model"] is None:
            continue
        baselines = {
            name: {
                "value": floor["mean_frame_iou"]["value"],
                "minus": floor["model_minus_baseline"],
            }
            for name, floor in said["baselines"].items()
        }
        found[path.parent.name] = {
            "model": said["model"]["mean_frame_iou"],
            "videos": said["truth"]["videos"],
            "baselines": baselines,
            **{
                key: said["attention"][key]
                for key in ("mass_inside_truth", "area_of_truth", "entropy", "peak")
            },
        }
    return found
