"""Joins the scores of several models by the names of their videos."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.types import Scores

NAMED_AT_MOST = 3
"""Videos or classes that an error names at most."""


def aligned(runs: Mapping[str, Scores]) -> list[Scores]:
    """The scores of each run with the videos in the order of the first.

    Raises:
      FileError: a run has other classes, videos or labels than the first, scores another list, or
        names a video twice.
    """
    first_name, first = next(iter(runs.items()))
    streams = []
    for name, scores in runs.items():
        problem = _lists_problem(scores, first_name, first)
        if problem:
            raise FileError(f"{name} {problem}")
        # Runs may list the videos in different orders; rows are paired by name.
        row_of = {video: row for row, video in enumerate(scores.videos)}
        order = np.array([row_of[video] for video in first.videos], int)
        label = scores.label[order]
        # Labels of another list of classes, or another split, would make every count wrong.
        differing = np.flatnonzero(label != first.label)
        if len(differing):
            raise FileError(
                f"{name} labels {len(differing)} videos otherwise than {first_name}, the first "
                f"is {first.videos[differing[0]]}; expected the same labels"
            )
        trained = scores.trained
        if trained is not None:
            trained = trained[order]
        table = scores.scores[order]
        streams.append(
            scores._replace(videos=first.videos, scores=table, label=label, trained=trained)
        )
    return streams


def _lists_problem(scores: Scores, first_name: str, first: Scores) -> str:
    """How the lists of a run differ from those of the first; empty where they agree."""
    if scores.classes != first.classes:
        differing = set(scores.classes) ^ set(first.classes)
        if not differing:
            problem = class_order_problem(scores.classes, first.classes)
            return f"has another order of classes than {first_name}: {problem}"
        return (
            f"has {len(scores.classes)} classes, {first_name} has {len(first.classes)}"
            f"{examples('not in both', differing)}; expected the same in one order"
        )
    if scores.part != first.part:
        return f"scores the {scores.part} list, {first_name} the {first.part} list"
    videos, expected = set(scores.videos), set(first.videos)
    if len(videos) != len(scores.videos):
        twice = len(scores.videos) - len(videos)
        return f"names {twice} videos twice; expected each once"
    # The order may differ: rows are looked up by name.
    lacking, more = expected - videos, videos - expected
    if lacking or more:
        return (
            f"lacks {len(lacking)} of the {len(first.videos)} videos of {first_name} and has "
            f"{len(more)} more{examples('lacks', lacking)}{examples('has', more)}; expected the "
            "same videos"
        )
    return ""


def class_order_problem(classes: Sequence[str], expected: Sequence[str]) -> str:
    """How two lists of classes differ, naming the first place; empty where they agree."""
    for number, (name, other) in enumerate(zip(classes, expected, strict=False)):
        if name != other:
            return f"class {number} is {name}; expected {other}"
    if len(classes) != len(expected):
        return f"{len(classes)} classes; expected {len(expected)}"
    return ""


def examples(verb: str, names: Collection[str]) -> str:
    """A clause that names some of these; empty where there are none."""
    if not names:
        return ""
    text = f"; {verb} {', '.join(sorted(names)[:NAMED_AT_MOST])}"
    if len(names) > NAMED_AT_MOST:
        text += " .."
    return text
