"""Tables of the tries of UT-Interaction: settings that were compared on held-out sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.real_data.rows import markdown, share
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
PARTS = (18, 19, 18)
"""Clips of the three parts that were held out."""
SUM = "sum, % (interval)"
"""The column of all parts together."""
READ_OUTS = (
    ("mean over segments (the default)", 69, 67),
    ("mean of all frames", 62, 64),
    ("last frame", 61, 60),
    ("last three frames", 61, 61),
    ("middle half of the frames", 64, 62),
    ("maximum over frames", 62, 62),
)
"""Ways to score a video, with right answers of 90 on RGB and on flow.

The counts were read from scores of single frames, which no result file keeps.
"""
VIDEOS = 90


def first(validation: Mapping[str, Any]) -> str:
    """The tries on the part that was held out first."""
    lines = []
    for text, name in FIRST_TRIES:
        result = validation["tries"][f"{name}, flow"]
        lines.append((text, share(result["right"][0], result["videos"][0])))
    lines.append((RIDGE_ON_TRIES, share(validation["ridge on the mean map"][0], PARTS[0])))
    return markdown(("VideoLSTM on flow, seed 0", "right, % (interval)"), lines)


def second(validation: Mapping[str, Any]) -> str:
    """The tries that led to the second setting, on all parts that were held out."""
    lines = []
    for text, name in SECOND_TRIES:
        lines.append((text, *tried(validation["tries"], name, "flow")))
    ridge = validation["ridge on the mean map"]
    counts = " ".join(map(str, ridge))
    lines.append((RIDGE_ON_TRIES, counts, share(sum(ridge), sum(PARTS))))
    return markdown(("VideoLSTM on flow, seed 0", "right of 18, 19 and 18", SUM), lines)


def tried(tries: Mapping[str, Any], name: str, stream: str) -> tuple[str, str]:
    """The right answers of a try by part that was held out, and the share of their sum."""
    result = tries.get(f"{name}, {stream}")
    if result is None:
        return "not run", ""
    counts = " ".join(map(str, result["right"]))
    return counts, share(sum(result["right"]), sum(result["videos"]))


def third(validation: Mapping[str, Any]) -> str:
    """The tries that led to the third setting, on both streams."""
    tries = validation["tries"]
    lines = []
    for text, name in THIRD_TRIES:
        lines.append((text, *tried(tries, name, "flow"), *tried(tries, name, "rgb")))
    head = ("VideoLSTM, seed 0", "flow: right of 18, 19 and 18", SUM, "RGB", SUM)
    return markdown(head, lines)


def read_outs() -> str:
    """The ways to score a video."""
    lines = []
    for text, rgb, flow in READ_OUTS:
        lines.append((text, share(rgb, VIDEOS), share(flow, VIDEOS)))
    return markdown(("way", "RGB, % (interval)", "flow, % (interval)"), lines)
