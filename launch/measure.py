"""Measures detected tubes against true ones; no JAX needed.

Usage: python -m launch.measure --found=tubes.jsonl --truth=truth.jsonl [--list=testlist01.txt]
[--json=measured.json]
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from absl import app, flags
from etils import epath

from launch import boot
from videolstm_jax import artifacts, files
from videolstm_jax.annotations.boxes_json import read_boxes_json, read_boxes_table
from videolstm_jax.annotations.detections import MeasuredDetections, read_detections
from videolstm_jax.annotations.ground_truth import GroundTruth, add_dataset
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.dataset import lists
from videolstm_jax.errors import ConfigError
from videolstm_jax.measure.overlap import STYLES
from videolstm_jax.measure.suppress import suppress
from videolstm_jax.measure.tube_summary import FRAME_THRESHOLDS, VIDEO_THRESHOLDS, tube_summary
from videolstm_jax.measure.tube_table import tube_table
from videolstm_jax.types import Dataset

_FOUND = flags.DEFINE_string(
    "found",
    None,
    "Detections: a tubes.jsonl, a folder of ACT's or MOC's *_tubes.pkl, their "
    "frame_detections.pkl, or a .mat of the evaluation of UCF101-24.",
)
_TRUTH = flags.DEFINE_string(
    "truth", None, "True tubes: whatever launch.annotations reads, or a boxes.json with --dataset."
)
_LIST = flags.DEFINE_string(
    "list",
    None,
    'A file that lists the measured videos, "Class/name" a line; else the '
    "test list of the truth or of --dataset, else every video of the truth.",
)
_DATASET = flags.DEFINE_string(
    "dataset", None, "The dataset.json of a walk: its test list, classes, frames and sizes."
)
_CLASSES = flags.DEFINE_string(
    "classes",
    None,
    "A classInd.txt that names the classes of the detections, where they "
    "are not numbered as the truth's.",
)
_SPLIT = flags.DEFINE_integer(
    "split", 1, "Which test list of the truth is taken, where it has several."
)
_STYLE = flags.DEFINE_list(
    "style", list(STYLES), "voc, act or both; classes, recall and errors are of the first."
)
_IOU = flags.DEFINE_list("iou", list(map(str, VIDEO_THRESHOLDS)), "Thresholds of video-mAP.")
_FRAME_IOU = flags.DEFINE_list(
    "frame_iou", list(map(str, FRAME_THRESHOLDS)), "Thresholds of frame-mAP."
)
_CLASS_IOU = flags.DEFINE_list(
    "class_iou", list(map(str, FRAME_THRESHOLDS)), "Thresholds of each class and of errors."
)
_FRAMES = flags.DEFINE_list(
    "frames", ["all", "truth"], "Frame-mAP over all frames, those with truth only, or both."
)
_NMS = flags.DEFINE_float(
    "nms",
    None,
    "First drop tubes that overlap a better one of their class by more: ACT and MOC take .3.",
)
_JSON = flags.DEFINE_string("json", None, "Also write every number to this file.")


class Task(NamedTuple):
    """The truth with all that is known of its videos, the listed ones it annotates, and the
    detections' classes.
    """

    truth: GroundTruth
    listed: tuple[str, ...]
    classes: tuple[str, ...]


def task() -> Task:
    """Reads the truth and the lists that the flags name.

    Raises:
      ConfigError: a boxes.json without the data set it belongs to, or none of the listed videos has
        a true tube.
      FileError: a truth that does not fit the data set.
    """
    dataset = artifacts.load_dataset(_DATASET.value) if _DATASET.value else None
    truth = _truth(dataset)
    given = (
        tuple(row.name for row in lists.read_list(epath.Path(_LIST.value))) if _LIST.value else ()
    )
    classes = lists.read_classes(epath.Path(_CLASSES.value)) if _CLASSES.value else ()
    truth, annotated = truth._replace(test=given or truth.test), truth.videos
    listed = truth.test or tuple(sorted(annotated))
    if dataset is not None:
        truth = add_dataset(_TRUTH.value, truth, dataset)  # knows more videos from here on
        listed = (
            given or tuple(video.name for video in dataset.videos if video.part == "test") or listed
        )
        if not classes and _FOUND.value.endswith(".jsonl"):
            classes = dataset.classes
    if not {one.video for one in truth.tubes} & set(listed):
        raise ConfigError(
            f"none of the {len(listed)} listed videos has a true tube in {_TRUTH.value}"
        )
    return Task(truth, tuple(name for name in listed if name in annotated), classes)


def _truth(dataset: Dataset | None) -> GroundTruth:
    if not _TRUTH.value.endswith(".json"):
        return read_truth(_TRUTH.value, split=_SPLIT.value)
    if dataset is None:
        raise ConfigError(
            f"{_TRUTH.value} says nothing of classes and frames; expected --dataset=dataset.json"
        )
    table, frames = (
        read_boxes_table(_TRUTH.value),
        {video.name: video.frames for video in dataset.videos},
    )
    unlisted = table.keys() - frames.keys()
    truth = read_boxes_json(_TRUTH.value, dataset, unlisted=unlisted)
    return GroundTruth(
        dataset.classes,
        {name: frames[name] for name in table if name in frames},
        {},
        truth,
        notes=(f"{len(unlisted)} videos with boxes are not listed, such as {min(unlisted)}",)
        if unlisted
        else (),
    )


def measured(what: Task) -> tuple[dict[str, Any], str]:
    """Reads the detections and measures them: the record and the table of it.

    Raises:
      ConfigError: a flag that cannot be used.
    """
    for flag, allowed in ((_STYLE, tuple(STYLES)), (_FRAMES, ("all", "truth"))):
        if not flag.value or set(flag.value) - set(allowed):
            raise ConfigError(
                f"--{flag.name}={','.join(flag.value)}; expected one or more of {', '.join(allowed)}"
            )
    thresholds, frame_thresholds, class_thresholds = map(_numbers, (_IOU, _FRAME_IOU, _CLASS_IOU))
    truth = [one for one in what.truth.tubes if one.video in set(what.listed)]
    found = read_detections(_FOUND.value, what.truth, listed=what.listed, classes=what.classes)
    kept = found.detections
    if _NMS.value is not None:
        (limit,) = _numbers(_NMS)
        kept = suppress(kept, limit)
    tubes = not found.single
    summary = tube_summary(
        kept,
        truth,
        thresholds=thresholds if tubes else (),
        frame_thresholds=frame_thresholds,
        class_thresholds=class_thresholds if tubes else (),
        styles=_STYLE.value,
        frames=_FRAMES.value,
        average_frames=True,
    )
    each = Counter(one.label for one in truth)
    names = {
        label: (what.truth.classes[label] if what.truth.classes else f"class {label}", count)
        for label, count in each.items()
    }
    videos, reached = {one.video for one in truth}, {one.video for one in kept}
    notes = [*what.truth.notes, *found.notes]
    if empty := set(what.listed) - videos:
        notes.append(
            f"{len(empty)} measured videos have no true tube, so all that is found there is false, such as "
            f"{min(empty)}"
        )
    if _NMS.value is not None:
        notes.append(
            f"{len(found.detections) - len(kept)} detections overlap a better one by more than {_NMS.value:g}"
        )
    if videos - reached:
        notes.append(
            f"{len(videos - reached)} measured videos have no detection, such as {min(videos - reached)}"
        )
    record = {
        "videos": len(videos),
        "tubes": len(truth),
        "detections": len(kept),
        "notes": notes,
        "classes": {str(label): name for label, (name, _) in names.items()},
        **summary,
    }
    head = [_said(found, kept, len(videos), truth), *(f"  {note}" for note in notes)]
    return record, "\n".join(head) + "\n\n" + tube_table(summary, names)


def _said(found: MeasuredDetections, kept: list, videos: int, truth: list) -> str:
    return (
        f"{len(kept)} {'boxes of single frames' if found.single else 'tubes'} found, {len(truth)} true tubes, "
        f"{videos} videos; in per cent"
    )


def _numbers(flag: flags.FlagHolder) -> list[float]:
    """The thresholds of a flag, each once."""
    words = flag.value if isinstance(flag.value, list) else [flag.value]
    try:
        numbers = list(dict.fromkeys(float(word) for word in words))
    except ValueError as error:
        raise ConfigError(f"--{flag.name}={','.join(map(str, words))}: {error}") from error
    if not numbers or not all(0 <= number <= 1 for number in numbers):
        raise ConfigError(
            f"--{flag.name}={','.join(map(str, words))}; expected IoU thresholds from 0 to 1"
        )
    return numbers


def main(argv: list[str]) -> None:
    """Prints the table, and writes JSON where it is asked for."""
    if len(argv) > 1 or not _FOUND.value or not _TRUTH.value:
        raise app.UsageError("expected --found=FILE --truth=FILE")
    record, table = measured(task())
    print(table)
    if _JSON.value:
        files.write_json(_JSON.value, record)
        print(f"\nwrote {_JSON.value}")


if __name__ == "__main__":
    app.run(boot.guarded(main))
