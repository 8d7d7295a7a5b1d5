"""Writes the tables of the last block that is trained with the cell into a page.

python -m benchmarks.end_to_end_tables --page=docs/experiments/end_to_end.md

A table lies between its marks, `<!-- accuracies -->` or `<!-- costs -->` and the end of it.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from benchmarks import command_line
from benchmarks.ladder.tables import filled
from benchmarks.real_data.rows import percent
from videolstm_jax.measure.intervals import Interval

FROZEN = "frozen"
DIFFERENCES = "minus frozen, 95 % of a paired bootstrap of clips"
COSTS = {
    "processor seconds a step": "processor time of a step, s",
    "MiB of intermediate values": "memory of its intermediate values, MiB",
    "trained parameters": "parameters that are trained",
}


def main() -> None:
    """Fills the marked tables of the page."""
    parser = command_line.parser(__doc__, name="stick_actions")
    parser.add_argument("--page", required=True, help="a page whose marked tables are made anew")
    options = parser.parse_args()
    path = pathlib.Path(options.out) / f"end_to_end_{options.name}.json"
    figures = json.loads(path.read_text())
    tables = {"accuracies": accuracies(figures), "costs": costs(figures)}
    page = pathlib.Path(options.page)
    page.write_text(filled(page.read_text(), tables))


def accuracies(figures: Mapping[str, Any]) -> str:
    """Right answers of each seed of each path, and the difference to the frozen path."""
    lines = [
        f"| right of {figures['clips']} | each seed | accuracy, % | minus frozen, points |",
        "|---|---|---|---|",
        _accuracy_line(f"{figures['stream']} ConvNet, one seed", figures["ConvNet"], "-"),
    ]
    for path, row in figures["rows"].items():
        text = "-"
        if path in figures[DIFFERENCES]:
            text = percent(Interval(*figures[DIFFERENCES][path]), sign="+")
        lines.append(_accuracy_line(_words(path, figures["train.steps"]), row, text))
    return "\n".join(lines)


def _accuracy_line(name: str, row: Mapping[str, Any], difference: str) -> str:
    counts = " ".join(str(count) for count in row["right"])
    return f"| {name} | {counts} | {percent(Interval(*row['share']))} | {difference} |"


def _words(path: str, steps: int) -> str:
    """The name of a path of `end_to_end.path_names` in words."""
    if path.startswith("rate"):
        return f"last block at rate {path.removeprefix('rate')}, {steps} steps"
    return f"frozen features, {path.removeprefix(FROZEN) or steps} steps"


def costs(figures: Mapping[str, Any]) -> str:
    """What a step of both paths costs."""
    lines = ["| | frozen | with the last block | factor |", "|---|---|---|---|"]
    frozen, joint = figures["cost"][FROZEN], figures["cost"]["joint"]
    for name, words in COSTS.items():
        factor = joint[name] / frozen[name]
        lines.append(f"| {words} | {frozen[name]:,} | {joint[name]:,} | {factor:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
