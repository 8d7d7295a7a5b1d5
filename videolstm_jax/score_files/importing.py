"""Turns a score file of any system into the project's own names, labels and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from videolstm_jax.dataset.folders.video_names import without_extension
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.measure.fusion.score_kinds import (
    KINDS,
    ScoreKind,
    kind_problem,
    proven_kind,
    to_probabilities,
)
from videolstm_jax.score_files.import_settings import ImportSettings
from videolstm_jax.score_files.join import examples
from videolstm_jax.score_files.labels import folder_classes, named_classes, video_labels
from videolstm_jax.score_files.layout import ScoreFile
from videolstm_jax.score_files.readers import read_score_file
from videolstm_jax.types import PARTS, Dataset, Part, Scores


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
    classes = named_classes(file, settings)
    if not classes:
        classes = folder_classes(file, names, settings)
        notes.append(f"the {len(classes)} classes are the folders of the videos")
    part = _part(file, names, settings)
    label = video_labels(file, names, classes, settings)
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
