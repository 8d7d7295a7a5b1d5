"""Which test videos each model has right: rows of a result file, and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.measure.intervals import (
    Interval,
    mean_interval,
    paired_interval,
    wilson_interval,
)


class Row(NamedTuple):
    """One model on all test videos.

    Attributes:
      right: [seeds, V] bool, in the order of the result file's videos.
      about: settings or notes that the file keeps beside it; JSON values.
    """

    right: np.ndarray
    about: Mapping[str, Any] = {}

    @property
    def shares(self) -> np.ndarray:
        """The share of seeds that have each video right, [V]."""
        return self.right.mean(0)


def as_record(rows: Mapping[str, Row]) -> dict[str, Any]:
    """Rows as JSON: one text of 0 and 1 a seed, so that every interval can be computed again."""
    record = {}
    for name, row in rows.items():
        texts = []
        for right in row.right:
            texts.append("".join("1" if hit else "0" for hit in right))
        record[name] = {**row.about, "accuracy": round(float(row.right.mean()), 4), "right": texts}
    return record


def rows_of(record: Mapping[str, Any]) -> dict[str, Row]:
    """The rows of a record that `as_record` made.

    Raises:
      FileError: a row of another number of videos than the first.
    """
    rows: dict[str, Row] = {}
    for name, values in record.items():
        lengths = {len(text) for text in values["right"]}
        if rows:
            lengths.add(next(iter(rows.values())).right.shape[1])
        if len(lengths) != 1:
            raise FileError(f"{name} has rows of {sorted(lengths)} videos; expected one number")
        right = np.array([[hit == "1" for hit in text] for text in values["right"]])
        rows[name] = Row(right)
    return rows


# ---- tables --------------------------------------------------------------------------------------


def accuracy_table(rows: Mapping[str, Row]) -> str:
    """A Markdown table: right answers of each seed, and the accuracy with its interval."""
    lines = ["| model | right, each seed | accuracy, % (95 % interval) |", "|---|---|---|"]
    for name, row in rows.items():
        lines.append(f"| {name} | {counts(row)} of {row.right.shape[1]} | {accuracy(row)} |")
    return "\n".join(lines)


def counts(row: Row | None, videos: np.ndarray | slice = slice(None)) -> str:
    """The right answers of each seed; empty where the row was not trained."""
    if row is None:
        return ""
    return " ".join(str(int(right[videos].sum())) for right in row.right)


def accuracy(row: Row) -> str:
    """The accuracy with its interval, in per cent."""
    return percent(mean_interval(row.shares))


def share(right: int, videos: int) -> str:
    """A count, and its share in per cent with Wilson's interval, where no answers are kept."""
    return f"{right} of {videos}: {percent(wilson_interval(right, videos))}"


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table of texts."""
    texts = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for line in lines:
        # A cell without a value is one space wide.
        texts.append(f"| {' | '.join(line)} |".replace("|  |", "| |"))
    return "\n".join(texts)


def difference_table(rows: Mapping[str, Row], pairs: Sequence[tuple[str, str]]) -> str:
    """A Markdown table of paired differences; pairs with a row that is missing are left out.

    Args:
      rows: by name.
      pairs: a model and what is subtracted from it.
    """
    lines = ["| model | minus | difference, points (95 % interval) | holds |", "|---|---|---|---|"]
    for better, worse in pairs:
        if better in rows and worse in rows:
            interval = difference(rows[better], rows[worse])
            text = percent(interval, sign="+")
            lines.append(f"| {better} | {worse} | {text} | {verdict(interval)} |")
    return "\n".join(lines)


def difference(row: Row, baseline: Row) -> Interval:
    """The paired difference of two rows: videos are resampled, seeds are averaged before."""
    return paired_interval(row.shares, baseline.shares)


def verdict(interval: Interval) -> str:
    """What an interval of a difference says about the claim that it is above zero."""
    if interval.low > 0:
        return "yes"
    if interval.high < 0:
        return "no, the opposite"
    return "open"


def percent(interval: Interval, sign: str = "") -> str:
    """An interval in per cent, or in points where it is of a difference and has a sign."""
    value, low, high = (100 * part for part in interval)
    return f"{value:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"
