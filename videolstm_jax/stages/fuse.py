"""Fuses the class scores of several runs into one score file (Sec. 5.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from videolstm_jax import artifacts
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import RunConfig
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.measure.accuracy import top_k, trained_note
from videolstm_jax.measure.fusion import mean_fusion, product_fusion
from videolstm_jax.measure.intervals import wilson
from videolstm_jax.trained.training_list import checked_scores
from videolstm_jax.types import Scores

if TYPE_CHECKING:
    from etils import epath

NAMED = 3
"""Videos or classes that an error names at most."""


class _Fusion(NamedTuple):
    """The runs to fuse: their names, one exponent each, and the paths of their score files."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    paths: tuple[epath.Path, ...]


def run(cfg: RunConfig) -> epath.Path:
    """Writes fused/<fuse.name>.npz, the product of the scores of `fuse.runs`.

    Returns:
      The path of the fused scores.

    Raises:
      ConfigError: no runs, or not one weight for each run.
      FileError: scores are missing, the runs do not agree on videos, labels or classes, or one was
        trained on some of the videos, unless `eval.allow_trained`.
    """
    work = Workdir(cfg.workdir)
    artifacts.check_layout(work)
    path = work.fused(cfg.fuse.name)
    fusion = _checked(cfg, work)
    runs = {}
    for name, source in zip(fusion.names, fusion.paths, strict=True):
        runs[name] = checked_scores(source, name, allowed=cfg.eval.allow_trained)
    streams = aligned(runs)
    fused, mean = _fused(fusion, streams)
    artifacts.save_scores(path, fused)

    missing = 0
    if not cfg.eval.allow_missing:
        missing = len(artifacts.load_missing(work, fused.classes))
    for name, weight, stream in zip(fusion.names, fusion.weights, streams, strict=True):
        _print_row(name, stream, missing, f"  weight {weight:g}")
    _print_row("product", fused, missing, f"  -> {path}")
    _print_row("mean, for comparison", mean, missing)
    if missing:
        print(
            f"fuse: of these, {missing} test videos could not be read and count as wrong, see "
            f"{work.bad}"
        )
    return path


def _fused(fusion: _Fusion, streams: Sequence[Scores]) -> tuple[Scores, Scores]:
    """The product of the runs, which is the result, and their mean, which it is compared with."""
    tables = []
    # The product knows the videos that any of its runs was trained on.
    trained = np.zeros(len(streams[0].videos), bool)
    for stream in streams:
        tables.append(stream.scores)
        trained |= stream.trained
    try:
        product = product_fusion(tables, fusion.weights)
        # A mean has no exponents, and no use for a run that counts against: its size is its weight.
        mean = mean_fusion(tables, np.abs(fusion.weights).tolist())
    except ValueError as error:
        raise FileError(f"scores of {', '.join(fusion.names)} cannot be fused: {error}") from error
    fused = streams[0]._replace(scores=product, trained=trained)
    return fused, fused._replace(scores=mean)


def _print_row(name: str, scores: Scores, missing: int, note: str = "") -> None:
    """Prints the accuracy of one run or fusion."""
    text = _accuracy(scores.scores, scores.label, missing)
    print(f"fuse: {name:<24} {text}{note}{trained_note(scores.trained)}")


def _checked(cfg: RunConfig, work: Workdir) -> _Fusion:
    """The runs and weights that the settings ask for.

    Raises:
      ConfigError: they do not fit one another.
    """
    names = cfg.fuse.runs
    weights = cfg.fuse.weights or (1.0,) * len(names)
    paths = tuple(work.scores(name) for name in names)
    problem = ""
    if not names:
        problem = "runs is (); expected the names of runs, or paths of score files"
    elif len(set(names)) != len(names):
        problem = f"runs is {', '.join(names)}; expected each run once, weighted if need be"
    elif len(weights) != len(names):
        problem = f"weights has {len(weights)} exponents for {len(names)} runs; expected one each"
    # The stage would overwrite what it reads.
    elif work.fused(cfg.fuse.name) in paths:
        problem = f"name is {cfg.fuse.name!r}, which is also one of its runs; expected another name"
    if problem:
        raise ConfigError(f"fuse.{problem}")
    return _Fusion(names, weights, paths)


def aligned(runs: Mapping[str, Scores]) -> list[Scores]:
    """The scores of each run with the videos in the order of the first.

    Raises:
      FileError: a run has other classes, videos or labels than the first, or names a video twice.
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
        streams.append(Scores(first.videos, table, label, scores.classes, trained))
    return streams


def _lists_problem(scores: Scores, first_name: str, first: Scores) -> str:
    """How the lists of a run differ from those of the first; empty where they agree."""
    if scores.classes != first.classes:
        differing = set(scores.classes) ^ set(first.classes)
        return (
            f"has {len(scores.classes)} classes, {first_name} has {len(first.classes)}"
            f"{_examples('not in both', differing)}; expected the same in one order"
        )
    videos, expected = set(scores.videos), set(first.videos)
    if len(videos) != len(scores.videos):
        twice = len(scores.videos) - len(videos)
        return f"names {twice} videos twice; expected each once"
    # The order may differ: rows are looked up by name.
    lacking, more = expected - videos, videos - expected
    if lacking or more:
        return (
            f"lacks {len(lacking)} of the {len(first.videos)} videos of {first_name} and has "
            f"{len(more)} more{_examples('lacks', lacking)}{_examples('has', more)}; expected the "
            "same videos"
        )
    return ""


def _examples(verb: str, names: set[str]) -> str:
    """A clause that names some of these; empty where there are none."""
    if not names:
        return ""
    text = f"; {verb} {', '.join(sorted(names)[:NAMED])}"
    if len(names) > NAMED:
        text += " .."
    return text


def _accuracy(scores: np.ndarray, label: Sequence[int], missing: int) -> str:
    """How many test videos are right, with an interval; `missing` ones count as wrong."""
    if not len(label):
        return "no videos"
    right, total = top_k(scores, label), len(label) + missing
    share = wilson(right, total)
    low, high = 100 * share.low, 100 * share.high
    return f"{right:>5} of {total} right, {100 * share.value:.2f} % ({low:.1f} to {high:.1f})"
