"""The page of pictures: reads whatever the other stages left, and says which stage would make what is absent."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from etils import epath

from videolstm_jax import artifacts
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import STREAMS, ConfigError, RunConfig
from videolstm_jax.localize.saliency import saliency
from videolstm_jax.measure import accuracy
from videolstm_jax.measure.errors import frame_overlaps
from videolstm_jax.report import choose, classes, curves, example, local, overlay, page, settings, tables
from videolstm_jax.types import Dataset, Detection, Scores, Video
from videolstm_jax.video import decode, encode

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


def run(cfg: RunConfig) -> epath.Path:
    """Writes report/index.html, and beside it a film of every example.

    Returns:
      The path of the page.

    Raises:
      ConfigError: `report.run` names a run that was not evaluated.
      ArtifactError: a file that is there but cannot be used.
    """
    work = Workdir(cfg.workdir)
    walk = gather(work)
    final = _final(walk)
    counts = (final[0].name, accuracy.confusion(final[1].scores, final[1].label), final[1].classes) if final else None
    sections = (_results(walk), _examples(walk, cfg),
                curves.section(_logged(work, _folders(work.path / "runs")), _logged(work, _convnets(work))),
                classes.section(*(counts or ("", np.zeros((0, 0)), ()))), local.section(walk.maps),
                settings.section(walk.configs))
    path = walk.work.report / "index.html"
    artifacts.write_bytes(path, page.render(_page(walk, sections)).encode())
    print(f"report: {len(walk.results)} results, {len(sections[1].examples)} examples", flush=True)
    return path


# ---- reading ----------------------------------------------------------------------------------------------------


def gather(work: Workdir) -> Walk:
    """Reads everything but videos, frame scores and attention."""
    dataset = artifacts.load_dataset(work.dataset) if work.dataset.exists() else None
    truth: dict[str, list[Detection]] = {}
    for true in artifacts.load_detections(work.truth) if work.truth.exists() else []:
        truth.setdefault(true.video, []).append(true)
    folders = [*_convnets(work), *_folders(work.path / "runs")]
    configs = {_name(work, folder): artifacts.read_json(folder / "config.json") for folder in folders
               if (folder / "config.json").exists()}
    maps = {folder.name: artifacts.read_json(folder / "map.json") for folder in _folders(work.path / "runs")
            if (folder / "map.json").exists()}
    results = []
    for folder in folders:
        if (folder / "scores.npz").exists():
            name = _name(work, folder)
            kind = "recurrent" if folder.parent.name == "runs" else "ConvNet"
            scores = artifacts.load_scores(folder / "scores.npz")
            results.append((_result(name, kind, _reads(name, configs.get(name)), scores, maps.get(name)), scores))
    fused = work.path / "fused"
    for path in sorted(fused.glob("*.npz")) if fused.exists() else []:
        scores = artifacts.load_scores(path)
        results.append((_result(path.stem, "fusion", "scores", scores, None), scores))
    return Walk(work, dataset, tuple(results), configs, maps, truth)


def _convnets(work: Workdir) -> list[epath.Path]:
    return [work.convnet(stream) for stream in STREAMS]


def _folders(path: epath.Path) -> list[epath.Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir()) if path.exists() else []


def _name(work: Workdir, folder: epath.Path) -> str:
    return folder.name if folder.parent == work.path / "runs" else f"convnet-{folder.name}"


def _reads(name: str, config: dict | None) -> str:
    """A few words on what a model reads, from its configuration."""
    if name.startswith("convnet-"):
        return "RGB" if name.endswith("rgb") else "flow"
    chosen = (config or {}).get("config", {})
    stream, cell = chosen.get("data", {}).get("stream"), chosen.get("model", {}).get("cell", "")
    if stream is None:
        return ""
    return "flow" if stream == "flow" else "RGB + flow" if cell in ("motion_alstm", "videolstm") else "RGB"


def _result(name: str, kind: str, about: str, scores: Scores, found: dict | None) -> tables.Result:
    total = len(scores.label)
    right = accuracy.top_k(scores.scores, scores.label)
    sure = accuracy.wilson(right, total) if total else accuracy.Interval(0.0, 0.0, 1.0)
    mean = accuracy.mean_class_accuracy(scores.scores, scores.label) if total else 0.0
    return tables.Result(name, kind, about, right, total, sure.low, sure.high, mean, **local.numbers(found))


# ---- the parts of the page --------------------------------------------------------------------------------------


def _final(walk: Walk) -> tuple[tables.Result, Scores] | None:
    """What the headline and the confusion matrix are of: a fusion where there is one, else the best model."""
    for kind in ("fusion", "recurrent", "ConvNet"):
        same = [pair for pair in walk.results if pair[0].kind == kind and pair[0].total]
        if same:
            return max(same, key=lambda pair: pair[0].correct / pair[0].total)
    return None


def _page(walk: Walk, sections: tuple[page.Section, ...]) -> page.Page:
    final = _final(walk)
    facts, lead = [], []
    if walk.dataset:
        videos = walk.dataset.videos
        count = {part: sum(video.part == part for video in videos) for part in ("train", "valid", "test")}
        facts = [(f"{len(walk.dataset.classes)}", "classes"), (f"{len(videos):,}", "videos"),
                 (f"{len({video.group for video in videos}):,}", "groups"), (f"{count['train']:,}", "to train on"),
                 (f"{count['test']:,}", "to test on")]
        if count["valid"]:
            facts.insert(4, (f"{count['valid']:,}", "to validate on"))
    if final is None:
        headline = "Nothing has been evaluated yet"
        lead = ["Once the stages fit_convnet, train and evaluate have run, this page says how many test videos are "
                "named correctly, and where the models looked."]
    else:
        result = final[0]
        headline = f"{result.correct} of {result.total} test videos are named correctly"
        lead = [f"{result.name} is right on {tables.percent(result.accuracy)} (95 % interval "
                f"{100 * result.low:.1f} to {100 * result.high:.1f} %). A guess among {len(final[1].classes)} classes "
                f"is right on {tables.percent(1 / len(final[1].classes))}."]
    return page.Page("VideoLSTM report", headline, tuple(lead), tuple(facts), sections)


def _results(walk: Walk) -> page.Section:
    kinds = {result.kind for result, _ in walk.results}
    missing = [words for kind, words in (
        ("ConvNet", "The ConvNets have no scores yet; the stage fit_convnet makes them."),
        ("recurrent", "No recurrent model has scores yet; the stages train and evaluate make them."),
        ("fusion", "No fusion yet; the stage fuse multiplies the scores of several runs.")) if kind not in kinds]
    if walk.dataset is None:
        missing.insert(0, "There is no list of videos; the stage prepare writes it.")
    table = (tables.results([result for result, _ in walk.results]),) if walk.results else ()
    return page.Section("results", "Results", tables=table, missing=tuple(missing))


def _logged(work: Workdir, folders: list[epath.Path]) -> dict[str, list[dict]]:
    """Name -> the rows of metrics.jsonl, of those that were trained."""
    return {_name(work, folder): artifacts.read_jsonl(folder / "metrics.jsonl") for folder in folders
            if (folder / "metrics.jsonl").exists()}


# ---- examples ---------------------------------------------------------------------------------------------------


def _examples(walk: Walk, cfg: RunConfig) -> page.Section:
    section = page.Section("examples", "Where it looks")
    if not cfg.report.examples:
        return section._replace(missing=("report.examples is 0: none are shown.",))
    name = _shown_run(walk, cfg)
    if name is None or walk.dataset is None:
        return section._replace(missing=("No run has been evaluated on whole videos yet; the stage evaluate does it, "
                                         "after prepare, extract and train.",))
    scores = next(scores for result, scores in walk.results if (result.name, result.kind) == (name, "recurrent"))
    tubes: dict[str, Detection] = {}
    path = walk.work.run(name) / "tubes.jsonl"
    for found in artifacts.load_detections(path) if path.exists() else []:
        best = tubes.get(found.video)
        tubes[found.video] = found if best is None or found.score > best.score else best
    predicted = scores.scores.argmax(1)
    rows = choose.videos(scores.label, predicted, scores.scores.max(1), cfg.report.examples)
    listed = {video.name: video for video in walk.dataset.videos}
    cards, missing = [], []
    if not tubes:
        missing.append(f"{name} has no boxes yet; the stage localize makes them from its attention.")
    if not walk.truth:
        missing.append("There are no true boxes; the stage prepare writes truth.jsonl where a data set has them.")
    for row in rows:
        video = listed.get(scores.videos[row])
        if video is None or not epath.Path(video.path).exists():
            missing.append(f"{scores.videos[row]} is left out: its video file is not where it was when prepare ran.")
            continue
        cards.append(_card(walk, cfg, name, video, scores, row, tubes.get(video.name)))
    words = (f"Test videos as {name} saw them: the frame, the attention over it, and the boxes.", choose.RULE)
    return section._replace(words=words, examples=tuple(cards), missing=tuple(missing))


def _shown_run(walk: Walk, cfg: RunConfig) -> str | None:
    """The run whose attention is shown, see `config.ReportConfig`."""
    runs = {result.name: result for result, _ in walk.results if result.kind == "recurrent"}
    if cfg.report.run:
        if cfg.report.run not in runs:
            raise ConfigError(f"report.run is {cfg.report.run!r}; expected one of {', '.join(runs) or 'no run yet'}")
        return cfg.report.run
    able = [name for name in runs if (walk.work.run(name) / "videos").exists()]
    return max(able, key=lambda n: (n in walk.maps, runs[n].about.startswith("RGB"), runs[n].accuracy), default=None)


def _card(walk: Walk, cfg: RunConfig, name: str, video: Video, scores: Scores, row: int,
          found: Detection | None) -> page.Example:
    """Draws one example and writes its film."""
    data = walk.configs.get(name, {}).get("config", {}).get("data", {})
    size = overlay.display_size(video.width, video.height, example.SIDE)
    frames = decode.read(video.path, fps=data.get("fps", cfg.data.fps), max_frames=FILM_FRAMES)
    frame_scores = attention = None
    path = walk.work.passes(name, video.name)
    if path.exists():
        with np.load(path, allow_pickle=False) as file:
            frame_scores, attention = file.get("scores"), file.get("attention")
    length = min([len(frames)] + [len(part) for part in (frame_scores, attention) if part is not None])
    how = walk.configs.get(name, {}).get("config", {}).get("localize", {})
    shown = None if attention is None else saliency(
        attention[:length], (size[1], size[0]), sigma=how.get("sigma", cfg.localize.sigma),
        normalise=how.get("normalise", cfg.localize.normalise))
    truth = tuple(true.tube for true in walk.truth.get(video.name, []))
    facts = [("Length", f"{video.frames} frames, {video.frames / video.fps:.1f} s")]
    if found is not None and truth:
        facts.append(("Mean frame IoU", f"{frame_overlaps(found.tube, truth).mean():.2f}"))
    seen = example.Seen(video.name, int(scores.label[row]), scores.classes, video.fps, (video.width, video.height),
                        overlay.resized(frames[:length], size), shown,
                        None if frame_scores is None else frame_scores[:length], scores.scores[row],
                        None if found is None else found.tube, truth, tuple(facts))
    film = example.panels(seen)
    address = f"videos/{video.name.replace(os.sep, '-')}.mp4"
    encode.write(walk.work.report / address, film, video.fps)
    return example.example(seen, film, address)
