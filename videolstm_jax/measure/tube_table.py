"""The summary of tubes as lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from videolstm_jax.measure.tube_summary import MEAN

_FRAMES = {"all": "all frames", "truth": "frames with truth"}


def tube_table(summary: Mapping[str, Any], classes: Mapping[int, tuple[str, int]]) -> str:
    """Lays out what `tube_summary` measured, in per cent.

    Args:
      summary: what `tube_summary` returned.
      classes: by class number its name and how many true tubes it has.

    Returns:
      Lines: the mean average precisions, recall, mean tube IoU, errors, and each class.
    """
    blocks = []
    if "video_map" in summary:
        blocks.append(_grid("video-mAP at IoU", summary["video_map"]))
    blocks.append(
        _grid(
            "frame-mAP at IoU",
            {
                f"{style}, {_FRAMES[where]}": row
                for style, rows in summary["frame_map"].items()
                for where, row in rows.items()
            },
        )
    )
    if "recall" in summary:
        pairs = dict(
            zip(map(str, summary["recall"]["iou"]), summary["recall"]["recall"], strict=True)
        )
        shown = {iou: pairs[iou] for iou in ("0.1", "0.2", "0.3", "0.5", "0.75") if iou in pairs}
        blocks.append(_grid("recall at IoU", {"true tubes reached": shown}))
        blocks.append([f"mean tube IoU {100 * summary['mean_tube_iou']:.2f}"])
        blocks.append(
            _grid(
                "what the first n tubes are",
                {f"at IoU {iou}": row for iou, row in summary["errors"].items()},
                counts=True,
            )
        )
    blocks.append(_classes(summary, classes))
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _grid(
    title: str, rows: Mapping[str, Mapping[str, float]], *, counts: bool = False
) -> list[str]:
    first = next(iter(rows.values()), {})
    if not first:
        return []
    columns = [MEAN.replace("0.", ".") if name == MEAN else name for name in first]
    width = max(map(len, (title, *rows))) + 2
    wide = max(8, max(map(len, columns)) + 2)
    lines = [title.ljust(width) + "".join(name.rjust(wide) for name in columns)]
    for name, row in rows.items():
        numbers = [str(value) if counts else f"{100 * value:.2f}" for value in row.values()]
        lines.append(f"  {name}".ljust(width) + "".join(number.rjust(wide) for number in numbers))
    return lines


def _classes(summary: Mapping[str, Any], classes: Mapping[int, tuple[str, int]]) -> list[str]:
    both = (("tube ", "per_class"), ("frame ", "frame_per_class"))
    kinds = [(name, summary[key]) for name, key in both if key in summary]
    columns = [
        "tubes",
        *(f"{name}{iou}" for name, rows in kinds for iou in next(iter(rows.values()), {})),
    ]
    rows: list[Sequence[str]] = []
    for label, (name, tubes) in sorted(classes.items()):
        values = [value for _, by_class in kinds for value in by_class[str(label)].values()]
        rows.append([name, str(tubes), *(f"{100 * value:.2f}" for value in values)])
    title = "average precision of each class"
    width = max(len(title), *(len(row[0]) + 2 for row in rows)) + 2
    wide = max(9, max(map(len, columns)) + 2)
    return [
        title.ljust(width) + "".join(name.rjust(wide) for name in columns),
        *(
            f"  {row[0]}".ljust(width) + "".join(cell.rjust(wide) for cell in row[1:])
            for row in rows
        ),
    ]
