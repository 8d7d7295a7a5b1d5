"""Pools several walks, seeds or held-out groups, into one work folder and one table of counts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import RunConfig
from videolstm_jax.files import ArtifactError
from videolstm_jax.measure.accuracy import mean_interval, paired_interval, top_k, wilson
from videolstm_jax.types import Dataset, Scores


def run(cfg: RunConfig, parts: Sequence[str]) -> epath.Path:
    """Makes `<workdir>/pooled` of the walks in `<workdir>/<part>`, as if it were one walk, and `<workdir>/pooled.json`.

    Every test video of every part is a test video of the pool; a video that several parts have is kept once a part,
    with the part's name before its own. pooled.json holds, for every scored run, the exact counts of each part and
    their sum with a Wilson interval, and for every localised run the frame IoU of its tubes over all videos, minus each
    floor's, with paired bootstrap intervals.

    Raises:
      ArtifactError: a part is unfinished, or the parts do not have the same classes and runs.
    """
    works = [Workdir(str(epath.Path(cfg.workdir) / part)) for part in parts]
    pool = Workdir(str(epath.Path(cfg.workdir) / "pooled"))
    if pool.path.exists():
        pool.path.rmtree()
    datasets = [artifacts.load_dataset(work.dataset) for work in works]
    if len({dataset.classes for dataset in datasets}) > 1:
        raise ArtifactError(f"{cfg.workdir}: the parts {', '.join(parts)} have different classes; expected the same")
    names = _renaming(parts, datasets)
    _merge_videos(works, parts, datasets, names, pool)
    missing = [0 if cfg.eval.allow_missing else len(artifacts.load_missing(work, datasets[0].classes))
               for work in works]
    table = _merge_runs(works, parts, names, pool, missing)
    summary = {"parts": list(parts), "classes": list(datasets[0].classes), "accuracy": table,
               "localization": _overlaps(works)}
    path = epath.Path(cfg.workdir) / "pooled.json"
    files.write_json(path, summary)
    print(text(summary))
    return path


def text(summary: dict[str, Any]) -> str:
    """The pooled counts and overlaps as a plain table."""
    lines = [f"{'':24s} {'right':>11s}  {'accuracy':>8s}  {'95 % interval':>14s}  each part"]
    for name, row in summary["accuracy"].items():
        share = wilson(row["right"], row["videos"])
        each = " ".join(f"{right / total:.1%}" for right, total in row["parts"])
        lines.append(f"{name:24s} {row['right']:5d}/{row['videos']:<5d}  {share.value:8.1%}  "
                     f"{share.low:6.1%} {share.high:6.1%}  {each}")
    for name, row in summary["localization"].items():
        ours = row["model"]
        lines.append(f"\n{name}: frame IoU {ours['value']:.3f} ({ours['low']:.3f} to {ours['high']:.3f}), attention in "
                     f"the true box {row['mass_inside_truth']:.3f}, its share of the frame {row['area_of_truth']:.3f}")
        for floor, each in row["floors"].items():
            minus = each["minus"]
            lines.append(f"  {floor:22s} {each['value']:.3f}   model minus floor {minus['value']:+.3f} "
                         f"({minus['low']:+.3f} to {minus['high']:+.3f})")
    return "\n".join(lines)


def _renaming(parts: Sequence[str], datasets: Sequence[Dataset]) -> list[dict[str, str]]:
    """The pooled name of each part's test videos."""
    tested = [[video.name for video in dataset.videos if video.part == "test"] for dataset in datasets]
    everything = [name for names in tested for name in names]
    if len(set(everything)) == len(everything):
        return [{name: name for name in names} for names in tested]
    return [{name: "/".join([name.split("/")[0], f"{part}_{name.split('/', 1)[1]}"]) for name in names}
            for part, names in zip(parts, tested, strict=True)]


def _pooled(name: str, part: str, renamed: dict[str, str]) -> str:
    """What a skipped test video of one part is called in the pool, as those beside it are."""
    label, stem = name.split("/", 1)
    return name if all(old == new for old, new in renamed.items()) else f"{label}/{part}_{stem}"


def _merge_videos(works: Sequence[Workdir], parts: Sequence[str], datasets: Sequence[Dataset],
                  names: Sequence[dict[str, str]], pool: Workdir) -> None:
    videos = [video._replace(name=new[video.name]) for dataset, new in zip(datasets, names, strict=True)
              for video in dataset.videos if video.name in new]
    artifacts.save_dataset(pool.dataset, Dataset(datasets[0].classes, tuple(sorted(videos))))
    truth = [found._replace(video=new[found.video]) for work, new in zip(works, names, strict=True)
             if work.truth.exists() for found in artifacts.load_detections(work.truth) if found.video in new]
    if truth:
        artifacts.save_detections(pool.truth, sorted(truth, key=lambda found: (found.video, found.tube.start)))
    bad = [row | {"name": _pooled(row["name"], part, new)} for work, part, new in zip(works, parts, names, strict=True)
           if work.bad.exists() for row in files.read_jsonl(work.bad) if row.get("part") == "test"]
    if bad:
        files.write_jsonl(pool.bad, sorted(bad, key=lambda row: row["name"]))
    for work, new in zip(works, names, strict=True):
        for old, name in new.items():
            _copy(work.flow / f"{old}.zip", pool.flow / f"{name}.zip")


def _merge_runs(works: Sequence[Workdir], parts: Sequence[str], names: Sequence[dict[str, str]],
                pool: Workdir, missing: Sequence[int]) -> dict[str, dict[str, Any]]:
    table = {}
    for path in sorted(works[0].path.glob("*/*/scores.npz")) + sorted(works[0].path.glob("fused/*.npz")):
        place = path.relative_to(works[0].path)
        found = [artifacts.load_scores(work.path / place) for work in works]
        merged = sorted((new[video], row, label) for scores, new in zip(found, names, strict=True)
                        for video, row, label in zip(scores.videos, scores.scores, scores.label, strict=True))
        videos, rows, label = (list(column) for column in zip(*merged, strict=True))
        scores = Scores(tuple(videos), np.stack(rows), np.array(label), found[0].classes)
        artifacts.save_scores(pool.path / place, scores)
        each = [(top_k(one.scores, one.label), len(one.videos) + lost)
                for one, lost in zip(found, missing, strict=True)]
        name = place.stem if place.parts[0] == "fused" else place.parent.name
        table[f"convnet-{name}" if place.parts[0] == "convnets" else name] = {
            "right": sum(right for right, _ in each), "videos": sum(total for _, total in each), "parts": each}
        for kept in ("config.json", "metrics.jsonl"):
            _copy(path.parent / kept, pool.path / place.parent / kept)
        for work, new in zip(works, names, strict=True):
            run = (work.path / place).parent
            for old, video in new.items():
                _copy(run / "videos" / f"{old}.npz", pool.path / place.parent / "videos" / f"{video}.npz")
    if not table:
        raise ArtifactError(f"{works[0].path}: {parts[0]} has no scores; the stages evaluate and fuse write them")
    return table


def _copy(old: epath.Path, new: epath.Path) -> None:
    if old.exists():
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(old, new)


def _overlaps(works: Sequence[Workdir]) -> dict[str, dict[str, Any]]:
    """Frame IoU of each localised run and of its floors, over the test videos of all parts."""
    found = {}
    for path in sorted(works[0].path.glob("runs/*/map.json")):
        maps = [files.read_json(work.path / path.relative_to(works[0].path), made_by="localize") for work in works]
        if any(one["model"] is None for one in maps):
            continue
        rows = [row for one in maps for row in one["frame_iou"].values()]
        ours = np.array([row["model"] for row in rows])
        floors = {}
        for name in sorted(set.intersection(*(set(row) for row in rows)) - {"model"}):
            theirs = np.array([row[name] for row in rows])
            floors[name] = {"value": float(theirs.mean()), "minus": paired_interval(ours, theirs)._asdict()}
        count = np.array([one["truth"]["videos"] for one in maps], float)
        looks = {key: float(np.average([one["attention"][key] for one in maps], weights=count))
                 for key in ("mass_inside_truth", "area_of_truth", "entropy", "peak")}
        found[path.parent.name] = {"model": mean_interval(ours)._asdict(), "videos": len(rows), "floors": floors,
                                   **looks}
    return found
