"""Joins the scores of several models by the names of their videos."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.types import Scores

NAMED_AT_MOST = 3
"""Videos or classes that an error names at most."""


def aligned_scores(runs: Mapping[str, Scores]) -> list[Scores]:
    """The scores of each run with the videos in the order of the first.

    Raises:
      FileError: a run has other classes, videos or labels than the first, scores another list, or
        names a video twice.
    """
    # Any run could be the one that the others follow; the user sees this one named first.
    first_name, first_scores = next(iter(runs.items()))
    streams = []
    for name, scores in runs.items():
        problem = _lists_problem(scores, first_name, first_scores)
        if problem:
            raise FileError(f"{name} {problem}")
        # Runs may list the videos in different orders; rows are paired by name.
        row_of = {video: row for row, video in enumerate(scores.videos)}
        # The dtype is named since an empty list would give floats, which are no rows.
        order = np.array(list(map(row_of.__getitem__, first_scores.videos)), int)
        label = scores.label[order]
        # Labels of another list of classes, or another split, would make every count wrong.
        differing = np.flatnonzero(label != first_scores.label)
        if len(differing):
            raise FileError(
                f"{name} labels {len(differing)} videos otherwise than {first_name}, the first "
                f"is {first_scores.videos[differing[0]]}; expected the same labels"
            )
        trained = scores.trained
        if trained is not None:
            trained = trained[order]
        table = scores.scores[order]
        streams.append(
            scores._replace(videos=first_scores.videos, scores=table, label=label, trained=trained)
        )
    return streams


def _lists_problem(scores: Scores, first_name: str, first_scores: Scores) -> str:
    """How the lists of a run differ from those of the first; empty where they agree."""
    if scores.classes != first_scores.classes:
        differing = set(scores.classes) ^ set(first_scores.classes)
        # The same names in another order are likely a list sorted by another program.
        if not differing:
            problem = score_class_order_problem(scores.classes, first_scores.classes)
            return f"has another order of classes than {first_name}: {problem}"
        return (
            f"has {len(scores.classes)} classes, {first_name} has {len(first_scores.classes)}"
            f"{score_file_examples('not in both', differing)}; expected the same in one order"
        )
    if scores.part != first_scores.part:
        return f"scores the {scores.part} list, {first_name} the {first_scores.part} list"
    videos, expected = set(scores.videos), set(first_scores.videos)
    # Before the names are compared: as sets, two lists agree where one has a video twice.
    if len(videos) != len(scores.videos):
        twice = len(scores.videos) - len(videos)
        return f"names {twice} videos twice; expected each once"
    # The order may differ: rows are looked up by name.
    lacking, more = expected - videos, videos - expected
    if lacking or more:
        names = score_file_examples("lacks", lacking) + score_file_examples("has", more)
        return (
            f"lacks {len(lacking)} of the {len(first_scores.videos)} videos of {first_name} and "
            f"has {len(more)} more{names}; expected the same videos"
        )
    return ""


def score_class_order_problem(classes: Sequence[str], expected: Sequence[str]) -> str:
    """How two lists of classes differ, naming the first place; empty where they agree."""
    # Without `strict`: names say more than lengths, which are compared below.
    for number, (name, expected_name) in enumerate(zip(classes, expected, strict=False)):
        if name != expected_name:
            return f"class {number} is {name}; expected {expected_name}"
    if len(classes) != len(expected):
        return f"{len(classes)} classes; expected {len(expected)}"
    return ""


def score_file_examples(verb: str, names: Collection[str]) -> str:
    """A clause that names some of these; empty where there are none."""
    if not names:
        return ""
    text = f"; {verb} {', '.join(sorted(names)[:NAMED_AT_MOST])}"
    if len(names) > NAMED_AT_MOST:
        text += " .."
    return text
