"""The page of pictures: reads whatever the other stages left, and says which stage would make what is absent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import STREAMS, ConfigError, RunConfig
from videolstm_jax.localize.floors import covered_cells
from videolstm_jax.localize.saliency import saliency
from videolstm_jax.measure import accuracy
from videolstm_jax.measure.errors import frame_overlaps
from videolstm_jax.measure.looking import frames_inside, trace
from videolstm_jax.report import (
    choose,
    classes,
    curves,
    example,
    local,
    overlay,
    page,
    settings,
    summary,
    tables,
)
from videolstm_jax.report.states import States
from videolstm_jax.types import Dataset, Detection, Scores, Tube, Video
from videolstm_jax.video import decode, encode
from videolstm_jax.video.container import BadVideo

FILM_FRAMES = 600
"""A film of an example ends after so many frames."""


class Walk(NamedTuple):
    """What was read: each model's words and scores, the runs' configurations and measured tubes, the true tubes."""

    work: Workdir
    dataset: Dataset | None
    results: tuple[tuple[tables.Result, Scores], ...]
    configs: dict[str, dict]
    maps: dict[str, dict]
    truth: dict[str, list[Detection]]
    missing: np.ndarray  # labels [n] of the test videos that could not be read, unless they are to be left out


def run(cfg: RunConfig) -> epath.Path:
    """Writes report/index.html, and beside it a film of every example.

    Returns:
      The path of the page.

    Raises:
      ConfigError: `report.run` names a run that was not evaluated.
      ArtifactError: a file that is there but cannot be used.
    """
    work = Workdir(cfg.workdir)
    walk = gather(work, allow_missing=cfg.eval.allow_missing)
    rows = [result for result, _ in walk.results]
    sections = (summary.section(rows, walk.dataset), _examples(walk, cfg),
                curves.section(_logged(work, _folders(work.path / "runs")), _logged(work, _convnets(work))),
                _classes(walk, summary.final(rows)), local.section(walk.maps), settings.section(walk.configs))
    opening = summary.opening(rows, walk.dataset, missing=len(walk.missing))
    path = work.report / "index.html"
    files.write_bytes(path, page.render(opening._replace(sections=sections)).encode())
    _forget_films(work.report / "videos", {card.film for card in sections[1].examples})
    print(f"report: {len(walk.results)} results, {len(sections[1].examples)} examples", flush=True)
    return path


# ---- reading ----------------------------------------------------------------------------------------------------


def gather(work: Workdir, *, allow_missing: bool = False) -> Walk:
    """Reads everything but videos, frame scores and attention."""
    dataset = artifacts.load_dataset(work.dataset) if work.dataset.exists() else None
    known = dataset is not None and not allow_missing
    missing = artifacts.load_missing(work, dataset.classes) if known else np.zeros(0, np.int32)
    truth: dict[str, list[Detection]] = {}
    for true in artifacts.load_detections(work.truth) if work.truth.exists() else []:
        truth.setdefault(true.video, []).append(true)
    folders = [*_convnets(work), *_folders(work.path / "runs")]
    configs = {_name(work, folder): files.read_json(folder / "config.json") for folder in folders
               if (folder / "config.json").exists()}
    maps = {folder.name: files.read_json(folder / "map.json") for folder in _folders(work.path / "runs")
            if (folder / "map.json").exists()}
    results = []
    for folder in folders:
        if (folder / "scores.npz").exists():
            name = _name(work, folder)
            kind = "ConvNet" if name.startswith("convnet-") else "recurrent" if name in configs else "comparison"
            scores = artifacts.load_scores(folder / "scores.npz")
            about = settings.reads(name, configs.get(name))
            results.append((_result(name, kind, about, scores, maps.get(name), missing), scores))
    fused = work.path / "fused"
    for path in sorted(fused.glob("*.npz")) if fused.exists() else []:
        scores = artifacts.load_scores(path)
        results.append((_result(path.stem, "fusion", "scores", scores, None, missing), scores))
    return Walk(work, dataset, tuple(results), configs, maps, truth, missing)


def _convnets(work: Workdir) -> list[epath.Path]:
    return [work.convnet(stream) for stream in STREAMS]


def _folders(path: epath.Path) -> list[epath.Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir()) if path.exists() else []


def _name(work: Workdir, folder: epath.Path) -> str:
    return folder.name if folder.parent == work.path / "runs" else f"convnet-{folder.name}"


def _result(name: str, kind: str, about: str, scores: Scores, found: dict | None,
            missing: np.ndarray) -> tables.Result:
    total = len(scores.label) + len(missing)
    right = accuracy.top_k(scores.scores, scores.label)
    sure = accuracy.wilson(right, total) if total else accuracy.Interval(0.0, 0.0, 1.0)
    mean = accuracy.mean_class_accuracy(scores.scores, scores.label, missing=missing) if total else 0.0
    return tables.Result(name, kind, about, right, total, sure.low, sure.high, mean, **local.numbers(found))


def _logged(work: Workdir, folders: list[epath.Path]) -> dict[str, list[dict]]:
    """Name -> the rows of metrics.jsonl, of those that were trained."""
    return {_name(work, folder): files.read_jsonl(folder / "metrics.jsonl") for folder in folders
            if (folder / "metrics.jsonl").exists()}


def _forget_films(folder: epath.Path, shown: set[str]) -> None:
    """Deletes the films of an earlier page that this one does not show."""
    for film in folder.glob("*.mp4") if folder.exists() else []:
        if f"{folder.name}/{film.name}" not in shown:
            film.unlink()


def _classes(walk: Walk, final: tables.Result | None) -> page.Section:
    if final is None:
        return classes.section("", np.zeros((0, 0), int), ())
    scores = next(scores for result, scores in walk.results if result is final)
    return classes.section(final.name, accuracy.confusion(scores.scores, scores.label), scores.classes,
                           missing=walk.missing)


# ---- examples ---------------------------------------------------------------------------------------------------


def _examples(walk: Walk, cfg: RunConfig) -> page.Section:
    section = page.Section("examples", "Where it looks")
    if not cfg.report.examples:
        return section._replace(missing=("No example is shown, since report.examples is 0.",))
    name = _shown_run(walk, cfg)
    if name is None or walk.dataset is None:
        return section._replace(missing=("No run has been evaluated on whole videos yet; the stage evaluate does it, "
                                         "after prepare, extract and train.",))
    scores = next(scores for result, scores in walk.results if (result.name, result.kind) == (name, "recurrent"))
    found = walk.work.run(name) / "tubes.jsonl"
    tubes = choose.best_tubes(artifacts.load_detections(found)) if found.exists() else {}
    missing = []
    if not _attends(walk, name):
        missing.append(f"{name} has no attention, so there is nothing to see of where it looks; alstm, convalstm, "
                       "motion_alstm and videolstm have.")
    elif not tubes:
        missing.append(f"{name} has no boxes yet; the stage localize makes them from its attention.")
    if not walk.truth:
        missing.append("There are no true boxes; the stage prepare writes truth.jsonl where a data set has them.")
    listed = {video.name: video for video in walk.dataset.videos}
    cards = []
    for row in choose.videos(scores.label, scores.scores.argmax(1), scores.scores.max(1), cfg.report.examples):
        video = scores.videos[row]
        try:
            cards.append(_card(walk, cfg, name, listed[video], scores, row, tubes.get(video)))
        except (KeyError, BadVideo):
            missing.append(f"{video} is left out: its file is not as it was when the stage prepare read it.")
    words = (f"Test videos as {name} saw them: the frame, the attention over it, and the boxes.", choose.RULE)
    return section._replace(words=words if cards else (), examples=tuple(cards), missing=tuple(missing))


def _attends(walk: Walk, name: str) -> bool:
    return walk.configs[name].get("config", {}).get("model", {}).get("cell") not in ("lstm", "convlstm")


def _shown_run(walk: Walk, cfg: RunConfig) -> str | None:
    """The run whose attention is shown, see `config.ReportConfig`."""
    runs = {result.name: result for result, _ in walk.results if result.kind == "recurrent"}
    if cfg.report.run:
        if cfg.report.run not in runs:
            raise ConfigError(f"report.run is {cfg.report.run!r}; expected one of {', '.join(runs) or 'no run yet'}")
        return cfg.report.run
    able = [name for name in runs if (walk.work.run(name) / "videos").exists()]
    return max(able, key=lambda name: (_attends(walk, name), name in walk.maps, runs[name].about.startswith("RGB"),
                                       runs[name].accuracy), default=None)


def _pass(walk: Walk, name: str, video: Video) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Frame scores [L', C] and attention [L', N, N] of one video, as far as there are any."""
    path = walk.work.passes(name, video.name)
    if not path.exists():
        return None, None
    if not _attends(walk, name):
        return files.read_arrays(path, "scores")[0], None
    return files.read_arrays(path, "scores", "attention")


def _card(walk: Walk, cfg: RunConfig, name: str, video: Video, scores: Scores, row: int,
          found: Detection | None) -> page.Example:
    """Draws one example and writes its film."""
    chosen = walk.configs[name].get("config", {})
    data, how = chosen.get("data", {}), chosen.get("localize", {})
    frames = decode.read(video.path, fps=data.get("fps", cfg.data.fps), max_frames=FILM_FRAMES)
    frame_scores, attention = _pass(walk, name, video)
    length = min([len(frames)] + [len(part) for part in (frame_scores, attention) if part is not None])
    width, height = size = overlay.display_size(video.width, video.height, example.SIDE)
    heat = None if attention is None else saliency(
        attention[:length], (height, width), sigma=how.get("sigma", cfg.localize.sigma),
        normalise=how.get("normalise", cfg.localize.normalise))
    truth = tuple(true.tube for true in walk.truth.get(video.name, []))
    looks = {} if attention is None else _looks(attention[:length], truth, video)
    facts = [("Length", f"{video.frames} frames, {video.frames / video.fps:.1f} s")]
    if found is not None and truth:
        facts.append(("Mean frame IoU", f"{frame_overlaps(found.tube, truth).mean():.2f}"))
    seen = example.Seen(video.name, int(scores.label[row]), scores.classes, video.fps, (video.width, video.height),
                        overlay.resized(frames[:length], size), heat,
                        None if frame_scores is None else frame_scores[:length], scores.scores[row],
                        None if found is None else found.tube, truth, tuple(facts), looks,
                        _states(walk, name, video))
    film = example.panels(seen)
    address = f"videos/{video.name.replace(os.sep, '-')}.mp4"
    encode.write(walk.work.report / address, film, video.fps)
    return example.example(seen, film, address)


def _looks(attention: np.ndarray, truth: Sequence[Tube], video: Video) -> dict[str, np.ndarray]:
    """What attention does frame by frame, by the names on the page."""
    each = trace(attention)
    named = {"entropy": each.entropy, "peak": each.peak, "drift": each.drift}
    if truth:
        covered = covered_cells(truth, (video.height, video.width), len(attention), attention.shape[1])
        named |= dict(zip(("in the true box", example.AREA), frames_inside(attention, covered), strict=True))
    return named


def _states(walk: Walk, name: str, video: Video) -> States | None:
    """The state maps that evaluate kept, if any."""
    path = walk.work.states(name, video.name)
    if not path.exists():
        return None
    kind, *maps = files.read_arrays(path, "kind", "mean", "channel", "maps")
    return States(str(kind), *maps)
