"""Fuses the class scores of several runs into one score file (Sec. 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax import artifacts
from videolstm_jax.config import RunConfig
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.measure.accuracy import top_k, wilson
from videolstm_jax.measure.fusion import mean_fusion, product_fusion
from videolstm_jax.types import Scores

if TYPE_CHECKING:
    from etils import epath


def run(cfg: RunConfig) -> epath.Path:
    """Writes fused/<fuse.name>.npz, the product of the scores of `fuse.runs`, and prints how often
    it is right.

    Returns:
      The path of the fused scores.

    Raises:
      ConfigError: no runs, or not one weight a run.
      FileError: scores are missing, or the runs do not agree on videos, labels or classes.
    """
    names, weights = cfg.fuse.runs, cfg.fuse.weights or (1.0,) * len(cfg.fuse.runs)
    if not names:
        raise ConfigError(
            "FuseConfig.runs is empty; expected the names of runs, or paths of score files"
        )
    if len(set(names)) != len(names):
        raise ConfigError(
            f"FuseConfig.runs is {', '.join(names)}; expected each run once, weighted if need be"
        )
    if len(weights) != len(names):
        raise ConfigError(
            f"FuseConfig.weights has {len(weights)} exponents for {len(names)} runs; expected one each"
        )
    work = artifacts.Workdir(cfg.workdir)
    paths = [work.scores(name) for name in names]
    path = work.fused(cfg.fuse.name)
    if path in paths:
        raise ConfigError(
            f"FuseConfig.name is {cfg.fuse.name!r}, which is also one of its runs; expected another name"
        )
    streams = aligned(
        {str(name): artifacts.load_scores(file) for name, file in zip(names, paths, strict=True)}
    )
    first, arrays = streams[0], [stream.scores for stream in streams]
    try:
        fused = first._replace(scores=product_fusion(arrays, weights))
        mean = mean_fusion(arrays, [abs(weight) for weight in weights])
    except ValueError as error:
        raise FileError(f"scores of {', '.join(names)} cannot be fused: {error}") from error
    artifacts.save_scores(path, fused)
    missing = 0 if cfg.eval.allow_missing else len(artifacts.load_missing(work, first.classes))
    for name, weight, scores in zip(names, weights, arrays, strict=True):
        print(f"fuse: {name:<24} {_words(scores, first.label, missing)}  weight {weight:g}")
    print(f"fuse: {'product':<24} {_words(fused.scores, first.label, missing)}  -> {path}")
    print(f"fuse: {'mean, for comparison':<24} {_words(mean, first.label, missing)}")
    if missing:
        print(
            f"fuse: of these, {missing} test videos could not be read and count as wrong, see {work.bad}"
        )
    return path


def aligned(streams: dict[str, Scores]) -> list[Scores]:
    """The scores of each run with the videos in the order of the first.

    Raises:
      FileError: a run has other classes, videos or labels than the first, or names a video twice.
    """
    (first_name, first), *_ = streams.items()
    rows = []
    for name, scores in streams.items():
        if scores.classes != first.classes:
            raise FileError(
                f"{name} has {len(scores.classes)} classes, {first_name} has {len(first.classes)}"
                f"{_examples(set(scores.classes) ^ set(first.classes), 'not in both')}; expected the same in one order"
            )
        place = {video: row for row, video in enumerate(scores.videos)}
        if len(place) != len(scores.videos):
            twice = len(scores.videos) - len(place)
            raise FileError(f"{name} names {twice} videos twice; expected each once")
        lacks, more = set(first.videos) - place.keys(), place.keys() - set(first.videos)
        if lacks or more:
            raise FileError(
                f"{name} lacks {len(lacks)} of the {len(first.videos)} videos of {first_name} and has {len(more)} more"
                f"{_examples(lacks, 'lacks')}{_examples(more, 'has')}; expected the same videos"
            )
        order = np.array([place[video] for video in first.videos], int)
        one = Scores(first.videos, scores.scores[order], scores.label[order], scores.classes)
        differ = np.flatnonzero(one.label != first.label)
        if len(differ):
            raise FileError(
                f"{name} labels {len(differ)} videos otherwise than {first_name}, the first "
                f"is {first.videos[differ[0]]}; expected the same labels"
            )
        rows.append(one)
    return rows


def _examples(names: set[str], verb: str) -> str:
    some = sorted(names)[:3]
    return f"; {verb} {', '.join(some)}{' ..' if len(names) > 3 else ''}" if some else ""


def _words(scores: np.ndarray, label: np.ndarray, missing: int) -> str:
    if not len(label):
        return "no videos"
    hits, total = top_k(scores, label), len(label) + missing
    sure = wilson(hits, total)
    return f"{hits:>5} of {total} right, {100 * sure.value:.2f} % ({100 * sure.low:.1f} to {100 * sure.high:.1f})"
