"""Fuses the class scores of several runs into one score file (Sec. 5.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from videolstm_jax.config import RunConfig
from videolstm_jax.dataset.training_list import scores_of_checked_videos
from videolstm_jax.errors import ConfigError
from videolstm_jax.files import reading
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.measure.accuracy import top_k, trained_accuracy_note
from videolstm_jax.measure.fusion.rules import mean_fusion, product_fusion
from videolstm_jax.measure.intervals import wilson_interval
from videolstm_jax.results.validation_search import ValidationSearch, search_fusion_of_results
from videolstm_jax.score_files.fusion_record import (
    FusionRecord,
    SearchRecord,
    TriedWeights,
    save_fusion,
)
from videolstm_jax.score_files.join import aligned_scores
from videolstm_jax.types import Scores
from videolstm_jax.workdir.dataset_json import load_labels_of_bad_videos
from videolstm_jax.workdir.layout import Workdir, check_layout
from videolstm_jax.workdir.scores_npz import save_scores

_FOREIGN_SUFFIXES = (".csv", ".json", ".mat", ".pkl")
"""Endings of score files of other programs, which `videolstm scores import` reads."""
_OTHER_METHOD = {"product": "mean", "mean": "product"}
"""The method that the result of each method is compared with."""


class _Fusion(NamedTuple):
    """The runs to fuse: their names, one exponent each, and the paths of their score files."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    paths: tuple[epath.Path, ...]


def run(cfg: RunConfig) -> epath.Path:
    """Writes fused/<fuse.name>.npz, the product or mean of the scores of `fuse.runs`.

    With `fuse.search` the weights are those that get most videos of the validation list right.
    fused/<fuse.name>.json has the weights, and every candidate of the search.

    Returns:
      The path of the fused scores.

    Raises:
      ConfigError: no runs, or not one weight or one validation file for each run.
      FileError: scores are missing, the runs do not agree on videos, labels or classes, one was
        trained on some of the videos, unless `eval.allow_trained`, the scores of the search are
        not those of a validation list, or another process writes this fusion.
    """
    work = Workdir(cfg.workdir)
    check_layout(work)
    fusion = _checked(cfg, work)
    results = (work.fused(cfg.fuse.name), work.fusion_record(cfg.fuse.name))
    lock = team_writer(
        results[0].parent,
        "fuse",
        # Each fusion has its own files in this folder.
        name=f".fuse-{cfg.fuse.name}.lock",
        is_ours=lambda target: target in results,
        below=False,
        break_lock=cfg.break_lock,
    )
    with lock:
        return _write_fusion(cfg, work, fusion)


def _write_fusion(cfg: RunConfig, work: Workdir, fusion: _Fusion) -> epath.Path:
    """Reads the scores, fuses them, and writes the result; returns its path."""
    path = work.fused(cfg.fuse.name)
    runs = {}
    for name, source in zip(fusion.names, fusion.paths, strict=True):
        runs[name] = scores_of_checked_videos(source, name, allowed=cfg.eval.allow_trained)
    streams = aligned_scores(runs)
    searched = None
    if cfg.fuse.search:
        files = cfg.fuse.validation
        if not files:
            # Where `evaluate --eval.part=valid` puts them.
            files = tuple(str(work.validation_scores(name)) for name in fusion.names)
        searched = search_fusion_of_results(work, fusion.names, files, streams[0], cfg.fuse.method)
        _print_search(searched)
        fusion = fusion._replace(weights=searched.search.best.weights)
    fusions = _fused(fusion, streams)
    fused = fusions[cfg.fuse.method]
    record = work.fusion_record(cfg.fuse.name)
    # The weights of an earlier fusion would lie beside scores that they did not make. Scores
    # without a record are a whole result, and the same command writes the record again.
    record.unlink(missing_ok=True)
    save_scores(path, fused)
    save_fusion(record, _record(cfg, fusion, fused, searched))
    _print_accuracies(cfg, work, fusion, streams, fusions)
    return path


def _fused(fusion: _Fusion, streams: Sequence[Scores]) -> dict[str, Scores]:
    """The product and the mean of the runs, one of which is the result."""
    tables = []
    # The fusion knows the videos that any of its runs was trained on.
    trained = np.zeros(len(streams[0].videos), bool)
    for stream in streams:
        tables.append(stream.scores)
        trained |= stream.trained
    with reading(f"scores of {', '.join(fusion.names)} cannot be fused", "", ValueError):
        product = product_fusion(tables, fusion.weights)
        # A mean has no exponents, and no use for a run that counts against: its size is its weight.
        mean = mean_fusion(tables, np.abs(fusion.weights).tolist())
    # Videos, labels and classes are those of all runs: `aligned_scores` has put them in one order.
    fused = streams[0]._replace(scores=product, trained=trained)
    return {"product": fused, "mean": fused._replace(scores=mean)}


def _print_accuracies(
    cfg: RunConfig,
    work: Workdir,
    fusion: _Fusion,
    streams: Sequence[Scores],
    fusions: Mapping[str, Scores],
) -> None:
    """Prints a line for each run, for the result, and for the method that was not asked for."""
    fused = fusions[cfg.fuse.method]
    missing = 0
    if not cfg.eval.allow_missing and fused.part == "test":
        missing = len(load_labels_of_bad_videos(work, fused.classes))
    for name, weight, stream in zip(fusion.names, fusion.weights, streams, strict=True):
        _print_row(name, stream, missing, f"  weight {weight:g}")
    _print_row(cfg.fuse.method, fused, missing, f"  -> {work.fused(cfg.fuse.name)}")
    other_method = _OTHER_METHOD[cfg.fuse.method]
    _print_row(f"{other_method}, for comparison", fusions[other_method], missing)
    if missing:
        print(
            f"fuse: of these, {missing} test videos could not be read and count as wrong, see "
            f"{work.bad}"
        )


def _print_row(name: str, scores: Scores, missing: int, note: str = "") -> None:
    """Prints the accuracy of one run or fusion."""
    text = _accuracy(scores.scores, scores.label, missing)
    print(f"fuse: {name:<24} {text}{note}{trained_accuracy_note(scores.trained)}")


def _checked(cfg: RunConfig, work: Workdir) -> _Fusion:
    """The runs and weights that the settings ask for.

    Raises:
      ConfigError: they do not fit one another.
    """
    names = cfg.fuse.runs
    weights = cfg.fuse.weights or (1.0,) * len(names)
    paths = tuple(work.scores(name) for name in names)
    # Only imported files are checked, and known to be probabilities.
    foreign_file = _first_foreign_file(names)
    problem = ""
    if foreign_file:
        problem = f"runs has {foreign_file}; first give `videolstm scores import {foreign_file} "
        problem += "NAME.npz`"
    elif not names:
        problem = "runs is (); expected the names of runs, or paths of score files"
    elif len(set(names)) != len(names):
        problem = f"runs is {', '.join(names)}; expected each run once, weighted if need be"
    elif len(weights) != len(names):
        problem = f"weights has {len(weights)} exponents for {len(names)} runs; expected one each"
    # The stage would overwrite what it reads.
    elif work.fused(cfg.fuse.name) in paths:
        problem = f"name is {cfg.fuse.name!r}, which is also one of its runs; expected another name"
    # The comparison with a mean takes the size of a weight; a result must not.
    elif cfg.fuse.method == "mean" and min(weights) < 0:
        problem = f"weights has {min(weights):g} for a mean; expected 0 or more"
    elif cfg.fuse.validation and len(cfg.fuse.validation) != len(names):
        count = len(cfg.fuse.validation)
        problem = f"validation has {count} files for {len(names)} runs; expected one each"
    if problem:
        raise ConfigError(f"fuse.{problem}")
    return _Fusion(names, weights, paths)


def _first_foreign_file(names: Sequence[str]) -> str:
    """The first name that is a score file of another program; empty where none is."""
    for name in names:
        if name.endswith(_FOREIGN_SUFFIXES):
            return name
    return ""


def _print_search(searched: ValidationSearch) -> None:
    search = searched.search
    print(
        f"fuse: of {len(search.candidates)} candidates for the weights, the best has "
        f"{search.best.right} of {len(searched.trained)} validation videos right, equal weights "
        f"{search.equal.right}{trained_accuracy_note(searched.trained)}"
    )


def _record(
    cfg: RunConfig, fusion: _Fusion, fused: Scores, searched: ValidationSearch | None
) -> FusionRecord:
    """What was fused, and how its weights came about."""
    search = None
    if searched is not None:
        # Every candidate, so that a reader sees how flat the maximum is.
        tried = []
        for candidate in searched.search.candidates:
            tried.append(TriedWeights(*candidate))
        search = SearchRecord(
            _places(cfg, searched.files),
            len(searched.trained),
            int(searched.trained.sum()),
            best=TriedWeights(*searched.search.best),
            equal=TriedWeights(*searched.search.equal),
            tried=tuple(tried),
        )
    return FusionRecord(
        cfg.fuse.method,
        _places(cfg, fusion.names),
        fusion.weights,
        fused.part,
        len(fused.videos),
        top_k(fused.scores, fused.label),
        search,
    )


def _places(cfg: RunConfig, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(_place(cfg, name) for name in names)


def _place(cfg: RunConfig, name: str) -> str:
    """A run, or a file within the work folder, or the name of a file that lies elsewhere.

    A whole path would tell where the files lay on this machine.
    """
    if not name.endswith(".npz"):
        return name
    path = epath.Path(name)
    root = epath.Path(cfg.workdir)
    if path.is_relative_to(root):
        return str(path.relative_to(root))
    return path.name


def _accuracy(scores: np.ndarray, label: Sequence[int], missing: int) -> str:
    """How many test videos are right, with an interval; `missing` ones count as wrong."""
    if not len(label):
        return "no videos"
    # They have no scores, but were to be classified: whoever skips hard videos gains nothing.
    correct, total = top_k(scores, label), len(label) + missing
    share = wilson_interval(correct, total)
    low, high = 100 * share.low, 100 * share.high
    return f"{correct:>5} of {total} right, {100 * share.value:.2f} % ({low:.1f} to {high:.1f})"
