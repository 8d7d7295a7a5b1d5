"""Reads the values of a score file: numbers, texts and labels, each checked by its row."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.json_records import value_text

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


def number_array(path: str, field: str, value: Any) -> NDArray:
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
        size = _length(item)
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


def _length(value: Any) -> int | None:
    """How many values a row has; None where it is a single value."""
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
        return len(value)
    return None


def text_list(path: str, field: str, value: Any) -> tuple[str, ...]:
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
        if has_control_character(text):
            raise FileError(
                f"{path}: {field}[{row}] is {_shown(text)}; expected no control characters"
            )
        texts.append(text)
    return tuple(texts)


def has_control_character(text: str) -> bool:
    """Whether a text would break the lines of messages and lists, or could not be written."""
    # Cs are the halves of surrogate pairs, which have no code in UTF-8.
    return any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text)


def single_text(path: str, field: str, value: Any) -> str:
    """A field of one text, which NumPy may have wrapped in an array."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.ravel().tolist()[0]
    if not isinstance(value, str):
        raise FileError(f"{path}: {field} is {_shown(value)}; expected text")
    return str(value)


def label_list(path: str, value: Any) -> tuple[int | str, ...]:
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


def training_marks(path: str, value: Any, videos: int) -> NDArray | None:
    """The videos that the model was trained on, which our own files mark."""
    if value is None:
        return None
    if isinstance(value, list | tuple) and all(isinstance(mark, bool) for mark in value):
        value = np.array(value, bool)
    is_array = isinstance(value, np.ndarray) and value.dtype.kind in "biu"
    if not is_array or value.size != videos:
        shown = _shown(value)
        raise FileError(f"{path}: trained is {shown}; expected {videos} times true or false")
    return value.reshape(videos).astype(bool)


def _shown(value: Any) -> str:
    """A value as messages quote it."""
    if isinstance(value, np.ndarray):
        return f"an array {list(value.shape)} of {value.dtype}"
    try:
        return value_text(value)
    except (TypeError, ValueError, RecursionError):
        return f"a {type(value).__name__}"
