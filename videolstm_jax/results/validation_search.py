"""Searches the weights of a fusion on score files, which must be those of a validation list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.dataset.training_list import scores_of_checked_videos
from videolstm_jax.errors import FileError
from videolstm_jax.files import reading
from videolstm_jax.measure.fusion.weight_search import WeightSearch, search_fusion_weights
from videolstm_jax.score_files.join import (
    aligned_scores,
    score_class_order_problem,
    score_file_examples,
)
from videolstm_jax.workdir.dataset_json import load_dataset

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray, Scores
    from videolstm_jax.workdir.layout import Workdir

_ONLY = "weights are searched on a validation list only"


class ValidationSearch(NamedTuple):
    """A search and the `files` it read; `trained` [V] marks videos that a run was trained on."""

    search: WeightSearch
    files: tuple[str, ...]
    trained: NDArray


def search_fusion_of_results(
    work: Workdir, names: Sequence[str], files: Sequence[str], tested: Scores, method: str
) -> ValidationSearch:
    """Searches weights on the validation scores of some runs.

    Args:
      work: the work folder; its data set, if there is one, has the test list.
      names: of the runs.
      files: one score file for each run, in the same order.
      tested: the scores that will be fused, whose videos must not choose the weights.
      method: of the fusion.

    Raises:
      FileError: a file is not of a validation list, has a video that is tested, or the files do not
        agree on videos, labels or classes.
    """
    runs = {}
    for path, name in zip(files, names, strict=True):
        # A checkpoint may have been chosen on these videos, so they may be in its training list.
        scores = scores_of_checked_videos(epath.Path(path), name, allowed=True)
        problem = _problem(scores, tested) or _dataset_problem(scores, work)
        # A second file under one name would replace the first, and weigh one run twice.
        if path in runs:
            problem = problem or "is there for two runs; expected a file of each run"
        if problem:
            raise FileError(f"{path}: {problem}")
        runs[path] = scores
    # After all checks of the lists: `aligned_scores` pairs rows by name and refuses what is left.
    streams = aligned_scores(runs)
    trained = np.zeros(len(streams[0].videos), bool)
    for stream in streams:
        trained |= stream.trained
    tables = [stream.scores for stream in streams]
    with reading(f"weights of {', '.join(files)} cannot be searched", "", ValueError):
        search = search_fusion_weights(tables, streams[0].label, method)
    return ValidationSearch(search, tuple(files), trained)


def _problem(scores: Scores, tested: Scores) -> str:
    """Why scores must not choose the weights; empty where they may."""
    if scores.part != "valid":
        return f"scores the {scores.part} list; {_ONLY}"
    # A list may be called "valid" by mistake; its videos show it.
    shared = set(scores.videos) & set(tested.videos)
    if shared:
        named = score_file_examples("has", shared)
        return f"has {len(shared)} videos of the list that is fused{named}; {_ONLY}"
    # Weights are of runs and not of classes, but rows of other classes cannot be compared.
    differing = score_class_order_problem(scores.classes, tested.classes)
    if differing:
        return f"has other classes than the scores that are fused: {differing}"
    return ""


def _dataset_problem(scores: Scores, work: Workdir) -> str:
    """Which videos are of the test list of the data set; empty where none is."""
    # A work folder that only fuses imported scores has no list of videos.
    if not work.dataset.exists():
        return ""
    tests = {video.name for video in load_dataset(work.dataset).listed("test")}
    shared = tests & set(scores.videos)
    if not shared:
        return ""
    named = score_file_examples("has", shared)
    return f"has {len(shared)} videos of the test list of {work.dataset}{named}; {_ONLY}"
