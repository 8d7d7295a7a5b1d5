"""The opening of the page and the section with the table of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from videolstm_jax.report import tables
from videolstm_jax.report.page import Page, Section
from videolstm_jax.report.tables import Result
from videolstm_jax.types import Dataset

HEADLINE_KINDS = ("fusion", "recurrent", "ConvNet")
"""The headline reports the best result of the first of these kinds that has results."""
TITLE = "VideoLSTM report"


class ConstantAnswer(NamedTuple):
    """Answering one class for every test video: its name, how many are right.

    `source` is the list that it is the commonest class of, "training" or "test".
    """

    name: str
    right: int
    source: str


def _on_new_videos(rows: Sequence[Result]) -> list[Result]:
    """The results of models that were trained on none of the test videos."""
    results = []
    for row in rows:
        if not row.trained_on:
            results.append(row)
    return results


def page_headline(rows: Sequence[Result]) -> Result | None:
    """Returns the result of the headline and of the confusion matrix; None without results.

    A result on videos that the model was trained on is taken only where there is no other.
    """
    eligible: Sequence[Result] = _on_new_videos(rows) or rows
    for kind in HEADLINE_KINDS:
        candidates = []
        for row in eligible:
            if row.kind == kind and row.total:
                candidates.append(row)
        if candidates:
            return max(candidates, key=lambda row: row.accuracy)
    return None


def page_opening(
    rows: Sequence[Result],
    dataset: Dataset | None,
    *,
    missing: int = 0,
    constant: ConstantAnswer | None = None,
) -> Page:
    """Makes the page with headline, opening paragraph and facts, and no section yet.

    Args:
      rows: the results.
      dataset: the list of videos, if there is one.
      missing: the number of test videos that could not be read; they count as wrong.
      constant: the constant answer that the headline is compared with, if there is a test list.
    """
    # The page is written after every stage, so there may be no result yet.
    row = page_headline(rows)
    facts = _facts(dataset)
    if row is None:
        lead = (
            "When the stages fit_convnet, train and evaluate have run, this page shows how many "
            "test videos are named correctly, and where the models looked."
        )
        return Page(TITLE, "Nothing has been evaluated yet", (lead,), facts, ())
    # Where classes are uneven a count alone misleads. So the mean over classes stands beside it,
    # and what a constant answer reaches.
    headline = (
        f"{row.correct} of {row.total} test videos are named correctly; mean class accuracy "
        f"{tables.percent_page_text(row.mean_class)}"
    )
    if constant:
        headline += f"; always answering {constant.name}: {constant.right} of {row.total}"
    return Page(TITLE, headline, (_lead(row, rows, constant, missing),), facts, ())


def _lead(
    row: Result, rows: Sequence[Result], constant: ConstantAnswer | None, missing: int
) -> str:
    interval = f"95 % interval {100 * row.low:.1f} to {100 * row.high:.1f} %"
    text = f"{row.name} has an accuracy of {tables.percent_page_text(row.accuracy)} ({interval})"
    # The best of several on the same list is an optimistic estimate: the reader must know.
    rivals = sum(other.kind == row.kind for other in rows)
    if rivals > 1:
        text += f", the best of {rivals} of its kind on this same list"
    text += "."
    if row.trained_on:
        text += (
            f" It was trained on {row.trained_on} of these videos, so this is not its accuracy on "
            "new ones."
        )
    if constant:
        text += (
            f" Always answering {constant.name}, the commonest class of the {constant.source} "
            f"list, gives {tables.percent_page_text(constant.right / row.total)}."
        )
    if missing:
        text += f" {missing} test videos could not be read and count as wrong."
    return text


def _facts(dataset: Dataset | None) -> tuple[tuple[str, str], ...]:
    if dataset is None:
        return ()
    sizes, groups = {"train": 0, "valid": 0, "test": 0}, set()
    for video in dataset.videos:
        sizes[video.part] += 1
        groups.add(video.group)
    counts = (
        (len(dataset.classes), "classes"),
        (len(dataset.videos), "videos"),
        (len(groups), "groups"),
        (sizes["train"], "to train on"),
        (sizes["valid"], "to validate on"),
        (sizes["test"], "to test on"),
    )
    facts = []
    for count, name in counts:
        # A data set without a validation list has no such fact.
        if count:
            facts.append((f"{count:,}", name))
    return tuple(facts)


NOTICES = {
    "ConvNet": "The ConvNets have no scores yet. The stage fit_convnet writes them.",
    "recurrent": "No recurrent model has scores yet. The stages train and evaluate write them.",
    "fusion": "No fusion yet. The stage fuse multiplies the scores of several runs.",
}
"""The notice of each kind of results that is absent."""


def section(rows: Sequence[Result], dataset: Dataset | None) -> Section:
    """Makes the table of results, and names the stages that would add to it."""
    kinds = {row.kind for row in rows}
    notices = []
    for kind, notice in NOTICES.items():
        if kind not in kinds:
            notices.append(notice)
    if dataset is None:
        # First, since every other notice follows from it.
        notices.insert(0, "There is no list of videos; the stage prepare writes it.")
    empty = Section("results", "Results", notices=tuple(notices))
    if not rows:
        return empty
    return empty._replace(tables=(tables.page_table(rows),))
