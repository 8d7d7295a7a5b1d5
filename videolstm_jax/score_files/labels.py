"""The classes and labels of a score file, which all sources that have them must agree on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.score_files.import_settings import ImportSettings
from videolstm_jax.score_files.join import score_class_order_problem
from videolstm_jax.score_files.layout import ScoreFile

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

# ---- classes -------------------------------------------------------------------------------------


def classes_of_score_file(file: ScoreFile, settings: ImportSettings) -> tuple[str, ...]:
    """The names of the classes, which all sources must agree on; empty where none has them."""
    sources = {"--classes": settings.classes, file.path: file.classes}
    if settings.dataset is not None:
        sources["the data set"] = settings.dataset.classes
    first_source, classes = "", ()
    problem = ""
    for source, listed in sources.items():
        # Of several problems the first is named, which may be the cause of the others.
        if not listed or problem:
            continue
        if not classes:
            first_source, classes = source, listed
        differing = score_class_order_problem(listed, classes)
        # The number of a class is its place, so a name must have one place only.
        if len(set(listed)) != len(listed):
            twice = next(name for name in listed if listed.count(name) > 1)
            problem = f"{source}: classes has {twice} twice; expected each once"
        elif differing:
            problem = f"{file.path}: {source} and {first_source} differ: {differing}"
    columns = file.scores.shape[1]
    if classes and len(classes) != columns:
        problem = problem or (
            f"{file.path}: {file.stream} has {columns} columns, and {first_source} has "
            f"{len(classes)} classes; expected as many"
        )
    if problem:
        raise FileError(problem)
    return classes


def score_file_classes_by_folder(
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
    # Without `strict`, since a file may have no labels at all.
    for row, (name, label) in enumerate(zip(names, file.label, strict=False)):
        # A name says nothing of the column that has its scores.
        if isinstance(label, str):
            problem = f"{file.place('label', row)} is {label!r}, whose place is unknown"
            break
        number = _checked_number(file, row, label, columns, settings.first_label)
        folder, _, _ = name.rpartition("/")
        first_folder = folders.setdefault(number, folder)
        if not folder or first_folder != folder:
            problem = f"class {number} has the folders {first_folder!r} and {folder!r}"
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
    # By number: `folders` has them in the order of the videos.
    return tuple(map(folders.__getitem__, range(columns)))


# ---- labels --------------------------------------------------------------------------------------


def labels_of_scored_videos(
    file: ScoreFile, names: Sequence[str], classes: Sequence[str], settings: ImportSettings
) -> NDArray:
    """The labels [V] from the file, the data set or the folders, which must not contradict."""
    # Up to three sources name the class of a video. Each is looked up, and all are compared.
    from_folders = _folder_labels(names, classes)
    from_dataset: dict[str, int] = {}
    if settings.dataset is not None:
        for video in settings.dataset.videos:
            from_dataset[video.name] = video.label
    labels = np.zeros(len(names), np.int32)
    for row, name in enumerate(names):
        sources = {}
        if file.label:
            sources["label"] = _checked_label(file, row, classes, settings.first_label)
        if name in from_dataset:
            sources["the data set"] = from_dataset[name]
        if name in from_folders:
            sources["its folder"] = from_folders[name]
        if not sources:
            raise ConfigError(
                f"{file.place('label', row)} is missing; give --dataset=dataset.json, or name "
                "videos Class/file"
            )
        source, label = next(iter(sources.items()))
        # All of them: labels that count from 1 agree with a file's own classes and nothing else.
        for second_source, second_label in sources.items():
            if second_label != label:
                raise FileError(
                    f"{file.place('label', row)} is {classes[label]} by {source}, and "
                    f"{classes[second_label]} by {second_source}; expected the same"
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
    """The number of a video's class, which the file has as a number or as a name."""
    label = file.label[row]
    # Only numbers can count from 1; names need no such setting.
    if isinstance(label, int):
        return _checked_number(file, row, label, len(classes), first_label)
    if label not in classes:
        raise FileError(f"{file.place('label', row)} is {label!r}; expected one of the classes")
    return list(classes).index(label)


def _checked_number(file: ScoreFile, row: int, label: int, classes: int, first_label: int) -> int:
    """A class number that counts from 0."""
    number = label - first_label
    if not 0 <= number < classes:
        last_label = classes - 1 + first_label
        hint = ""
        # MATLAB counts from 1, so its last class looks like one too many.
        if first_label == 0 and label == classes:
            hint = "; give --first_label=1 if the classes count from 1"
        raise FileError(
            f"{file.place('label', row)} is {label}; expected {first_label} to {last_label}{hint}"
        )
    return number
