"""`videolstm measure`: measures --detections=FILE against --truth=FILE, without JAX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from absl import flags
from etils import epath

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
from videolstm_jax.types import Dataset, Detection

_FRAMES = ("all", "truth")


def define_flags(values: flags.FlagValues) -> None:
    """Defines what is read, which videos count, the thresholds, and what is written."""
    _define_files(values)
    _define_measures(values)


def _define_files(values: flags.FlagValues) -> None:
    texts = {
        "detections": "Detections: a tubes.jsonl, a folder of ACT's or MOC's *_tubes.pkl, their "
        "frame_detections.pkl, or a .mat of the evaluation of UCF101-24.",
        "truth": "True tubes: any file that the command annotations reads, or a boxes.json with "
        "--dataset.",
        "list": 'File that lists the measured videos, "Class/name" a line; else the test list of '
        "the truth or of --dataset, else every video of the truth.",
        "dataset": "The dataset.json of a work folder: its test list, classes, frames and sizes.",
        "classes": "A classInd.txt that names the classes of the detections, where their numbers "
        "are not those of the truth.",
        "json": "Also write every number to this file.",
    }
    for name, text in texts.items():
        flags.DEFINE_string(name, None, text, flag_values=values)
    flags.DEFINE_integer(
        "split", 1, "Test list of the truth, where it has several.", flag_values=values
    )


def _define_measures(values: flags.FlagValues) -> None:
    thresholds = list(map(str, VIDEO_THRESHOLDS))
    frame_thresholds = list(map(str, FRAME_THRESHOLDS))
    lists_of = {
        "style": (list(STYLES), "voc, act or both; classes, recall and errors are of the first."),
        "iou": (thresholds, "Thresholds of video-mAP."),
        "frame_iou": (frame_thresholds, "Thresholds of frame-mAP."),
        "class_iou": (frame_thresholds, "Thresholds of each class and of errors."),
        "frames": (list(_FRAMES), "Frame-mAP over all frames, those with truth only, or both."),
    }
    for name, (default, text) in lists_of.items():
        flags.DEFINE_list(name, default, text, flag_values=values)
    flags.DEFINE_float(
        "nms",
        None,
        "First drop tubes that overlap a better one of their class by more: ACT and MOC take .3.",
        flag_values=values,
    )


class Options(NamedTuple):
    """The values of the flags. Paths are None where a flag is not given."""

    detections: str
    truth: str
    list: str | None
    dataset: str | None
    classes: str | None
    split: int
    styles: tuple[str, ...]
    thresholds: list[float]
    frame_thresholds: list[float]
    class_thresholds: list[float]
    frames: tuple[str, ...]
    nms: float | None


class Task(NamedTuple):
    """The ground truth, the names of the measured videos, and the classes of the detections.

    `listed` are annotated, all of them; `classes` is empty where the detections have the numbers of
    the truth.
    """

    truth: GroundTruth
    listed: tuple[str, ...]
    classes: tuple[str, ...]


def main(words: list[str]) -> None:
    """Prints the table, and writes JSON where a file is named."""
    options = options_of(flags.FLAGS)
    record, table = measured(options, task(options))
    print(table)
    path = flags.FLAGS["json"].value
    if path:
        files.write_json(path, record)
        print(f"\nwrote {path}")


# ---- the flags -----------------------------------------------------------------------------------


def options_of(values: flags.FlagValues) -> Options:
    """Reads and checks the flags.

    Raises:
      ConfigError: a file is not named, or a value cannot be used.
    """
    if not values["detections"].value or not values["truth"].value:
        raise ConfigError("expected --detections=FILE --truth=FILE")
    nms = values["nms"].value
    return Options(
        detections=values["detections"].value,
        truth=values["truth"].value,
        list=values["list"].value,
        dataset=values["dataset"].value,
        classes=values["classes"].value,
        split=values["split"].value,
        styles=_names("style", values["style"].value, tuple(STYLES)),
        thresholds=_shares("iou", values["iou"].value),
        frame_thresholds=_shares("frame_iou", values["frame_iou"].value),
        class_thresholds=_shares("class_iou", values["class_iou"].value),
        frames=_names("frames", values["frames"].value, _FRAMES),
        nms=None if nms is None else _shares("nms", [nms])[0],
    )


def _names(flag: str, names: Sequence[str], allowed: tuple[str, ...]) -> tuple[str, ...]:
    if not names or set(names) - set(allowed):
        raise ConfigError(
            f"--{flag}={','.join(names)}; expected one or more of {', '.join(allowed)}"
        )
    return tuple(names)


def _shares(flag: str, texts: Sequence[Any]) -> list[float]:
    """The IoU thresholds of a flag, each once."""
    assignment = f"--{flag}={','.join(map(str, texts))}"
    try:
        shares = list(dict.fromkeys(float(text) for text in texts))
    except ValueError as error:
        raise ConfigError(f"{assignment}: {error}") from error
    if not shares or not all(0 <= share <= 1 for share in shares):
        raise ConfigError(f"{assignment}; expected IoU thresholds from 0 to 1")
    return shares


# ---- reading -------------------------------------------------------------------------------------


def task(options: Options) -> Task:
    """Reads the ground truth and the lists that the options name.

    Raises:
      ConfigError: a boxes.json without the data set it belongs to, or none of the listed videos has
        a true tube.
      FileError: a truth that does not fit the data set.
    """
    dataset = artifacts.load_dataset(options.dataset) if options.dataset else None
    truth = _truth(options, dataset)
    annotated = truth.videos
    named: tuple[str, ...] = ()
    if options.list:
        named = tuple(row.name for row in lists.read_list(epath.Path(options.list)))
    classes = lists.read_classes(epath.Path(options.classes)) if options.classes else ()
    truth = truth._replace(test=named or truth.test)
    listed = truth.test or tuple(sorted(annotated))
    if dataset is not None:
        # The data set knows the sizes of videos which the annotations may not tell.
        truth = add_dataset(options.truth, truth, dataset)
        tests = tuple(video.name for video in dataset.videos if video.part == "test")
        listed = named or tests or listed
        # Our own tubes.jsonl numbers the classes as dataset.json does.
        if not classes and options.detections.endswith(".jsonl"):
            classes = dataset.classes
    if not {detection.video for detection in truth.tubes} & set(listed):
        raise ConfigError(
            f"none of the {len(listed)} listed videos has a true tube in {options.truth}"
        )
    return Task(truth, tuple(name for name in listed if name in annotated), classes)


def _truth(options: Options, dataset: Dataset | None) -> GroundTruth:
    if not options.truth.endswith(".json"):
        return read_truth(options.truth, split=options.split)
    if dataset is None:
        raise ConfigError(
            f"{options.truth} says nothing of classes and frames; expected --dataset=dataset.json"
        )
    table = read_boxes_table(options.truth)
    frames = {video.name: video.frames for video in dataset.videos}
    unlisted = table.keys() - frames.keys()
    notes: tuple[str, ...] = ()
    if unlisted:
        count = f"{len(unlisted)} videos with boxes are not listed"
        notes = (f"{count}, such as {min(unlisted)}",)
    tubes = read_boxes_json(options.truth, dataset, unlisted=unlisted)
    annotated = {name: frames[name] for name in table if name in frames}
    return GroundTruth(dataset.classes, annotated, {}, tubes, notes=notes)


# ---- measuring -----------------------------------------------------------------------------------


def measured(options: Options, task: Task) -> tuple[dict[str, Any], str]:
    """Reads the detections and measures them.

    Returns:
      The record of all numbers, and the table of them.
    """
    listed = set(task.listed)
    truth = [detection for detection in task.truth.tubes if detection.video in listed]
    read = read_detections(options.detections, task.truth, listed=task.listed, classes=task.classes)
    detections = read.detections
    if options.nms is not None:
        detections = suppress(detections, options.nms)
    # Boxes of single frames make no tubes, so only frames are measured.
    tubes = not read.single
    summary = tube_summary(
        detections,
        truth,
        thresholds=options.thresholds if tubes else (),
        frame_thresholds=options.frame_thresholds,
        class_thresholds=options.class_thresholds if tubes else (),
        styles=options.styles,
        frames=options.frames,
        average_frames=True,
    )
    names = {}
    for label, count in Counter(detection.label for detection in truth).items():
        name = task.truth.classes[label] if task.truth.classes else f"class {label}"
        names[label] = (name, count)
    videos = {detection.video for detection in truth}
    notes = [*task.truth.notes, *read.notes, *_notes(options, task, videos, read, detections)]
    record = {
        "videos": len(videos),
        "tubes": len(truth),
        "detections": len(detections),
        "notes": notes,
        "classes": {str(label): name for label, (name, _) in names.items()},
        **summary,
    }
    kind = "detected boxes of single frames" if read.single else "detected tubes"
    counts = f"{len(detections)} {kind}, {len(truth)} true tubes, {len(videos)} videos"
    head = f"{counts}; in per cent"
    lines = [head, *(f"  {note}" for note in notes)]
    return record, "\n".join(lines) + "\n\n" + tube_table(summary, names)


def _notes(
    options: Options,
    task: Task,
    videos: set[str],
    read: MeasuredDetections,
    detections: Sequence[Detection],
) -> list[str]:
    """Facts about the videos and the detections that explain the table."""
    notes = []
    without_truth = set(task.listed) - videos
    if without_truth:
        notes.append(
            f"{len(without_truth)} measured videos have no true tube, so all their detections "
            f"are false, such as {min(without_truth)}"
        )
    if options.nms is not None:
        dropped = len(read.detections) - len(detections)
        notes.append(f"{dropped} detections overlap a better one by more than {options.nms:g}")
    without_detection = videos - {detection.video for detection in detections}
    if without_detection:
        notes.append(
            f"{len(without_detection)} measured videos have no detection, such as "
            f"{min(without_detection)}"
        )
    return notes
