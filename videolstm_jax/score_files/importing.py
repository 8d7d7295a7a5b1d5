"""Turns a score file of any system into the project's own names, labels and probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from videolstm_jax.dataset.folders.video_names import without_video_extension
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.measure.fusion.score_kinds import (
    KINDS,
    ScoreKind,
    proven_score_kind,
    score_kind_problem,
    to_probabilities,
)
from videolstm_jax.score_files.import_settings import ImportSettings
from videolstm_jax.score_files.join import score_file_examples
from videolstm_jax.score_files.labels import (
    classes_of_score_file,
    labels_of_scored_videos,
    score_file_classes_by_folder,
)
from videolstm_jax.score_files.layout import ScoreFile
from videolstm_jax.score_files.readers import read_score_file
from videolstm_jax.types import PARTS, Dataset, Part, Scores, names_of


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
    # The order matters: labels are numbers of classes, classes may be the folders of the names, and
    # the list of a data set is found by the names.
    file = read_score_file(path, stream=settings.stream)
    names = _video_names(file)
    notes = []
    classes = classes_of_score_file(file, settings)
    if not classes:
        classes = score_file_classes_by_folder(file, names, settings)
        notes.append(f"the {len(classes)} classes are the folders of the videos")
    part = _part(file, names, settings)
    label = labels_of_scored_videos(file, names, classes, settings)
    kind = _kind(file, settings)
    probabilities = to_probabilities(file.scores, kind)
    scores = Scores(names, probabilities, label, classes, file.trained, part)
    return ImportedScores(scores, kind, tuple(notes))


# ---- videos --------------------------------------------------------------------------------------


def _video_names(file: ScoreFile) -> tuple[str, ...]:
    """The names of the videos as the project has them, "Class/stem".

    Raises:
      FileError: there are none, or two names become the same.
    """
    problem = ""
    if not file.videos:
        problem = f"{file.path}: has no videos; expected at least one"
    rows: dict[str, int] = {}
    for row, video in enumerate(file.videos):
        # After the folders above the class and the suffix are dropped, which may make two equal.
        first_row = rows.setdefault(scored_video_name(video), row)
        if first_row != row and not problem:
            place = file.place("videos", row)
            problem = f"{place} is there twice, first in row {first_row}"
    if problem:
        raise FileError(problem)
    return tuple(rows)


def scored_video_name(path: str) -> str:
    """The name "Class/stem" of a video by its path, as the lists of a data set make it.

    A path without a folder stays a stem. Windows' slashes, folders above the class and the suffix
    of a video are dropped.
    """
    folders_and_file = []
    for name in path.replace("\\", "/").split("/"):
        # As of "./clips//Archery/a.avi".
        if name not in ("", "."):
            folders_and_file.append(name)
    # The last two: what lies above the class differs from machine to machine.
    return without_video_extension("/".join(folders_and_file[-2:]))


# ---- part and kind -------------------------------------------------------------------------------


def _part(file: ScoreFile, names: Sequence[str], settings: ImportSettings) -> Part:
    """The list that the videos are of. A file of which nothing is known counts as the test list.

    Weights are searched on validation lists only, so this is the safe one of the two.
    """
    parts = {"--part": settings.part, file.path: file.part}
    if settings.dataset is not None:
        parts["the data set"] = _part_in_dataset(file, names, settings.dataset)
    named_parts = {}
    for source, part in parts.items():
        if part:
            named_parts[source] = part
    problem = _parts_problem(named_parts)
    if problem:
        raise FileError(f"{file.path}: part is {problem}")
    if not named_parts:
        return "test"
    return next(iter(named_parts.values()))


def _parts_problem(parts: Mapping[str, str]) -> str:
    """How parts are unknown or contradict, by their sources; empty where they agree."""
    # An unknown name first: it would contradict every other source too.
    for source, part in parts.items():
        if part not in PARTS:
            return f"{part!r} by {source}; expected one of {', '.join(PARTS)}"
    # The first source that names a part is the one that the others are compared with.
    for source, part in parts.items():
        first_source, first_part = next(iter(parts.items()))
        if part != first_part:
            return f"{first_part} by {first_source}, and {part} by {source}"
    return ""


def _part_in_dataset(file: ScoreFile, names: Sequence[str], dataset: Dataset) -> Part:
    """The one list of the data set that has exactly these videos.

    Raises:
      FileError: a video is in no list, videos are of several lists, or some of the list are absent.
    """
    part_of = {video.name: video.part for video in dataset.videos}
    first_part = part_of.get(names[0])
    problem = ""
    for row, name in enumerate(names):
        part = part_of.get(name)
        place = file.place("videos", row)
        if part is None:
            problem = f"{place} is not in the data set"
        elif part != first_part:
            problem = f"{place} is of the {part} list, the first of the {first_part} list"
        if problem:
            raise FileError(problem)
    # The whole list, or the accuracy would be that of a choice of videos.
    listed = set(names_of(dataset.listed(first_part)))
    missing = listed - set(names)
    if missing:
        raise FileError(
            f"{file.path}: lacks {len(missing)} of the {len(listed)} videos of the {first_part} "
            f"list{score_file_examples('lacks', missing)}"
        )
    return first_part


def _kind(file: ScoreFile, settings: ImportSettings) -> ScoreKind:
    """The kind of the scores: as it is named, and else as the rows prove.

    Raises:
      ConfigError: nothing names it, and the rows prove none.
      FileError: the rows are not of the named kind.
    """
    # The user's word goes before the file's, and both before what the numbers suggest.
    proven = proven_score_kind(file.scores)
    name = settings.kind or file.kind or proven
    if name is None:
        # Where a value is not finite, no kind would fit, so that is what has to be mended.
        _check_rows(file, "logits")
        raise ConfigError(
            f"{file.path}: the kind of {file.stream} is unknown, since its rows do not sum to 1; "
            f"give --kind as one of {', '.join(KINDS)}"
        )
    problem = ""
    if settings.kind and file.kind and settings.kind != file.kind:
        problem = f"kind is {file.kind}; --kind is {settings.kind}"
    elif name not in KINDS:
        problem = f"kind is {name!r}; expected one of {', '.join(KINDS)}"
    elif name == "logits" and proven == "probabilities":
        # Their softmax would be nearly flat: a usual mistake that no later check could notice.
        problem = (
            f"{file.stream} has the kind logits, and all rows are probabilities that sum to 1; "
            "expected the kind probabilities"
        )
    if problem:
        raise FileError(f"{file.path}: {problem}")
    kind = cast("ScoreKind", name)
    _check_rows(file, kind)
    return kind


def _check_rows(file: ScoreFile, kind: ScoreKind) -> None:
    problem = score_kind_problem(file.scores, kind)
    if problem is not None:
        raise FileError(f"{file.place(file.stream, problem.row)} {problem.text}")
