"""The list of all rows, and all that is known of a single one, as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from videolstm_jax.config import flat_settings, setting_text
from videolstm_jax.paper.numbers import NUMBERS
from videolstm_jax.paper.rows import FUSED_CELL, Row
from videolstm_jax.presets import configured

UNKNOWN = "?"
"""Stands for a number of the paper that no source at hand gives."""


def published_paper_text(row: Row) -> str:
    """The paper's number of a row in per cent, or a question mark."""
    number = NUMBERS.get(row.name)
    if number is None:
        return UNKNOWN
    return f"{number.per_cent:.1f}"


def paper_rows_text(rows: Sequence[Row], *, width: int = 80) -> str:
    """Lists rows, one a line: name, model and the paper's number.

    Args:
      rows: of `find_paper_rows`.
      width: of the terminal. From 110 columns on the lines have features and splits too.
    """
    # The further columns take 30 characters; narrower terminals would cut the titles to nothing.
    wide = width >= 110
    name_width = max(len(row.name) for row in rows)
    titles = max(len(row.title) for row in rows)
    # Long titles are cut so that a line fits the terminal.
    title_width = min(titles, max(12, width - name_width - 10 - 30 * wide))
    head = f"{'name':{name_width}s}  {'model':{title_width}s}"
    if wide:
        head += f"  {'features':8s} {'attention':10s} {'splits':6s}"
    lines = [f"{head}  {'paper':>5s}".rstrip()]
    for row in rows:
        line = f"{row.name:{name_width}s}  {_cut(row.title, title_width):{title_width}s}"
        if wide:
            splits = ",".join(map(str, row.splits))
            line += f"  {row.features:8s} {row.attention:10s} {splits:6s}"
        lines.append(f"{line}  {published_paper_text(row):>5s}".rstrip())
    lines += ["", *_footer(rows, width)]
    return "\n".join(lines)


def _footer(rows: Sequence[Row], width: int) -> list[str]:
    """What the columns mean."""
    texts = [
        f"{UNKNOWN} is a number of the paper that no source of this project gives. Rows of HMDB51 "
        "are means over three splits; NAME/split1 is one of them."
    ]
    sources = {}
    for row in rows:
        if row.name in NUMBERS:
            # A dict as an ordered set: sources in the order of their rows.
            sources[NUMBERS[row.name].source] = None
    for source in sources:
        texts.append(f"Source of the numbers: {source}.")
    lines = []
    for text in texts:
        lines += textwrap.wrap(text, width)
    return lines


def _cut(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    return f"{text[: width - 2]}.."


def paper_row_text(row: Row, preset: str = "paper", *, width: int = 80) -> str:
    """All that is known of one row: its model, data, settings and number.

    Args:
      row: of `ROWS`.
      preset: whose settings it would run with; differences from `paper` are shown.
      width: of the terminal.
    """
    number = UNKNOWN
    if row.name in NUMBERS:
        number = f"{NUMBERS[row.name].per_cent:.1f} % ({NUMBERS[row.name].source})"
    fields = {
        "model": row.title,
        "data": f"{row.dataset}, split {', '.join(map(str, row.splits))}",
        "streams": ", ".join(row.streams) or "none",
        "runs": ", ".join(_run_cells(row, preset)) or "none",
        "features": row.features,
        "attention": row.attention,
        "measure": row.measure,
        "paper": number,
        "section": row.section,
        "preset": _settings_text(row, preset),
        "note": row.note,
    }
    lines = [row.name]
    for name, text in fields.items():
        if text:
            # Not at hyphens: flags and names of runs are copied from here.
            lines += textwrap.wrap(
                text,
                width,
                initial_indent=f"  {name:10s}",
                subsequent_indent=" " * 12,
                break_on_hyphens=False,
            )
    return "\n".join(lines)


def _run_cells(row: Row, preset: str) -> list[str]:
    """The cells of a row as "cell on stream"; of a fused row that of each stream."""
    if row.cell:
        return [f"{row.cell} on {stream}" for stream in row.streams]
    # iDT and Objects alone are no recurrent models.
    if "videolstm" not in row.parts:
        return []
    return ["videolstm on rgb", f"{FUSED_CELL.get(preset, 'videolstm')} on flow"]


def _settings_text(row: Row, preset: str) -> str:
    """The preset, where it differs from `paper` for this row's cell, and the row's settings."""
    texts = [preset]
    cell = row.cell
    # A preset is shown by the cell that it was made for.
    if not cell or cell == "convnet":
        cell = "videolstm"
    # Of the same cell, so that what a cell sets for itself is no difference.
    plain = flat_settings(configured("paper", cell))
    for path, value in flat_settings(configured(preset, cell)).items():
        if value != plain[path]:
            texts.append(f"{path.replace('__', '.')}={setting_text(value)}")
    for path, value in row.settings.items():
        texts.append(f"{path.replace('__', '.')}={setting_text(value)}")
    return " ".join(texts)
