"""The page of pictures: reads whatever the other stages left, and says which stage would make what
is absent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import STREAMS, RunConfig
from videolstm_jax.errors import ConfigError, VideoError
from videolstm_jax.localize.baselines import covered_cells
from videolstm_jax.localize.saliency import saliency_by_frame
from videolstm_jax.measure import accuracy
from videolstm_jax.measure.attention_stats import frame_stats, mass_inside
from videolstm_jax.measure.tube_errors import frame_overlaps
from videolstm_jax.report import (
    choose,
    classes,
    curves,
    example,
    local,
    page,
    settings,
    summary,
    tables,
)
from videolstm_jax.report.seen import Drawn, Seen
from videolstm_jax.report.states import States
from videolstm_jax.trained import evaluated
from videolstm_jax.types import Dataset, Detection, Scores, Tube, Video
from videolstm_jax.video.film import film


class Walk(NamedTuple):
    """What was read: each model's words and scores, the runs' configurations and measured tubes,
    the true tubes.
    """

    work: Workdir
    dataset: Dataset | None
    results: tuple[tuple[tables.Result, Scores], ...]
    configs: dict[str, dict]
    maps: dict[str, dict]
    truth: dict[str, list[Detection]]
    missing: (
        np.ndarray
    )  # labels [n] of the test videos that could not be read, unless they are to be left out
    strange: tuple[str, ...]  # names of scores that are of another test list


def run(cfg: RunConfig) -> epath.Path:
    """Writes report/index.html, and beside it a film of every example.

    Returns:
      The path of the page.

    Raises:
      ConfigError: `report.run` names a run that was not evaluated.
      FileError: a file that is there but cannot be used.
    """
    work = Workdir(cfg.workdir)
    walk = gather(work, allow_missing=cfg.eval.allow_missing)
    rows = [result for result, _ in walk.results]
    results = summary.section(rows, walk.dataset)
    results = results._replace(missing=(*results.missing, *map(_is_strange, walk.strange)))
    sections = (
        results,
        _examples(walk, cfg),
        curves.section(_logged(work, _folders(work.path / "runs")), _logged(work, _convnets(work))),
        _classes(walk, summary.final(rows)),
        local.section(walk.maps),
        settings.section(walk.configs),
    )
    opening = summary.opening(rows, walk.dataset, missing=len(walk.missing))
    path = work.report / "index.html"
    files.write_bytes(path, page.render(opening._replace(sections=sections)).encode())
    _forget_films(work.report / "videos", {card.film for card in sections[1].examples})
    print(f"report: {len(walk.results)} results, {len(sections[1].examples)} examples", flush=True)
    return path


# ---- reading -------------------------------------------------------------------------------------


def gather(work: Workdir, *, allow_missing: bool = False) -> Walk:
    """Reads everything but videos, frame scores and attention."""
    dataset = artifacts.load_dataset(work.dataset) if work.dataset.exists() else None
    known = dataset is not None and not allow_missing
    missing = artifacts.load_missing(work, dataset.classes) if known else np.zeros(0, np.int32)
    truth: dict[str, list[Detection]] = {}
    for true in artifacts.load_detections(work.truth) if work.truth.exists() else []:
        truth.setdefault(true.video, []).append(true)
    folders = [*_convnets(work), *_folders(work.path / "runs")]
    configs = {
        _name(work, folder): artifacts.load_config(folder)
        for folder in folders
        if (folder / "config.json").exists()
    }
    maps = {
        folder.name: files.read_json(folder / "map.json")
        for folder in _folders(work.path / "runs")
        if (folder / "map.json").exists()
    }
    results, strange = [], []
    for name, kind, about, path in _scored(work, folders, configs):
        scores = artifacts.load_scores(path)
        if dataset is None or _fits(scores, dataset):
            results.append((_result(name, kind, about, scores, maps.get(name), missing), scores))
        else:
            strange.append(name)
    return Walk(work, dataset, tuple(results), configs, maps, truth, missing, tuple(strange))


def _scored(work: Workdir, folders: list[epath.Path], configs: dict[str, dict]) -> Iterator[tuple]:
    """Name, kind, about and path of every file of scores."""
    for folder in folders:
        if (folder / "scores.npz").exists():
            name = _name(work, folder)
            kind = (
                "ConvNet"
                if name.startswith("convnet-")
                else "recurrent"
                if name in configs
                else "comparison"
            )
            yield name, kind, settings.reads(name, configs.get(name)), folder / "scores.npz"
    fused = work.path / "fused"
    for path in sorted(fused.glob("*.npz")) if fused.exists() else []:
        yield path.stem, "fusion", "scores", path


def _fits(scores: Scores, dataset: Dataset) -> bool:
    """Whether the scores are of the test list as it is now."""
    return scores.classes == dataset.classes and dict(
        zip(scores.videos, scores.label.tolist(), strict=True)
    ) == {video.name: video.label for video in dataset.videos if video.part == "test"}


def _convnets(work: Workdir) -> list[epath.Path]:
    return [work.convnet(stream) for stream in STREAMS]


def _folders(path: epath.Path) -> list[epath.Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir()) if path.exists() else []


def _name(work: Workdir, folder: epath.Path) -> str:
    return folder.name if folder.parent == work.path / "runs" else f"convnet-{folder.name}"


def _result(
    name: str, kind: str, about: str, scores: Scores, found: dict | None, missing: np.ndarray
) -> tables.Result:
    total = len(scores.label) + len(missing)
    right = accuracy.top_k(scores.scores, scores.label)
    sure = accuracy.wilson(right, total) if total else accuracy.Interval(0.0, 0.0, 1.0)
    mean = (
        accuracy.mean_class_accuracy(scores.scores, scores.label, missing=missing) if total else 0.0
    )
    return tables.Result(
        name, kind, about, right, total, sure.low, sure.high, mean, **local.numbers(found)
    )


def _logged(work: Workdir, folders: list[epath.Path]) -> dict[str, list[dict]]:
    """Name -> the rows of metrics.jsonl, of those that were trained."""
    return {
        _name(work, folder): files.read_jsonl(folder / "metrics.jsonl")
        for folder in folders
        if (folder / "metrics.jsonl").exists()
    }


def _is_strange(name: str) -> str:
    return (
        f"{name} is left out: its scores are of other videos or classes than the test list has; the stage that "
        "made them makes them anew."
    )


def _forget_films(folder: epath.Path, shown: set[str]) -> None:
    """Deletes the films of an earlier page that this one does not show."""
    for old in folder.glob("*.mp4") if folder.exists() else []:
        if f"{folder.name}/{old.name}" not in shown:
            old.unlink()


def _classes(walk: Walk, final: tables.Result | None) -> page.Section:
    if final is None:
        return classes.section("", np.zeros((0, 0), int), ())
    scores = next(scores for result, scores in walk.results if result is final)
    return classes.section(
        final.name,
        accuracy.confusion(scores.scores, scores.label),
        scores.classes,
        missing=walk.missing,
    )


# ---- examples ------------------------------------------------------------------------------------


def _examples(walk: Walk, cfg: RunConfig) -> page.Section:
    section = page.Section("examples", "Where it looks")
    if not cfg.report.examples:
        return section._replace(missing=("No example is shown, since report.examples is 0.",))
    name = _shown_run(walk, cfg)
    if name is None or walk.dataset is None:
        return section._replace(
            missing=(
                "No run has been evaluated on whole videos yet; the stage evaluate does it, "
                "after prepare, extract and train.",
            )
        )
    scores = next(
        scores
        for result, scores in walk.results
        if (result.name, result.kind) == (name, "recurrent")
    )
    found = walk.work.run(name) / "tubes.jsonl"
    tubes = choose.tubes_of_best_class(artifacts.load_detections(found)) if found.exists() else {}
    missing = []
    if not _attends(walk, name):
        missing.append(
            f"{name} has no attention, because its cell does not attend; there is no map to show."
        )
    elif not tubes:
        missing.append(
            f"{name} has no boxes yet; the stage localize makes them from its attention."
        )
    if not walk.truth:
        missing.append(
            "There are no true boxes; the stage prepare writes truth.jsonl where a data set has them."
        )
    listed = {video.name: video for video in walk.dataset.videos}
    cards = []
    for row in choose.videos(
        scores.label, scores.scores.argmax(1), scores.scores.max(1), cfg.report.examples
    ):
        video = scores.videos[row]
        try:
            cards.append(_card(walk, name, listed[video], scores.scores[row], tubes.get(video, ())))
        except VideoError:
            missing.append(
                f"{video} is left out: its file is not as it was when the stage prepare read it."
            )
    words = (
        f"Test videos as {name} saw them: the frame, the attention over it, and the boxes.",
        choose.RULE,
    )
    return section._replace(
        words=words if cards else (), examples=tuple(cards), missing=tuple(missing)
    )


def _attends(walk: Walk, name: str) -> bool:
    return walk.configs[name].get("attends", False)


def _shown_run(walk: Walk, cfg: RunConfig) -> str | None:
    """The run whose attention is shown, see `config.ReportConfig`."""
    runs = {result.name: result for result, _ in walk.results if result.kind == "recurrent"}
    if cfg.report.run:
        if cfg.report.run not in runs:
            raise ConfigError(
                f"report.run is {cfg.report.run!r}; expected one of {', '.join(runs) or 'no run yet'}"
            )
        return cfg.report.run
    able = [name for name in runs if (walk.work.run(name) / "videos").exists()]
    return max(
        able,
        key=lambda name: (
            _attends(walk, name),
            name in walk.maps,
            runs[name].about.startswith("RGB"),
            runs[name].accuracy,
        ),
        default=None,
    )


def _card(
    walk: Walk, name: str, video: Video, scores: np.ndarray, tubes: tuple[Tube, ...]
) -> page.Example:
    """Draws one example and writes its film."""
    told = evaluated.load_video(walk.work, name, video, len(walk.dataset.classes))
    truth = tuple(true.tube for true in walk.truth.get(video.name, []))
    looks = (
        None
        if told.attention is None
        else saliency_by_frame(told.attention, evaluated.localize_settings(walk.work, name))
    )
    seen = Seen(video, walk.dataset.classes, told.scores, looks, tubes, truth)
    address = f"videos/{video.name.replace(os.sep, '-')}.mp4"
    frames = film(
        walk.work.report / address,
        video,
        Drawn(seen, example.FILM_SIDE).card,
        fps=walk.configs[name]["config"]["data"].get("fps", 0.0),
        keep=example.frames_shown(video.frames),
    )
    facts = [("Length", f"{video.frames} frames, {video.frames / video.fps:.1f} s")]
    if tubes and truth:
        which = ", heaviest tube" if len(tubes) > 1 else ""
        facts.append((f"Mean frame IoU{which}", f"{frame_overlaps(tubes[0], truth).mean():.2f}"))
    over_time = None if told.attention is None else _over_time(told.attention, truth, video)
    return example.example(
        seen,
        scores,
        frames,
        address,
        facts=tuple(facts),
        over_time=over_time,
        states=_states(walk, name, video),
    )


def _over_time(attention: np.ndarray, truth: Sequence[Tube], video: Video) -> dict[str, np.ndarray]:
    """What attention does frame by frame, by the names on the page."""
    each = frame_stats(attention)
    named = {"entropy": each.entropy, "peak": each.peak, "drift": each.drift}
    if truth:
        covered = covered_cells(
            truth, (video.height, video.width), len(attention), attention.shape[1]
        )
        named |= dict(
            zip(("in the true box", example.AREA), mass_inside(attention, covered), strict=True)
        )
    return named


def _states(walk: Walk, name: str, video: Video) -> States | None:
    """The state maps that evaluate kept, if any."""
    path = walk.work.states(name, video.name)
    if not path.exists():
        return None
    kind, *maps = files.read_arrays(path, "kind", "mean", "channel", "maps")
    return States(str(kind), *maps)
