"""Turns a score file of any system into the project's own names, labels and probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax.dataset.folders.video_names import without_extension
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.measure.score_kinds import (
    KINDS,
    ScoreKind,
    kind_problem,
    proven_kind,
    to_probabilities,
)
from videolstm_jax.score_files.join import class_order_problem, examples
from videolstm_jax.score_files.layout import ScoreFile
from videolstm_jax.score_files.readers import read_score_file
from videolstm_jax.types import PARTS, Dataset, Part, Scores

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


class ImportSettings(NamedTuple):
    """What a file may not say itself; empty values are taken from the file.

    `stream` names the field with the scores, `kind` is one of KINDS, `part` the list that the
    videos are of, and `classes` are the names of the classes in the order of the scores.
    `first_label` is the number of the first class. `dataset` has the classes, labels and lists of a
    work folder.
    """

    stream: str = ""
    kind: str = ""
    part: str = ""
    classes: tuple[str, ...] = ()
    first_label: int = 0
    dataset: Dataset | None = None


class ImportedScores(NamedTuple):
    """The scores, the kind they had in the file, and facts that were taken from elsewhere."""

    scores: Scores
    kind: ScoreKind
    notes: tuple[str, ...]


def import_scores(path: str, settings: ImportSettings) -> ImportedScores:
    """Reads a score file and checks it against the settings and the data set.

    Raises:
      ConfigError: the settings contradict one another, or one is needed and missing.
      FileError: the file cannot be used; the message names the field, the row and the video.
    """
    file = read_score_file(path, stream=settings.stream)
    names = _video_names(file)
    if not names:
        raise FileError(f"{path}: has no videos; expected at least one")
    notes = []
    classes = _classes(file, settings)
    if not classes:
        classes = _folder_classes(file, names, settings)
        notes.append(f"the {len(classes)} classes are the folders of the videos")
    part = _part(file, names, settings)
    label = _label(file, names, classes, settings)
    kind = _kind(file, settings)
    probabilities = to_probabilities(file.scores, kind)
    scores = Scores(names, probabilities, label, classes, file.trained, part)
    return ImportedScores(scores, kind, tuple(notes))


# ---- videos --------------------------------------------------------------------------------------


def _video_names(file: ScoreFile) -> tuple[str, ...]:
    """The names of the videos as the project has them, "Class/stem".

    Raises:
      FileError: two names become the same.
    """
    rows: dict[str, int] = {}
    for row, video in enumerate(file.videos):
        name = video_name(video)
        first = rows.setdefault(name, row)
        if first != row:
            raise FileError(f"{file.place('videos', row)} is there twice, first in row {first}")
    return tuple(rows)


def video_name(path: str) -> str:
    """The name "Class/stem" of a video by its path, as the lists of a data set make it.

    A path without a folder stays a stem. Windows' slashes, folders above the class and the suffix
    of a video are dropped.
    """
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    return without_extension("/".join(parts[-2:]))


# ---- classes -------------------------------------------------------------------------------------


def _classes(file: ScoreFile, settings: ImportSettings) -> tuple[str, ...]:
    """The names of the classes, which all sources must agree on; empty where none has them."""
    sources = {"--classes": settings.classes, file.path: file.classes}
    if settings.dataset is not None:
        sources["the data set"] = settings.dataset.classes
    first_source, classes = "", ()
    for source, listed in sources.items():
        if not listed:
            continue
        if len(set(listed)) != len(listed):
            twice = next(name for name in listed if listed.count(name) > 1)
            raise FileError(f"{source}: classes has {twice} twice; expected each once")
        if not classes:
            first_source, classes = source, listed
        problem = class_order_problem(listed, classes)
        if problem:
            raise FileError(f"{file.path}: {source} and {first_source} differ: {problem}")
    columns = file.scores.shape[1]
    if classes and len(classes) != columns:
        raise FileError(
            f"{file.path}: {file.stream} has {columns} columns, and {first_source} has "
            f"{len(classes)} classes; expected as many"
        )
    return classes


def _folder_classes(
    file: ScoreFile, names: Sequence[str], settings: ImportSettings
) -> tuple[str, ...]:
    """The classes by the folders of the videos, where each class number has one folder of its own.

    Raises:
      ConfigError: a class has no video or several folders, so that nothing names it.
    """
    columns = file.scores.shape[1]
    folders: dict[int, str] = {}
    problem = ""
    if not file.label:
        problem = "it has no labels either"
    for row, (name, label) in enumerate(zip(names, file.label, strict=False)):
        if isinstance(label, str):
            problem = f"{file.place('label', row)} is {label!r}, whose place is unknown"
            break
        number = _checked_number(file, row, label, columns, settings.first_label)
        folder, _, _ = name.rpartition("/")
        first = folders.setdefault(number, folder)
        if not folder or first != folder:
            problem = f"class {number} has the folders {first!r} and {folder!r}"
            break
    missing = sorted(set(range(columns)) - set(folders))
    if missing:
        problem = problem or f"class {missing[0]} has no video"
    if len(set(folders.values())) != len(folders):
        problem = problem or "two classes have videos in one folder"
    if problem:
        raise ConfigError(
            f"{file.path}: classes is missing, and {problem}; give --classes=classInd.txt or "
            "--dataset=dataset.json"
        )
    return tuple(folders[number] for number in range(columns))


# ---- labels --------------------------------------------------------------------------------------


def _label(
    file: ScoreFile, names: Sequence[str], classes: Sequence[str], settings: ImportSettings
) -> NDArray:
    """The labels [V] from the file, the data set or the folders, which must not contradict."""
    from_folders = _folder_labels(names, classes)
    known: Mapping[str, int] = {}
    if settings.dataset is not None:
        known = {video.name: video.label for video in settings.dataset.videos}
    labels = np.zeros(len(names), np.int32)
    for row, name in enumerate(names):
        sources = {}
        if file.label:
            sources["label"] = _checked_label(file, row, classes, settings.first_label)
        if name in known:
            sources["the data set"] = known[name]
        if name in from_folders:
            sources["its folder"] = from_folders[name]
        if not sources:
            raise ConfigError(
                f"{file.place('label', row)} is missing; give --dataset=dataset.json, or name "
                "videos Class/file"
            )
        source, label = next(iter(sources.items()))
        for other, other_label in sources.items():
            if other_label != label:
                raise FileError(
                    f"{file.place('label', row)} is {classes[label]} by {source}, and "
                    f"{classes[other_label]} by {other}; expected the same"
                )
        labels[row] = label
    return labels


def _folder_labels(names: Sequence[str], classes: Sequence[str]) -> dict[str, int]:
    """The labels of the videos that lie in a folder with the name of a class."""
    labels = {}
    number_of = {name: number for number, name in enumerate(classes)}
    for name in names:
        folder, _, _ = name.rpartition("/")
        if folder in number_of:
            labels[name] = number_of[folder]
    return labels


def _checked_label(file: ScoreFile, row: int, classes: Sequence[str], first_label: int) -> int:
    label = file.label[row]
    if isinstance(label, int):
        return _checked_number(file, row, label, len(classes), first_label)
    if label not in classes:
        raise FileError(f"{file.place('label', row)} is {label!r}; expected one of the classes")
    return list(classes).index(label)


def _checked_number(file: ScoreFile, row: int, label: int, classes: int, first_label: int) -> int:
    """A class number that counts from 0."""
    number = label - first_label
    if not 0 <= number < classes:
        last = classes - 1 + first_label
        hint = ""
        # MATLAB counts from 1, so its last class looks like one too many.
        if first_label == 0 and label == classes:
            hint = "; give --first_label=1 if the classes count from 1"
        raise FileError(
            f"{file.place('label', row)} is {label}; expected {first_label} to {last}{hint}"
        )
    return number


# ---- part and kind -------------------------------------------------------------------------------


def _part(file: ScoreFile, names: Sequence[str], settings: ImportSettings) -> Part:
    """The list that the videos are of. A file of which nothing is known counts as the test list.

    Weights are searched on validation lists only, so this is the safe one of the two.
    """
    parts = {"--part": settings.part, file.path: file.part}
    if settings.dataset is not None:
        parts["the data set"] = _part_in_dataset(file, names, settings.dataset)
    named = {source: part for source, part in parts.items() if part}
    for source, part in named.items():
        if part not in PARTS:
            raise FileError(
                f"{file.path}: part is {part!r} by {source}; expected one of {', '.join(PARTS)}"
            )
    if len(set(named.values())) > 1:
        (first, part), (other, other_part), *_ = named.items()
        if part == other_part:
            other, other_part = list(named.items())[-1]
        raise FileError(f"{file.path}: part is {part} by {first}, and {other_part} by {other}")
    return next(iter(named.values()), "test")


def _part_in_dataset(file: ScoreFile, names: Sequence[str], dataset: Dataset) -> Part:
    """The one list of the data set that has exactly these videos.

    Raises:
      FileError: a video is in no list, videos are of several lists, or some of the list are absent.
    """
    part_of = {video.name: video.part for video in dataset.videos}
    first = part_of.get(names[0])
    for row, name in enumerate(names):
        part = part_of.get(name)
        if part is None:
            raise FileError(f"{file.place('videos', row)} is not in the data set")
        if part != first:
            raise FileError(
                f"{file.place('videos', row)} is of the {part} list, the first of the {first} list"
            )
    listed = {name for name, part in part_of.items() if part == first}
    missing = listed - set(names)
    if missing:
        raise FileError(
            f"{file.path}: lacks {len(missing)} of the {len(listed)} videos of the {first} list"
            f"{examples('lacks', missing)}"
        )
    return first


def _kind(file: ScoreFile, settings: ImportSettings) -> ScoreKind:
    """The kind of the scores: as it is named, and else as the rows prove.

    Raises:
      ConfigError: nothing names it, and the rows prove none.
      FileError: the rows are not of the named kind.
    """
    proven = proven_kind(file.scores)
    name = settings.kind or file.kind or proven
    listed = ", ".join(KINDS)
    if name is None:
        # Where a value is not finite, no kind would fit, so that is what has to be mended.
        _check_rows(file, "logits")
        raise ConfigError(
            f"{file.path}: the kind of {file.stream} is unknown, since its rows do not sum to 1; "
            f"give --kind as one of {listed}"
        )
    if settings.kind and file.kind and settings.kind != file.kind:
        raise FileError(f"{file.path}: kind is {file.kind}; --kind is {settings.kind}")
    kinds = [kind for kind in KINDS if kind == name]
    if not kinds:
        raise FileError(f"{file.path}: kind is {name!r}; expected one of {listed}")
    # Their softmax would be nearly flat: a usual mistake that no later check could notice.
    if name == "logits" and proven == "probabilities":
        raise FileError(
            f"{file.path}: {file.stream} has the kind logits, and all rows are probabilities that "
            "sum to 1; expected the kind probabilities"
        )
    _check_rows(file, kinds[0])
    return kinds[0]


def _check_rows(file: ScoreFile, kind: ScoreKind) -> None:
    problem = kind_problem(file.scores, kind)
    if problem is not None:
        raise FileError(f"{file.place(file.stream, problem.row)} {problem.text}")
