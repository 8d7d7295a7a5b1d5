"""The stage `report`: one HTML page with the results, training curves and examples.

The page shows what the other stages have written so far, and names the stages that would add the
rest.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import RunConfig
from videolstm_jax.errors import ConfigError, VideoError
from videolstm_jax.localize.baselines import covered_cells
from videolstm_jax.measure import accuracy
from videolstm_jax.measure.attention_stats import frame_stats, mass_inside
from videolstm_jax.measure.tube_errors import frame_overlaps
from videolstm_jax.report import choose, classes, curves, example, local, page, settings, summary
from videolstm_jax.report.pictures.predicted import PredictedVideo, Renderer
from videolstm_jax.report.pictures.states import States
from videolstm_jax.report.tables import Result
from videolstm_jax.trained import work_contents
from videolstm_jax.trained.work_contents import WorkFolderContents
from videolstm_jax.types import Scores, Tube, Video
from videolstm_jax.video.film import film


def run(cfg: RunConfig) -> epath.Path:
    """Writes report/index.html, and a film of every example into report/videos.

    Returns:
      The path of the page.

    Raises:
      ConfigError: `report.run` names a run that was not evaluated.
      FileError: a file exists but cannot be used, or a model was trained on some of the test
        videos, unless `eval.allow_trained`.
    """
    work = Workdir(cfg.workdir)
    contents = work_contents.read_contents(
        work, allow_missing=cfg.eval.allow_missing, allow_trained=cfg.eval.allow_trained
    )
    rows = [result for result, _ in contents.results]
    examples = _examples(contents, cfg)
    sections = (
        _results(contents, rows),
        examples,
        curves.section(*work_contents.load_metrics(work)),
        _classes(contents, summary.headline_result(rows)),
        local.section(contents.maps),
        settings.section(contents.configs),
    )
    opening = summary.opening(
        rows,
        contents.dataset,
        missing=len(contents.unread),
        constant=_constant_answer(contents),
    )
    html = page.render(opening._replace(sections=sections))
    path = work.report / "index.html"
    files.write_bytes(path, html.encode())
    _remove_other_films(work.report / "videos", {card.film for card in examples.examples})
    print(f"report: {len(rows)} results, {len(examples.examples)} examples", flush=True)
    return path


def _constant_answer(contents: WorkFolderContents) -> summary.ConstantAnswer | None:
    """The answer that is right most often without a look at any video."""
    dataset = contents.dataset
    if dataset is None:
        return None
    train = np.array([video.label for video in dataset.videos if video.part == "train"], int)
    test = np.array([video.label for video in dataset.videos if video.part == "test"], int)
    baseline = accuracy.majority_baseline(train, test)
    # A pool of several pipelines has no training list of its own.
    source = "training" if len(train) else "test"
    return summary.ConstantAnswer(dataset.classes[baseline.label], baseline.right, source)


def _results(contents: WorkFolderContents, rows: Sequence[Result]) -> page.Section:
    section = summary.section(rows, contents.dataset)
    notices = list(section.notices)
    for name in contents.outdated:
        notices.append(
            f"{name} is left out: its scores are of other videos or classes than the test list "
            "has. Run the stage that wrote them again."
        )
    for name, config in contents.configs.items():
        for warning in config.get("warnings", ()):
            notices.append(f"{name}: {warning}.")
    return section._replace(notices=tuple(notices))


def _classes(contents: WorkFolderContents, result: Result | None) -> page.Section:
    if result is None:
        return classes.section("", np.zeros((0, 0), int), ())
    scores = _scores_of(contents, result.name, result.kind)
    counts = accuracy.confusion_counts(scores.scores, scores.label)
    return classes.section(result.name, counts, scores.classes, missing=contents.unread)


def _scores_of(contents: WorkFolderContents, name: str, kind: str) -> Scores:
    """The scores of a row of the table; a run and a fusion may share a name."""
    for result, scores in contents.results:
        if (result.name, result.kind) == (name, kind):
            return scores
    raise KeyError(name)


def _remove_other_films(folder: epath.Path, shown: set[str]) -> None:
    """Deletes the films of an earlier page that this page does not show."""
    for path in folder.glob("*.mp4") if folder.exists() else []:
        if f"{folder.name}/{path.name}" not in shown:
            path.unlink()


# ---- examples ------------------------------------------------------------------------------------


def _examples(contents: WorkFolderContents, cfg: RunConfig) -> page.Section:
    section = page.Section("examples", "Where it looks")
    if not cfg.report.examples:
        return section._replace(notices=("No example is shown, since report.examples is 0.",))
    name = _shown_run(contents, cfg.report.run)
    if name is None or contents.dataset is None:
        notice = (
            "No run has been evaluated on whole videos yet. The stage evaluate does it, after "
            "prepare, extract and train."
        )
        return section._replace(notices=(notice,))
    tubes = work_contents.load_best_tubes(contents.work, name)
    # A page without attention or boxes is still useful: what is absent is named, not an error.
    notices = _absent_inputs(contents, name, tubes)
    videos = {video.name: video for video in contents.dataset.videos}
    scores = _scores_of(contents, name, "recurrent")
    predicted, confidence = scores.scores.argmax(1), scores.scores.max(1)
    cards = []
    for row in choose.videos(scores.label, predicted, confidence, cfg.report.examples):
        video = videos[scores.videos[row]]
        # One file that changed must not cost the page of all others.
        try:
            detections = tubes.get(video.name, ())
            cards.append(_card(contents, name, video, scores.scores[row], detections))
        except VideoError:
            notices.append(
                f"{video.name} is left out: its file has changed since the stage prepare read it."
            )
    caption = f"Test videos with the predictions of {name}: the frame, the attention, the boxes."
    return section._replace(
        paragraphs=(caption, choose.RULE) if cards else (),
        examples=tuple(cards),
        notices=tuple(notices),
    )


def _absent_inputs(
    contents: WorkFolderContents, name: str, tubes: dict[str, tuple[Tube, ...]]
) -> list[str]:
    """Notices on attention and boxes that the examples cannot show."""
    notices = []
    if not _attends(contents, name):
        notices.append(
            f"{name} has no attention, because its cell does not attend; there is no map to show."
        )
    elif not tubes:
        notices.append(
            f"{name} has no boxes yet. The stage localize makes them from its attention."
        )
    if not contents.truth:
        notices.append(
            "There are no true boxes. The stage prepare writes truth.jsonl if a data set has them."
        )
    return notices


def _attends(contents: WorkFolderContents, name: str) -> bool:
    return contents.configs[name].get("attends", False)


def _shown_run(contents: WorkFolderContents, wanted: str) -> str | None:
    """The run whose examples are shown: the user's choice, or else the most informative one.

    Preferred are runs with attention, then with tubes, then RGB, then of higher accuracy. RGB comes
    before accuracy because readers recognise what attention lies on.
    """
    runs = {result.name: result for result, _ in contents.results if result.kind == "recurrent"}
    if wanted:
        if wanted not in runs:
            names = ", ".join(runs) or "no run yet"
            raise ConfigError(f"report.run is {wanted!r}; expected one of {names}")
        return wanted

    def preference(name: str) -> tuple[bool, bool, bool, float]:
        reads_rgb = runs[name].inputs.startswith("RGB")
        return _attends(contents, name), name in contents.maps, reads_rgb, runs[name].accuracy

    evaluated_runs = [name for name in runs if (contents.work.run(name) / "videos").exists()]
    return max(evaluated_runs, key=preference, default=None)


def _card(
    contents: WorkFolderContents,
    name: str,
    video: Video,
    scores: np.ndarray,
    detections: tuple[Tube, ...],
) -> page.Example:
    """Draws one example and writes its film."""
    truth = contents.truth.get(video.name, ())
    prediction, attention = work_contents.load_prediction(
        contents.work,
        name,
        video,
        contents.dataset.classes,
        detections=detections,
        truth=truth,
        best_by_segments=int(scores.argmax()),
    )
    # one folder for all films: names of videos contain their class as a folder
    address = f"videos/{video.name.replace(os.sep, '-')}.mp4"
    frames = film(
        contents.work.report / address,
        video,
        Renderer(prediction, example.FILM_SIDE).card,
        fps=contents.configs[name]["config"]["data"].get("fps", 0.0),
        keep=example.shown_frames(video.frames),
    )
    data = example.CardData(
        scores=scores,
        frames=frames,
        film=address,
        facts=_facts(prediction),
        attention_curves=None if attention is None else _curves(attention, truth, video),
        states=_states(contents.work, name, video),
    )
    return example.example(prediction, data)


def _facts(prediction: PredictedVideo) -> tuple[tuple[str, str], ...]:
    video = prediction.video
    facts = [("Length", f"{video.frames} frames, {video.frames / video.fps:.1f} s")]
    if prediction.detections and prediction.truth:
        overlap = frame_overlaps(prediction.detections[0], prediction.truth).mean()
        suffix = ", best tube" if len(prediction.detections) > 1 else ""
        facts.append((f"Mean frame IoU{suffix}", f"{overlap:.2f}"))
    return tuple(facts)


def _curves(attention: np.ndarray, truth: Sequence[Tube], video: Video) -> dict[str, np.ndarray]:
    """Statistics of the attention [L', N, N] frame by frame, by their names on the page."""
    stats = frame_stats(attention)
    curves_by_name = {"entropy": stats.entropy, "peak": stats.peak, "drift": stats.drift}
    if truth:
        size, (length, cells) = (video.height, video.width), attention.shape[:2]
        mass, area = mass_inside(attention, covered_cells(truth, size, length, cells))
        curves_by_name |= {"in the true box": mass, example.BOX_AREA: area}
    return curves_by_name


def _states(work: Workdir, name: str, video: Video) -> States | None:
    """The state maps that evaluate saved, if it did."""
    path = work.states(name, video.name)
    if not path.exists():
        return None
    kind, mean, channel, maps = files.read_arrays(path, "kind", "mean", "channel", "maps")
    return States(str(kind), mean, channel, maps)
