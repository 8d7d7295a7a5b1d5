"""Tables of the tries of UT-Interaction: settings that were compared on held-out sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.real_data.rows import markdown
from benchmarks.real_data.ut_tries import FIRST
from benchmarks.real_data.ut_tries import SECOND as SECOND_TRY

FIRST_TRIES = (
    ("learning rate 1e-3, 100 updates", "learning rate 1e-3"),
    ("**learning rate 3e-3, 100 updates**", FIRST),
    ("learning rate 3e-3, 300 updates", "300 updates"),
    (
        "learning rate 3e-3, dropout .5 before the dense layer too",
        "dropout .5 before the dense layer too",
    ),
)
SECOND_TRIES = (
    ("first setting", FIRST),
    ("mirrored clips", "mirrored clips"),
    ("each value of the map standardised", "each value of the map standardised"),
    ("**mirrored clips, each value standardised, weight decay 10**", SECOND_TRY),
)
"""What the page calls each try, and its name in `ut_tries`; the chosen one is bold."""
RIDGE_ON_TRIES = "*ridge regression on the mean flow map, the same lists*"
THIRD_TRIES = (
    ("second setting", SECOND_TRY),
    ("A * X times 49", "second setting, A * X times 49"),
    ("300 updates", "second setting, 300 updates"),
    ("A * X times 49, 300 updates", "second setting, A * X times 49, 300 updates"),
    ("first setting, A * X times 49", "first setting, A * X times 49"),
)
CLIPS = 55
"""Clips of the three parts that were held out."""


def first(validation: Mapping[str, Any]) -> str:
    """The tries on the part that was held out first."""
    lines = []
    for text, name in FIRST_TRIES:
        right = validation["tries"][f"{name}, flow"]["right"]
        lines.append((text, str(right[0])))
    lines.append((RIDGE_ON_TRIES, str(validation["ridge on the mean map"][0])))
    return markdown(("VideoLSTM on flow, seed 0", "right of 18"), lines)


def second(validation: Mapping[str, Any]) -> str:
    """The tries that led to the second setting, on all parts that were held out."""
    lines = []
    for text, name in SECOND_TRIES:
        lines.append((text, *tried(validation["tries"], name, "flow")))
    ridge = validation["ridge on the mean map"]
    counts = " ".join(map(str, ridge))
    lines.append((RIDGE_ON_TRIES, counts, str(sum(ridge))))
    return markdown(("VideoLSTM on flow, seed 0", "right of 18, 19 and 18", "of 55"), lines)


def tried(tries: Mapping[str, Any], name: str, stream: str) -> tuple[str, str]:
    """The right answers of a try by part that was held out, and their sum where all were run."""
    result = tries.get(f"{name}, {stream}")
    if result is None:
        return "not run", ""
    counts = " ".join(map(str, result["right"]))
    # A sum of two parts would look like a worse try.
    if sum(result["videos"]) < CLIPS:
        return counts, ""
    return counts, str(sum(result["right"]))


def third(validation: Mapping[str, Any]) -> str:
    """The tries that led to the third setting, on both streams."""
    tries = validation["tries"]
    lines = []
    for text, name in THIRD_TRIES:
        lines.append((text, *tried(tries, name, "flow"), *tried(tries, name, "rgb")))
    head = ("VideoLSTM, seed 0", "flow: right of 18, 19 and 18", "of 55", "RGB", "of 55")
    return markdown(head, lines)
