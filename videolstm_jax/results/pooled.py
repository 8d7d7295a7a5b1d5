"""The summary of a pool of work folders: counts of each part, and the overlap of all tubes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from videolstm_jax import files
from videolstm_jax.errors import FileError
from videolstm_jax.measure.accuracy import top_k
from videolstm_jax.workdir.dataset_json import load_labels_of_bad_videos
from videolstm_jax.workdir.scores_npz import load_scores

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.workdir.layout import Workdir


def pooled_score_files(work: Workdir) -> list[epath.Path]:
    """The score files of all models of a work folder, relative to it.

    Raises:
      FileError: there are none.
    """
    # Runs and backbones lie two folders deep, fusions in one folder.
    paths = sorted(work.path.glob("*/*/scores.npz")) + sorted(work.path.glob("fused/*.npz"))
    if not paths:
        raise FileError(f"{work.path}: has no scores; the stages evaluate and fuse write them")
    return [path.relative_to(work.path) for path in paths]


# ---- accuracy ------------------------------------------------------------------------------------


def pooled_accuracy(
    works: Sequence[Workdir], classes: Sequence[str], *, allow_missing: bool
) -> dict[str, dict[str, Any]]:
    """The right test videos of each part and of all, by model.

    Args:
      works: the work folders of the parts; the first one's models are counted.
      classes: C names.
      allow_missing: leave out test videos that could not be read; else they count as wrong.
    """
    missing = []
    for work in works:
        # A video that cannot be read is no reason for a higher accuracy than on all of them.
        count = 0
        if not allow_missing:
            count = len(load_labels_of_bad_videos(work, classes))
        missing.append(count)
    table = {}
    for place in pooled_score_files(works[0]):
        # All parts of a sweep train the same models, so the first part names them.
        table[_model_name(place)] = _counts(works, place, missing)
    return table


def _counts(works: Sequence[Workdir], place: epath.Path, missing: Sequence[int]) -> dict[str, Any]:
    """The counts of one model, whose score file has the same place in every part."""
    # Counts are added and not shares averaged: parts differ in size, and each video counts once.
    right, videos, trained = 0, 0, 0
    of_parts = []
    for work, missing_videos in zip(works, missing, strict=True):
        scores = load_scores(work.path / place)
        right_of_part = top_k(scores.scores, scores.label)
        videos_of_part = len(scores.videos) + missing_videos
        of_parts.append((right_of_part, videos_of_part))
        right += right_of_part
        videos += videos_of_part
        if scores.trained is not None:
            trained += int(scores.trained.sum())
    counts = {"right": right, "videos": videos, "parts": of_parts}
    # Absent where it is 0, as in the tables and cards that name it as a warning.
    if trained:
        counts["trained_on"] = trained
    return counts


def _model_name(place: epath.Path) -> str:
    """The name by which `Workdir.scores` finds a score file."""
    if place.parts[0] == "fused":
        return place.stem
    if place.parts[0] == "convnets":
        return f"convnet-{place.parent.name}"
    return place.parent.name


# ---- tubes ---------------------------------------------------------------------------------------


def pooled_overlaps(pool: Workdir) -> dict[str, dict[str, Any]]:
    """Frame IoU of each localised run and of its baselines, and the statistics of its attention."""
    table = {}
    for path in sorted(pool.path.glob("runs/*/map.json")):
        record = files.read_json_object(path)
        # No test video has true boxes, so there is nothing to compare.
        if record["model"] is None:
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
