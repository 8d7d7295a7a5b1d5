"""The layout of a score file, whatever it is encoded in: named fields, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.measure.fusion.score_kinds import KINDS
from videolstm_jax.score_files.values import (
    score_file_labels,
    score_file_numbers,
    score_file_text,
    score_file_texts,
    score_file_training_marks,
)

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

# The fields beside the scores, each with the other names that files have for it.
_SPELLINGS = {
    "videos": ("videos", "video", "names", "name"),
    "label": ("label", "labels"),
    "classes": ("classes", "class_names"),
    "part": ("part",),
    "kind": ("kind",),
    "trained": ("trained",),
}
_NAMED = 5
"""Names that an error lists at most."""


class ScoreFile(NamedTuple):
    """The content of a score file.

    `videos` are V names as they are written, `scores` [V, C] float64 of an unknown kind, `label`
    [V] numbers or class names, empty where the file has none; so are `classes`. `part`, `kind` and
    `stream` are empty where the file does not name them. `trained` [V] is as in `Scores`. `lines`
    [V] are the lines of a text file; empty for all others.
    """

    path: str
    videos: tuple[str, ...]
    scores: NDArray
    label: tuple[int | str, ...]
    classes: tuple[str, ...]
    part: str
    kind: str
    stream: str
    trained: NDArray | None = None
    lines: tuple[int, ...] = ()

    def place(self, field: str, row: int) -> str:
        """Where a row of a field is, as messages begin: file, field, row and video."""
        return _place_of(self.path, field, row, self.lines, self.videos[row])


def _place_of(path: str, field: str, row: int, lines: Sequence[int] = (), video: str = "") -> str:
    """Names a row of a field: "scores.csv:7: label" of a text file, "a.npz: label[5]" of others."""
    place = f"{path}: {field}[{row}]"
    if len(lines):
        place = f"{path}:{lines[row]}: {field}"
    if video:
        place += f" ({video})"
    return place


def score_file_of_fields(path: str, fields: Mapping[str, Any], stream: str = "") -> ScoreFile:
    """Reads the fields of a file; `stream` names the one with the scores, where there are several.

    Args:
      path: of the file, for messages.
      fields: arrays, lists and text by name; or a row of scores for each video, where no field has
        the name of `videos`.
      stream: see above; empty where the file has the scores of one stream.

    Raises:
      FileError: a field is missing, is there twice or has another shape or type.
    """
    named, streams = _sorted_fields(path, fields)
    if "videos" not in named:
        return _from_mapping(path, fields, stream)
    videos = score_file_texts(path, "videos", named["videos"])
    stream = _chosen_stream(path, streams, stream, len(videos))
    # Of other programs' fields only the chosen one is read, so that a strange one does no harm.
    scores = score_file_numbers(path, stream, streams[stream])
    label: tuple[int | str, ...] = ()
    if "label" in named:
        label = score_file_labels(path, named["label"])
    classes: tuple[str, ...] = ()
    if "classes" in named:
        classes = score_file_texts(path, "classes", named["classes"])
    # Each field by itself first: of one that cannot be read, its length means nothing.
    problem = ""
    if scores.ndim != 2 or len(scores) != len(videos):
        shape = list(scores.shape)
        problem = f"{stream} is {shape}; expected [{len(videos)}, C] for its videos"
    elif "label" in named and len(label) != len(videos):
        problem = f"label has {len(label)} values; expected {len(videos)}"
    if problem:
        raise FileError(f"{path}: {problem}")
    kind = score_file_text(path, "kind", named.get("kind", ""))
    # A field called `logits` names its kind.
    if not kind and stream in KINDS:
        kind = stream
    return ScoreFile(
        path,
        videos,
        scores,
        label,
        classes,
        score_file_text(path, "part", named.get("part", "")),
        kind,
        stream,
        score_file_training_marks(path, named.get("trained"), len(videos)),
    )


def _sorted_fields(path: str, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of the layout by their first name, and all others, which are scores of streams."""
    # Streams have names of their own, such as `rgb`, so whatever is no field of the layout may be
    # the scores of one.
    named: dict[str, Any] = {}
    streams = dict(fields)
    for field, spellings in _SPELLINGS.items():
        names = []
        for spelling in spellings:
            if spelling in fields:
                names.append(spelling)
        # Two of them may differ, and none is more likely to be the right one.
        if len(names) > 1:
            raise FileError(f"{path}: the fields {' and '.join(names)} mean the same; remove one")
        for name in names:
            named[field] = streams.pop(name)
    return named, streams


def _chosen_stream(path: str, streams: Mapping[str, Any], stream: str, videos: int) -> str:
    """The field that has the scores.

    Raises:
      FileError: it is missing, or there are several and none is chosen.
    """
    if stream in streams:
        return stream
    if not stream and "scores" in streams:
        return "scores"
    tables = []
    for name, field in streams.items():
        # Files of other programs have more than scores, such as settings.
        if _is_table(field, videos):
            tables.append(name)
    if not stream and len(tables) == 1:
        return tables[0]
    listed = ", ".join(sorted(streams)) or "none"
    problem = f"has the scores {', '.join(sorted(tables))}; choose one with --stream=NAME"
    if stream:
        problem = f"has no scores {stream!r}; it has {listed}"
    elif not tables:
        problem = (
            f"scores is missing: no field is a table of {videos} videos; the fields that could be "
            f"are {listed}"
        )
    raise FileError(f"{path}: {problem}")


def _is_table(field: Any, videos: int) -> bool:
    """Whether a field has a row of numbers for each video."""
    # Kinds f, i and u are NumPy's floats and integers; a table of texts is no scores.
    if isinstance(field, np.ndarray):
        return field.ndim == 2 and len(field) == videos and field.dtype.kind in "fiu"
    if not isinstance(field, list | tuple) or len(field) != videos or not videos:
        return False
    # Rows are checked one by one when the field has been chosen; here one tells it from a list.
    return isinstance(field[0], list | tuple | np.ndarray)


def _from_mapping(path: str, fields: Mapping[str, Any], stream: str) -> ScoreFile:
    """Reads {video: row}, where a row is a list of scores or {class: score}."""
    if stream or not fields:
        raise FileError(f"{path}: videos is missing; expected the names of the videos")
    rows = []
    videos = score_file_texts(path, "videos", list(fields))
    classes: tuple[str, ...] = ()
    for video, row in fields.items():
        # The columns are in the order of the first video; objects of JSON have any order.
        if isinstance(row, dict):
            classes = classes or score_file_texts(path, "classes", list(row))
            if set(row) != set(classes):
                differing = ", ".join(sorted(set(row) ^ set(classes))[:_NAMED])
                raise FileError(
                    f"{path}: {video} has other classes than the first video; they differ in "
                    f"{differing}"
                )
            row = list(map(row.__getitem__, classes))
        scores = score_file_numbers(path, video, row)
        if scores.ndim != 1 or (rows and scores.shape != rows[0].shape) or not len(scores):
            raise FileError(
                f"{path}: {video} is {list(scores.shape)}; expected one row of scores for each "
                "video, all of one length, or the field videos"
            )
        rows.append(scores)
    return ScoreFile(path, videos, np.stack(rows), (), classes, "", "", "scores")
