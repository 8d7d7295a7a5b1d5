"""Finished runs beside the paper's numbers, as a table for a terminal."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Sequence

from videolstm_jax.paper.listing import UNKNOWN, published_paper_text
from videolstm_jax.paper.request import Request, lacks_paper_weights, missing_paper_flags
from videolstm_jax.paper.results import IOU, RowResult

_MARK = "!"
"""Stands behind a number whose checkpoint depends on the test list."""
_RANDOM_MARK = "*"
"""Stands behind a number whose backbones started from random numbers."""


def paper_results_text(
    results: Sequence[RowResult], request: Request, command: Sequence[str], *, width: int = 80
) -> str:
    """Lays results beside the paper's numbers, and names what is missing.

    Args:
      results: of `collect_paper_results`.
      request: that they were collected for.
      command: the words of the command without the names of rows; with a name it makes that row.
      width: of the terminal. From 110 columns on the lines have the model too.
    """
    names = max(len(result.row.name) for result in results)
    # Narrower terminals have no space for the model; its row's name says nearly the same.
    title_width = 0
    if width >= 110:
        title_width = min(40, width - names - 46)
    head = _line("name", "model", ("paper", "ours", "+-", "delta", "runs"), names, title_width)
    lines = [head]
    for result in results:
        row = result.row
        lines.append(_line(row.name, row.title, _cells(result), names, title_width))
    return "\n".join(
        [*lines, "", *_notes(results, width), *_missing(results, request, command, width)]
    )


def _line(name: str, title: str, cells: Sequence[str], names: int, title_width: int) -> str:
    text = f"{name:{names}s}"
    if title_width:
        text += f"  {title[:title_width]:{title_width}s}"
    for cell in cells:
        text += f" {cell:>7s}"
    return text.rstrip()


def _cells(result: RowResult) -> tuple[str, ...]:
    # Marks stand behind a missing mean too: one finished seed is enough to know of them.
    mean, deviation, delta = "-", "", ""
    if result.mean is not None:
        mean = f"{result.mean:.1f}"
    if result.on_test:
        mean += _MARK
    if result.random_start:
        mean += _RANDOM_MARK
    if result.deviation is not None:
        deviation = f"{result.deviation:.1f}"
    if result.delta is not None:
        delta = f"{result.delta:+.1f}"
    count, needed = result.measured
    return (published_paper_text(result.row), mean, deviation, delta, f"{count}/{needed}")


def _notes(results: Sequence[RowResult], width: int) -> list[str]:
    # Only marks that the table has are explained.
    texts = [
        f"Per cent of the test videos. {UNKNOWN}: a number of the paper that no source of this "
        "project gives. +-: standard deviation over seeds of the recurrent models; the backbones "
        "have one seed. runs: splits times seeds, those that are there and those that are needed."
    ]
    if any(result.row.measure != "accuracy" for result in results):
        texts.append(f"Rows of Figure 4: recall, or video-mAP, at IoU {IOU:g}.")
    if any(result.on_test for result in results):
        texts.append(
            f"{_MARK} THE CHECKPOINT WAS CHOSEN ON THE TEST LIST, or the model was trained on test "
            "videos: this is no result on new videos."
        )
    if any(result.random_start for result in results):
        texts.append(
            f"{_RANDOM_MARK} The backbones started from random numbers, not from ImageNet weights "
            "as the paper's did."
        )
    lines = []
    for text in texts:
        lines += textwrap.wrap(text, width)
    return lines


def _by_reason(result: RowResult) -> dict[str, list[str]]:
    """What is missing of a row by the reason, since mostly all of it has the same."""
    reasons: dict[str, list[str]] = {}
    for entry in result.missing:
        measurement, _, reason = entry.partition(": ")
        reasons.setdefault(reason, []).append(measurement)
    return reasons


def _missing(
    results: Sequence[RowResult], request: Request, command: Sequence[str], width: int
) -> list[str]:
    """What is missing and the commands that make it."""
    lines = []
    for result in results:
        if not result.missing:
            continue
        if not lines:
            lines += ["", "missing:"]
        lines.append(f"  {result.row.name}")
        for reason, measurements in _by_reason(result).items():
            text = f"{reason}: {', '.join(measurements)}"
            lines += textwrap.wrap(text, width, initial_indent="    ", subsequent_indent="      ")
        flags = missing_paper_flags(result.row, request)
        if lacks_paper_weights(result.row, request):
            flags.append("--convnet.weights=WEIGHTS")
        lines.append(f"    {shlex.join([*command, *flags, result.row.name])}")
    return lines
