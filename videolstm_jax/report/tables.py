"""Numbers as rows of words: what the tables of the page say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from videolstm_jax.report import plots


class Cell(NamedTuple):
    """One cell: its words, the number it is sorted by, whether it is the best of its column, and a
    drawing or none.
    """

    text: str
    value: float | None = None
    best: bool = False
    svg: str = ""


class Table(NamedTuple):
    """A table: the first column names the rows, `numeric` says which columns are set as numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: tuple[bool, ...]
    note: str = ""


class Result(NamedTuple):
    """What one model or fusion said of the test list, with the 95 % Wilson interval; None where it
    says nothing.

    `kind` is "ConvNet", "recurrent" or "fusion", `about` a few words on its input. `map_20` and
    `map_50` are video-mAP at IoU .2 and .5, `frame_iou` the mean over frames, `mass` the share of
    the attention inside the true box, `area` the share of the frame that the box covers.
    """

    name: str
    kind: str
    about: str
    correct: int
    total: int
    low: float
    high: float
    mean_class: float
    map_20: float | None = None
    map_50: float | None = None
    frame_iou: float | None = None
    mass: float | None = None
    area: float | None = None

    @property
    def accuracy(self) -> float:
        """The share of the test list that is right; 0 of an empty list."""
        return self.correct / self.total if self.total else 0.0


def percent(share: float | None) -> str:
    """A share in [0, 1] as words; a dash for None."""
    return "–" if share is None else f"{100 * share:.1f} %"


def _column(values: Sequence[float | None], said: Sequence[str]) -> list[Cell]:
    known = [v for v in values if v is not None]
    best = max(known) if known and max(known) > min(known) else None
    return [
        Cell(words, value, best is not None and value == best)
        for value, words in zip(values, said, strict=True)
    ]


def results(rows: Sequence[Result]) -> Table:
    """The table of Sec. 5 for whatever was evaluated: accuracy with its interval, localisation
    where there is any.
    """
    columns: list[tuple[str, bool, list[Cell]]] = [
        ("Model", False, [Cell(row.name) for row in rows]),
        ("Kind", False, [Cell(row.kind) for row in rows]),
        ("Reads", False, [Cell(row.about) for row in rows]),
        ("Right", True, [Cell(f"{row.correct} / {row.total}", row.correct) for row in rows]),
        (
            "Accuracy",
            True,
            _column([row.accuracy for row in rows], [percent(row.accuracy) for row in rows]),
        ),
        (
            "95 % interval",
            True,
            [
                Cell(
                    f"{100 * row.low:.1f} to {100 * row.high:.1f}",
                    row.low,
                    svg=plots.interval(row.accuracy, row.low, row.high),
                )
                for row in rows
            ],
        ),
        (
            "Mean class accuracy",
            True,
            _column([row.mean_class for row in rows], [percent(row.mean_class) for row in rows]),
        ),
    ]
    for head, field in (
        ("Video-mAP at .2", "map_20"),
        ("Video-mAP at .5", "map_50"),
        ("Mean frame IoU", "frame_iou"),
    ):
        values = [getattr(row, field) for row in rows]
        if any(v is not None for v in values):
            columns.append(
                (head, True, _column(values, ["–" if v is None else f"{v:.3f}" for v in values]))
            )
    if any(row.mass is not None for row in rows):
        said = [
            "–"
            if row.mass is None
            else percent(row.mass) + (f" (of {percent(row.area)})" if row.area else "")
            for row in rows
        ]
        columns.append(
            ("Attention in the box (of the frame)", True, _column([r.mass for r in rows], said))
        )
    return _table(
        "On the test list",
        columns,
        "The interval is Wilson's, for so many test videos. The best of a column is set in bold.",
    )


def _table(caption: str, columns: Sequence[tuple[str, bool, list[Cell]]], note: str = "") -> Table:
    return Table(
        caption,
        tuple(head for head, _, _ in columns),
        tuple(zip(*(cells for _, _, cells in columns), strict=True)),
        tuple(numeric for _, numeric, _ in columns),
        note,
    )


def plain(
    caption: str,
    head: Sequence[str],
    rows: Sequence[Sequence[Cell | str | float | None]],
    note: str = "",
) -> Table:
    """A table of words and numbers as they come: fractions with three places, None as a dash, cells
    as they are.
    """

    def cell(value: Cell | str | float | None) -> Cell:
        if isinstance(value, Cell):
            return value
        if isinstance(value, str):
            return Cell(value)
        return (
            Cell("–")
            if value is None
            else Cell(f"{value:.3f}" if isinstance(value, float) else str(value), value)
        )

    made = tuple(tuple(cell(value) for value in row) for row in rows)
    numeric = tuple(any(row[k].value is not None for row in made) for k in range(len(head)))
    return Table(caption, tuple(head), made, numeric, note)


def confused_pairs(counts: np.ndarray, names: Sequence[str], most: int = 8) -> Table | None:
    """The pairs of classes taken for each other most often, in either direction; None where all is
    right.
    """
    either = np.triu(counts + counts.T, 1)
    order = sorted(zip(*np.nonzero(either), strict=True), key=lambda at: (-either[at], at))[:most]
    if not order:
        return None
    rows = [
        (
            f"{names[i]} / {names[j]}",
            int(counts[i, j]),
            int(counts[j, i]),
            Cell(
                f"{int(either[i, j])} of {int(counts[i].sum() + counts[j].sum())}",
                int(either[i, j]),
            ),
        )
        for i, j in order
    ]
    head = ("Pair", "First for second", "Second for first", "Of both classes")
    return plain("Classes taken for each other", head, rows)


def worst_answers(counts: np.ndarray, names: Sequence[str]) -> list[str]:
    """For each class, what its wrongly named videos were called, most frequent first."""
    said = []
    for index, row in enumerate(counts):
        wrong = [(int(n), names[j]) for j, n in enumerate(row) if j != index and n]
        wrong.sort(key=lambda pair: (-pair[0], pair[1]))
        said.append(
            "called " + ", ".join(f"{name} ({n})" for n, name in wrong[:3]) if wrong else ""
        )
    return said


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as `section.field` -> JSON words."""
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = json.dumps(value, ensure_ascii=False)
    return found


def differences(configs: Mapping[str, Mapping[str, Any]]) -> Table | None:
    """The settings in which runs differ, a column a run; None where fewer than two runs differ in
    anything.
    """
    flats = {name: flat(config) for name, config in configs.items()}
    names = sorted(set().union(*flats.values())) if flats else []
    rows = []
    for name in names:
        values = [settings.get(name, "–") for settings in flats.values()]
        if len(set(values)) > 1:
            rows.append((name, *values))
    return plain("Settings in which the runs differ", ("Setting", *flats), rows) if rows else None
