"""The layout of a score file, whatever it is encoded in: named fields, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.json_records import value_text
from videolstm_jax.measure.score_kinds import KINDS

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
        return place_of(self.path, field, row, self.lines, self.videos[row])


def place_of(path: str, field: str, row: int, lines: Sequence[int] = (), video: str = "") -> str:
    """Names a row of a field: "scores.csv:7: label" of a text file, "a.npz: label[5]" of others."""
    place = f"{path}: {field}[{row}]"
    if len(lines):
        place = f"{path}:{lines[row]}: {field}"
    if video:
        place += f" ({video})"
    return place


def from_fields(path: str, fields: Mapping[str, Any], stream: str = "") -> ScoreFile:
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
    videos = _texts(path, "videos", named["videos"])
    stream = _chosen_stream(path, streams, stream, len(videos))
    scores = _number_array(path, stream, streams[stream])
    problem = ""
    if scores.ndim != 2 or len(scores) != len(videos):
        shape = list(scores.shape)
        problem = f"{stream} is {shape}; expected [{len(videos)}, C] for its videos"
    label: tuple[int | str, ...] = ()
    if "label" in named:
        label = _labels(path, named["label"])
        if len(label) != len(videos):
            problem = problem or f"label has {len(label)} values; expected {len(videos)}"
    classes: tuple[str, ...] = ()
    if "classes" in named:
        classes = _texts(path, "classes", named["classes"])
    if problem:
        raise FileError(f"{path}: {problem}")
    kind = _text(path, "kind", named.get("kind", ""))
    # A field called `logits` names its kind.
    if not kind and stream in KINDS:
        kind = stream
    return ScoreFile(
        path,
        videos,
        scores,
        label,
        classes,
        _text(path, "part", named.get("part", "")),
        kind,
        stream,
        _marks(path, named.get("trained"), len(videos)),
    )


def _sorted_fields(path: str, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of the layout by their first name, and all others, which are scores of streams."""
    named: dict[str, Any] = {}
    streams = dict(fields)
    for field, spellings in _SPELLINGS.items():
        names = [name for name in spellings if name in fields]
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
    if stream:
        if stream not in streams:
            listed = ", ".join(sorted(streams)) or "none"
            raise FileError(f"{path}: has no scores {stream!r}; it has {listed}")
        return stream
    if "scores" in streams:
        return "scores"
    tables = []
    for name, value in streams.items():
        # Files of other programs have more than scores, such as settings.
        if _is_table(value, videos):
            tables.append(name)
    if not tables:
        listed = ", ".join(sorted(streams)) or "none"
        raise FileError(
            f"{path}: scores is missing: no field is a table of {videos} videos; the fields that "
            f"could be are {listed}"
        )
    if len(tables) > 1:
        raise FileError(
            f"{path}: has the scores {', '.join(sorted(tables))}; choose one with --stream=NAME"
        )
    return tables[0]


def _is_table(value: Any, videos: int) -> bool:
    """Whether a field has a row of numbers for each video."""
    if isinstance(value, np.ndarray):
        return value.ndim == 2 and len(value) == videos and value.dtype.kind in "fiu"
    if not isinstance(value, list | tuple) or len(value) != videos or not videos:
        return False
    return isinstance(value[0], list | tuple | np.ndarray)


def _from_mapping(path: str, fields: Mapping[str, Any], stream: str) -> ScoreFile:
    """Reads {video: row}, where a row is a list of scores or {class: score}."""
    if stream or not fields:
        raise FileError(f"{path}: videos is missing; expected the names of the videos")
    rows = []
    classes: tuple[str, ...] = ()
    for video, row in fields.items():
        if isinstance(row, dict):
            classes = classes or tuple(row)
            if set(row) != set(classes):
                differing = ", ".join(sorted(set(row) ^ set(classes))[:_NAMED])
                raise FileError(
                    f"{path}: {video} has other classes than the first video; they differ in "
                    f"{differing}"
                )
            row = [row[name] for name in classes]
        values = _number_array(path, video, row)
        if values.ndim != 1 or (rows and values.shape != rows[0].shape) or not len(values):
            raise FileError(
                f"{path}: {video} is {list(values.shape)}; expected one row of scores for each "
                "video, all of one length, or the field videos"
            )
        rows.append(values)
    return ScoreFile(path, tuple(fields), np.stack(rows), (), classes, "", "", "scores")


# ---- values --------------------------------------------------------------------------------------


def _number_array(path: str, field: str, value: Any) -> NDArray:
    """A field as float64.

    Raises:
      FileError: it holds anything but numbers, or rows of different lengths; the message names the
        first such row.
    """
    if isinstance(value, np.ndarray):
        array = value
    elif isinstance(value, list | tuple):
        array = _array_of_lists(path, field, value)
    else:
        raise FileError(f"{path}: {field} is {_shown(value)}; expected numbers")
    if array.dtype.kind not in "fiu":
        raise FileError(f"{path}: {field} has values of type {array.dtype}; expected numbers")
    return array.astype(np.float64)


def _array_of_lists(path: str, field: str, value: Sequence[Any]) -> NDArray:
    """Joins rows of numbers; the first row that is unlike the first one is named."""
    length = None
    for row, item in enumerate(value):
        size = len(item) if isinstance(item, list | tuple | np.ndarray) else None
        if row == 0:
            length = size
        if size != length:
            raise FileError(
                f"{path}: {field}[{row}] has {size or 'no'} values; expected {length or 'a number'}"
            )
        elements = [item] if size is None else item
        for element in elements:
            # NumPy would take true for 1 and read text as a number.
            if isinstance(element, bool) or not isinstance(element, int | float | np.number):
                raise FileError(f"{path}: {field}[{row}] has {_shown(element)}; expected numbers")
    try:
        return np.array(value, float)
    except OverflowError as error:
        raise FileError(f"{path}: {field} has a number that is too large") from error


def _texts(path: str, field: str, value: Any) -> tuple[str, ...]:
    """A field as a tuple of text."""
    # MATLAB joins rows of letters to one text; a cell array keeps them apart.
    if isinstance(value, np.ndarray) and value.dtype.kind in "US" and value.ndim:
        value = value.ravel().tolist()
    if not isinstance(value, list | tuple):
        raise FileError(f"{path}: {field} is {_shown(value)}; expected a list (or cell) of texts")
    texts = []
    for row, item in enumerate(value):
        try:
            text = item.decode() if isinstance(item, bytes) else item
        except UnicodeDecodeError as error:
            raise FileError(f"{path}: {field}[{row}] is not UTF-8 text") from error
        if not isinstance(text, str) or not text:
            raise FileError(f"{path}: {field}[{row}] is {_shown(text)}; expected text")
        texts.append(text)
    return tuple(texts)


def _text(path: str, field: str, value: Any) -> str:
    """A field of one text, which NumPy may have wrapped in an array."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.ravel().tolist()[0]
    if not isinstance(value, str):
        raise FileError(f"{path}: {field} is {_shown(value)}; expected text")
    return str(value)


def _labels(path: str, value: Any) -> tuple[int | str, ...]:
    """A field of class numbers or class names."""
    if isinstance(value, np.ndarray):
        if value.size != max(value.shape, default=1):
            shape = list(value.shape)
            raise FileError(f"{path}: label is {shape}; expected one number for each video")
        value = value.ravel().tolist()
    if not isinstance(value, list | tuple):
        raise FileError(f"{path}: label is {_shown(value)}; expected one for each video")
    labels: list[int | str] = []
    for row, item in enumerate(value):
        # MATLAB keeps numbers as floats; a class of 1.5 is a mistake.
        if isinstance(item, float) and item.is_integer():
            item = int(item)
        if isinstance(item, bytes):
            item = item.decode("utf-8", "replace")
        if isinstance(item, bool) or not isinstance(item, int | str) or item == "":
            raise FileError(
                f"{path}: label[{row}] is {_shown(item)}; expected a class number or a class name"
            )
        labels.append(item)
    return tuple(labels)


def _marks(path: str, value: Any, videos: int) -> NDArray | None:
    """The videos that the model was trained on, which our own files mark."""
    if value is None:
        return None
    marks = np.asarray(value)
    if marks.dtype.kind not in "biu" or marks.size != videos:
        raise FileError(
            f"{path}: trained is {marks.dtype} {list(marks.shape)}; expected [{videos}]"
        )
    return marks.reshape(videos).astype(bool)


def _shown(value: Any) -> str:
    """A value as messages quote it."""
    if isinstance(value, np.ndarray):
        return f"an array {list(value.shape)} of {value.dtype}"
    try:
        return value_text(value)
    except (TypeError, ValueError, RecursionError):
        return f"a {type(value).__name__}"
