"""Reads the values of a score file: numbers, texts and labels, each checked by its row."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.files import reading
from videolstm_jax.json_records import value_text

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


def score_file_numbers(path: str, field: str, numbers: Any) -> NDArray:
    """A field as float64.

    Raises:
      FileError: it holds anything but numbers, or rows of different lengths; the message names the
        first such row.
    """
    if isinstance(numbers, list | tuple):
        numbers = _array_of_lists(path, field, numbers)
    problem = ""
    if not isinstance(numbers, np.ndarray):
        problem = f"is {_shown(numbers)}"
    elif numbers.dtype.kind not in "fiu":
        # NumPy's floats and integers. Booleans and texts would become numbers without an error.
        problem = f"has values of type {numbers.dtype}"
    if problem:
        raise FileError(f"{path}: {field} {problem}; expected numbers")
    return numbers.astype(np.float64)


def _array_of_lists(path: str, field: str, rows: Sequence[Any]) -> NDArray:
    """Joins rows of numbers; the first row that is unlike the first one is named."""
    # Row by row before NumPy joins them: its own error names no row.
    length = None
    for row, row_numbers in enumerate(rows):
        size = _length(row_numbers)
        if row == 0:
            length = size
        if size != length:
            raise FileError(
                f"{path}: {field}[{row}] has {size or 'no'} values; expected {length or 'a number'}"
            )
        row_elements = row_numbers
        if size is None:
            row_elements = [row_numbers]
        for number in row_elements:
            # NumPy would take true for 1 and read text as a number.
            if isinstance(number, bool) or not isinstance(number, int | float | np.number):
                raise FileError(f"{path}: {field}[{row}] has {_shown(number)}; expected numbers")
    try:
        return np.array(rows, float)
    except OverflowError as error:
        raise FileError(f"{path}: {field} has a number that is too large") from error


def _length(row: Any) -> int | None:
    """How many values a row has; None where it is a single value."""
    if isinstance(row, list | tuple) or (isinstance(row, np.ndarray) and row.ndim):
        return len(row)
    return None


def score_file_texts(path: str, field: str, raw_texts: Any) -> tuple[str, ...]:
    """A field as a tuple of text."""
    # MATLAB joins rows of letters to one text; a cell array keeps them apart.
    if isinstance(raw_texts, np.ndarray) and raw_texts.dtype.kind in "US" and raw_texts.ndim:
        raw_texts = raw_texts.ravel().tolist()
    if not isinstance(raw_texts, list | tuple):
        value_text = _shown(raw_texts)
        raise FileError(f"{path}: {field} is {value_text}; expected a list (or cell) of texts")
    texts = []
    for row, raw_text in enumerate(raw_texts):
        text = raw_text
        # NumPy's and Python 2's texts are bytes.
        if isinstance(raw_text, bytes):
            with reading(f"{path}: {field}[{row}]", "is not UTF-8 text", UnicodeDecodeError):
                text = raw_text.decode()
        problem = _text_problem(text)
        if problem:
            raise FileError(f"{path}: {field}[{row}] is {_shown(text)}; {problem}")
        texts.append(text)
    return tuple(texts)


def _text_problem(text: Any) -> str:
    """What was expected in place of a text that cannot be a name; empty where it can."""
    if not isinstance(text, str) or not text:
        return "expected text"
    if score_file_has_control_character(text):
        return "expected no control characters"
    return ""


def score_file_has_control_character(text: str) -> bool:
    """Whether a text would break the lines of messages and lists, or could not be written."""
    # Cs are the halves of surrogate pairs, which have no code in UTF-8.
    categories = set(map(unicodedata.category, text))
    return not categories.isdisjoint(("Cc", "Cs"))


def score_file_text(path: str, field: str, raw_text: Any) -> str:
    """A field of one text, which NumPy may have wrapped in an array."""
    if isinstance(raw_text, np.ndarray) and raw_text.size == 1:
        raw_text = raw_text.ravel().tolist()[0]
    if not isinstance(raw_text, str):
        raise FileError(f"{path}: {field} is {_shown(raw_text)}; expected text")
    return str(raw_text)


def score_file_labels(path: str, raw_labels: Any) -> tuple[int | str, ...]:
    """A field of class numbers or class names."""
    problem = ""
    if isinstance(raw_labels, np.ndarray):
        # MATLAB has no vectors: a list is a matrix with one row or one column.
        if raw_labels.size != max(raw_labels.shape, default=1):
            problem = f"{list(raw_labels.shape)}; expected one number for each video"
        raw_labels = raw_labels.ravel().tolist()
    elif not isinstance(raw_labels, list | tuple):
        problem = f"{_shown(raw_labels)}; expected one for each video"
    if problem:
        raise FileError(f"{path}: label is {problem}")
    labels: list[int | str] = []
    for row, label in enumerate(raw_labels):
        # MATLAB keeps numbers as floats; a class of 1.5 is a mistake.
        if isinstance(label, float) and label.is_integer():
            label = int(label)
        if isinstance(label, bytes):
            label = label.decode("utf-8", "replace")
        if isinstance(label, bool) or not isinstance(label, int | str) or label == "":
            raise FileError(
                f"{path}: label[{row}] is {_shown(label)}; expected a class number or a class name"
            )
        labels.append(label)
    return tuple(labels)


def score_file_training_marks(path: str, marks: Any, videos: int) -> NDArray | None:
    """The videos that the model was trained on, which our own files mark."""
    if marks is None:
        return None
    # Types, since 0 and 1 in JSON are numbers, and `trained` may be another program's count.
    if isinstance(marks, list | tuple) and set(map(type, marks)) <= {bool}:
        marks = np.array(marks, bool)
    is_array = isinstance(marks, np.ndarray) and marks.dtype.kind in "biu"
    if not is_array or marks.size != videos:
        value_text = _shown(marks)
        raise FileError(f"{path}: trained is {value_text}; expected {videos} times true or false")
    return marks.reshape(videos).astype(bool)


def _shown(quoted: Any) -> str:
    """A value as messages quote it."""
    if isinstance(quoted, np.ndarray):
        return f"an array {list(quoted.shape)} of {quoted.dtype}"
    # A MATLAB file or a pickle may hold what JSON cannot: objects, or lists that hold themselves.
    try:
        return value_text(quoted)
    except (TypeError, ValueError, RecursionError):
        return f"a {type(quoted).__name__}"
