"""The summary of tubes as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from videolstm_jax.measure.tube_summary import MEAN

_FRAMES = {"all": "all frames", "truth": "frames with truth"}
_RECALL_SHOWN = ("0.1", "0.2", "0.3", "0.5", "0.75")


def tube_measure_table(summary: Mapping[str, Any], classes: Mapping[int, tuple[str, int]]) -> str:
    """Lays out the numbers of `tube_summary` in per cent.

    Args:
      summary: the record that `tube_summary` returns.
      classes: by class number its name and its number of true tubes.

    Returns:
      Lines: the mean average precisions, recall, mean tube IoU, errors, and each class.
    """
    has_tubes = "video_map" in summary
    blocks = []
    if has_tubes:
        blocks.append(_grid("video-mAP at IoU", _percent(summary["video_map"])))
    frame_rows = {}
    for style, by_frames in summary["frame_map"].items():
        for frames, row in by_frames.items():
            frame_rows[f"{style}, {_FRAMES[frames]}"] = row
    blocks.append(_grid("frame-mAP at IoU", _percent(frame_rows)))
    if has_tubes:
        blocks.append(_grid("recall at IoU", _percent({"true tubes reached": _recall(summary)})))
        blocks.append([f"mean tube IoU {100 * summary['mean_tube_iou']:.2f}"])
        counts = {}
        for iou, row in summary["errors"].items():
            counts[f"at IoU {iou}"] = dict(zip(row, map(str, row.values()), strict=True))
        blocks.append(_grid("the first n tubes by kind", counts))
    blocks.append(_class_grid(summary, classes))
    texts = []
    for block in blocks:
        # A table without numbers, such as that of a class, has no lines and gets no gap.
        if block:
            texts.append("\n".join(block))
    return "\n\n".join(texts)


def _recall(summary: Mapping[str, Any]) -> dict[str, float]:
    """Returns the recall at the thresholds that are shown."""
    recall_of_threshold = {}
    # JSON has all nineteen thresholds, which a terminal has no space for.
    for iou, share in zip(summary["recall"]["iou"], summary["recall"]["recall"], strict=True):
        if str(iou) in _RECALL_SHOWN:
            recall_of_threshold[str(iou)] = share
    return recall_of_threshold


def _percent(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, str]]:
    """Writes every number in per cent with two decimals."""
    texts = {}
    for name, row in rows.items():
        texts[name] = {}
        for column, value in row.items():
            texts[name][column] = _per_cent(value)
    return texts


def _per_cent(share: float) -> str:
    return f"{100 * share:.2f}"


def _grid(title: str, rows: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Lays out rows that have the same columns, below a line of the title and the column names."""
    first = next(iter(rows.values()), {})
    if not first:
        return []
    columns = list(first)
    if MEAN in columns:
        # Papers write the mean so, and the shorter name fits the column.
        columns[columns.index(MEAN)] = ".5:.95"
    cells = []
    for name, row in rows.items():
        cells.append((name, list(row.values())))
    # Two blanks between the longest name and the first number.
    width = max(map(len, (title, *rows))) + 2
    return _lines(title, columns, cells, width=width, column_width=8)


def _class_grid(summary: Mapping[str, Any], classes: Mapping[int, tuple[str, int]]) -> list[str]:
    """Lays out the average precisions of each class, of tubes and of frames."""
    columns = ["tubes"]
    tables = []
    for prefix, key in (("tube", "per_class"), ("frame", "frame_per_class")):
        if key in summary:
            tables.append(summary[key])
            thresholds = next(iter(summary[key].values()), {})
            for iou in thresholds:
                columns.append(f"{prefix} {iou}")
    cells, longest_name = [], 0
    # By the number of the class, which is the order of every other table.
    for label, (name, tubes) in sorted(classes.items()):
        row = [str(tubes)]
        for by_class in tables:
            row.extend(map(_per_cent, by_class[str(label)].values()))
        cells.append((name, row))
        longest_name = max(longest_name, len(name))
    title = "average precision of each class"
    # `_lines` indents the names by two, and not the title.
    width = max(len(title), longest_name + 2) + 2
    return _lines(title, columns, cells, width=width, column_width=9)


def _lines(
    title: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[str]]],
    *,
    width: int,
    column_width: int,
) -> list[str]:
    """Aligns names to the left and cells to the right; columns are as wide as their names need."""
    column_width = max(column_width, max(map(len, columns)) + 2)

    def line(name: str, cells: Sequence[str]) -> str:
        text = name.ljust(width)
        for cell in cells:
            text += cell.rjust(column_width)
        return text

    lines = [line(title, columns)]
    for name, cells in rows:
        lines.append(line(f"  {name}", cells))
    return lines
