"""The opening of the page: what was done, how much of it is right, and the table of results."""

from __future__ import annotations

from collections.abc import Sequence

from videolstm_jax.report import tables
from videolstm_jax.report.page import Page, Section
from videolstm_jax.report.tables import Result
from videolstm_jax.types import Dataset

ORDER = ("fusion", "recurrent", "ConvNet")
"""The headline is of the best result of the first kind that there is."""


def final(rows: Sequence[Result]) -> Result | None:
    """What the headline and the confusion matrix are of; None where nothing was evaluated."""
    for kind in ORDER:
        same = [row for row in rows if row.kind == kind and row.total]
        if same:
            return max(same, key=lambda row: row.accuracy)
    return None


def opening(rows: Sequence[Result], dataset: Dataset | None, *, missing: int = 0) -> Page:
    """The page with its headline, lead and facts, and no section yet; `missing` test videos count
    as wrong.
    """
    row = final(rows)
    title, facts = "VideoLSTM report", _facts(dataset)
    if row is None:
        lead = (
            "Once the stages fit_convnet, train and evaluate have run, this page says how many test videos are "
            "named correctly, and where the models looked."
        )
        return Page(title, "Nothing has been evaluated yet", (lead,), facts, ())
    rivals = sum(other.kind == row.kind for other in rows)
    lead = (
        f"{row.name} is right on {tables.percent(row.accuracy)} (95 % interval {100 * row.low:.1f} to "
        f"{100 * row.high:.1f} %)"
    )
    if rivals > 1:
        lead += f", the best of {rivals} of its kind on this very list"
    if dataset:
        lead += f". A guess among {len(dataset.classes)} classes is right on {tables.percent(1 / len(dataset.classes))}"
    if missing:
        lead += f". {missing} test videos could not be read and count as wrong"
    return Page(
        title,
        f"{row.correct} of {row.total} test videos are named correctly",
        (lead + ".",),
        facts,
        (),
    )


def _facts(dataset: Dataset | None) -> tuple[tuple[str, str], ...]:
    if dataset is None:
        return ()
    count = {
        part: sum(video.part == part for video in dataset.videos)
        for part in ("train", "valid", "test")
    }
    every = (
        (len(dataset.classes), "classes"),
        (len(dataset.videos), "videos"),
        (len({video.group for video in dataset.videos}), "groups"),
        (count["train"], "to train on"),
        (count["valid"], "to validate on"),
        (count["test"], "to test on"),
    )
    return tuple((f"{number:,}", name) for number, name in every if number)


def section(rows: Sequence[Result], dataset: Dataset | None) -> Section:
    """The table of results, and which stages would add to it."""
    kinds = {row.kind for row in rows}
    missing = [
        words
        for kind, words in (
            ("ConvNet", "The ConvNets have no scores yet; the stage fit_convnet makes them."),
            (
                "recurrent",
                "No recurrent model has scores yet; the stages train and evaluate make them.",
            ),
            ("fusion", "No fusion yet; the stage fuse multiplies the scores of several runs."),
        )
        if kind not in kinds
    ]
    if dataset is None:
        missing.insert(0, "There is no list of videos; the stage prepare writes it.")
    return Section(
        "results", "Results", tables=(tables.results(rows),) if rows else (), missing=tuple(missing)
    )
