"""`videolstm measure`: measures --detections=FILE against --truth=FILE, without JAX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from absl import flags
from etils import epath

from videolstm_jax import files
from videolstm_jax.annotations.boxes_json import read_boxes_json, read_boxes_table
from videolstm_jax.annotations.detections import MeasuredDetections, read_detections
from videolstm_jax.annotations.ground_truth import GroundTruth, add_videos_to_ground_truth
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.cli.commands.measure_flags import Options, define_flags, measure_options_of_flags
from videolstm_jax.dataset.lists import list_files
from videolstm_jax.errors import ConfigError
from videolstm_jax.measure.suppress import suppress_overlapping_tubes
from videolstm_jax.measure.tube_summary import tube_summary
from videolstm_jax.measure.tube_table import tube_measure_table
from videolstm_jax.types import Dataset, Detection, names_of
from videolstm_jax.workdir.dataset_json import load_dataset

__all__ = ["define_flags", "main"]


class Task(NamedTuple):
    """The ground truth, the names of the measured videos, and the classes of the detections.

    `listed` are annotated, all of them; `classes` is empty where the detections have the numbers of
    the truth.
    """

    truth: GroundTruth
    listed: tuple[str, ...]
    classes: tuple[str, ...]


def main(arguments: list[str]) -> None:
    """Prints the table, and writes JSON where a file is named."""
    options = measure_options_of_flags(flags.FLAGS)
    record, table = _measure_detections(options, _measure_task(options))
    # Before the file: a path that cannot be written must not cost the numbers.
    print(table)
    path = flags.FLAGS["json"].value
    if path:
        files.write_json(path, record)
        print(f"\nwrote {path}")


# ---- reading -------------------------------------------------------------------------------------


def _measure_task(options: Options) -> Task:
    """Reads the ground truth and the lists that the options name.

    Raises:
      ConfigError: a boxes.json without the data set it belongs to, or none of the listed videos has
        a true tube.
      FileError: a truth that does not fit the data set.
    """
    dataset = None
    if options.dataset:
        dataset = load_dataset(options.dataset)
    truth = _truth(options, dataset)
    annotated = truth.videos
    named: tuple[str, ...] = ()
    if options.list:
        named = tuple(row.name for row in list_files.read_video_list(epath.Path(options.list)))
    classes: tuple[str, ...] = ()
    if options.classes:
        classes = list_files.read_class_list(epath.Path(options.classes))
    # The list that the user names goes before all others, also in what `read_detections` takes.
    truth = truth._replace(test=named or truth.test)
    listed = truth.test or tuple(sorted(annotated))
    if dataset is not None:
        # The data set has the sizes of videos, which the annotations may lack.
        truth = add_videos_to_ground_truth(options.truth, truth, dataset)
        tests = names_of(dataset.listed("test"))
        listed = named or tests or listed
        # Our own tubes.jsonl numbers the classes as dataset.json does.
        if not classes and options.detections.endswith(".jsonl"):
            classes = dataset.classes
    # A list of another set, or names without their classes, would measure 0 and look like a result.
    if _videos_of(truth.tubes).isdisjoint(listed):
        raise ConfigError(
            f"none of the {len(listed)} listed videos has a true tube in {options.truth}"
        )
    # Videos without annotations are left out: whether a detection in them is right is not known.
    measured = []
    for name in listed:
        if name in annotated:
            measured.append(name)
    return Task(truth, tuple(measured), classes)


def _truth(options: Options, dataset: Dataset | None) -> GroundTruth:
    if not options.truth.endswith(".json"):
        return read_truth(options.truth, split=options.split)
    if dataset is None:
        raise ConfigError(
            f"{options.truth} contains no classes and no numbers of frames; expected "
            "--dataset=dataset.json"
        )
    frames = dataset.frames
    annotated = {}
    # A boxes.json belongs to a folder, of which the data set may have some classes only.
    unlisted = set()
    for name in read_boxes_table(options.truth):
        if name in frames:
            annotated[name] = frames[name]
        else:
            unlisted.add(name)
    notes: tuple[str, ...] = ()
    if unlisted:
        count = f"{len(unlisted)} videos with boxes are not listed"
        notes = (f"{count}, such as {min(unlisted)}",)
    tubes = read_boxes_json(options.truth, dataset, unlisted=unlisted)
    return GroundTruth(dataset.classes, annotated, {}, tubes, notes=notes)


# ---- measuring -----------------------------------------------------------------------------------


def _measure_detections(options: Options, task: Task) -> tuple[dict[str, Any], str]:
    """Reads the detections and measures them.

    Returns:
      The record of all numbers, and the table of them.
    """
    # Annotations may be of the training list too, whose tubes nobody detected.
    listed = set(task.listed)
    truth = []
    for tube in task.truth.tubes:
        if tube.video in listed:
            truth.append(tube)
    read = read_detections(options.detections, task.truth, listed=task.listed, classes=task.classes)
    detections = read.detections
    if options.nms is not None:
        detections = suppress_overlapping_tubes(detections, options.nms)
    summary = _summary(options, detections, truth, single=read.single)
    names = _class_names(task.truth, truth)
    # JSON has no numbers as keys.
    classes = {}
    for label, (name, _) in names.items():
        classes[str(label)] = name
    videos = _videos_of(truth)
    notes = [*task.truth.notes, *read.notes, *_notes(options, task, videos, read, detections)]
    record = {
        "videos": len(videos),
        "tubes": len(truth),
        "detections": len(detections),
        "notes": notes,
        "classes": classes,
        **summary,
    }
    kind = "detected tubes"
    if read.single:
        kind = "detected boxes of single frames"
    counts = f"{len(detections)} {kind}, {len(truth)} true tubes, {len(videos)} videos"
    heading = f"{counts}; in per cent\n"
    for note in notes:
        heading += f"  {note}\n"
    return record, f"{heading}\n{tube_measure_table(summary, names)}"


def _summary(
    options: Options, detections: Sequence[Detection], truth: Sequence[Detection], *, single: bool
) -> dict[str, Any]:
    thresholds, class_thresholds = options.thresholds, options.class_thresholds
    # Boxes of single frames make no tubes, so only frames are measured.
    if single:
        thresholds, class_thresholds = [], []
    return tube_summary(
        detections,
        truth,
        thresholds=thresholds,
        frame_thresholds=options.frame_thresholds,
        class_thresholds=class_thresholds,
        styles=options.styles,
        frames=options.frames,
        average_frames=True,
    )


def _class_names(truth: GroundTruth, tubes: Sequence[Detection]) -> dict[int, tuple[str, int]]:
    """The name of each class of the tubes, and how many of them it has, by its number."""
    counts: Counter[int] = Counter()
    for tube in tubes:
        counts[tube.label] += 1
    names = {}
    for label, count in counts.items():
        # Pickles of other projects number the classes, but do not name them.
        name = f"class {label}"
        if truth.classes:
            name = truth.classes[label]
        names[label] = (name, count)
    return names


def _videos_of(detections: Sequence[Detection]) -> set[str]:
    return {detection.video for detection in detections}


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
    # What `suppress_overlapping_tubes` dropped: the detections are those that it left.
    if options.nms is not None:
        dropped = len(read.detections) - len(detections)
        notes.append(f"{dropped} detections overlap a better one by more than {options.nms:g}")
    without_detection = videos - _videos_of(detections)
    if without_detection:
        notes.append(
            f"{len(without_detection)} measured videos have no detection, such as "
            f"{min(without_detection)}"
        )
    return notes
