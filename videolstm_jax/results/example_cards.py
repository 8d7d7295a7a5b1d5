"""The examples of a page: test videos with predictions, attention and boxes, and their films."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from videolstm_jax import files
from videolstm_jax.errors import ConfigError, VideoError
from videolstm_jax.localize.baselines import box_coverage_by_tubes
from videolstm_jax.measure.attention_stats import attention_mass_inside, frame_stats
from videolstm_jax.measure.tube_errors import frame_overlaps
from videolstm_jax.report import choose, example, page
from videolstm_jax.report.pictures.predicted import PredictedVideo, Renderer
from videolstm_jax.report.pictures.states import States
from videolstm_jax.results import work_contents
from videolstm_jax.video.film import write_film

if TYPE_CHECKING:
    from videolstm_jax.config import ReportConfig
    from videolstm_jax.results.work_contents import WorkFolderContents
    from videolstm_jax.types import NDArray, Tube, Video
    from videolstm_jax.workdir.layout import Workdir


def examples_section(work_folder: WorkFolderContents, cfg: ReportConfig) -> page.Section:
    """Draws the examples of one run, and writes a film of each into report/videos.

    A page without attention or boxes is still useful: what is absent is named, not an error.

    Args:
      work_folder: what the stages have written so far.
      cfg: `examples`, how many, and `run`, of which run.

    Raises:
      ConfigError: `run` names a run that was not evaluated.
      FileError: a file of the run exists but cannot be used.
    """
    # Named as readers ask, since a page has no glossary beside it.
    section = page.Section("examples", "Where it looks")
    if not cfg.examples:
        return section._replace(notices=("No example is shown, since report.examples is 0.",))
    name = _shown_run(work_folder, cfg.run)
    if name is None or work_folder.dataset is None:
        notice = (
            "No run has been evaluated on whole videos yet. The stage evaluate does it, after "
            "prepare, extract and train."
        )
        return section._replace(notices=(notice,))
    tubes = work_contents.load_localized_tubes(work_folder.work, name)
    notices = _absent_inputs(work_folder, name, tubes)
    cards = []
    for video, scores in _chosen_videos(work_folder, name, cfg.examples):
        # One file that changed must not cost the page of all others.
        try:
            cards.append(_card(work_folder, name, video, scores, tubes.get(video.name, ())))
        except VideoError:
            notices.append(
                f"{video.name} is left out: its file has changed since the stage prepare read it."
            )
    paragraphs = ()
    if cards:
        caption = (
            f"Test videos with the predictions of {name}: the frame, the attention, the boxes."
        )
        paragraphs = (caption, choose.RULE)
    return section._replace(paragraphs=paragraphs, examples=tuple(cards), notices=tuple(notices))


# ---- what is shown -------------------------------------------------------------------------------


def _shown_run(work_folder: WorkFolderContents, chosen: str) -> str | None:
    """The run whose examples are shown: the user's choice, or else the most informative one.

    Preferred are runs with attention, then with tubes, then RGB, then of higher accuracy. RGB comes
    before accuracy because readers recognise what attention lies on.
    """
    runs = {}
    for row, _ in work_folder.results:
        # Backbones and fusions have no frames of their own to show.
        if row.kind == "recurrent":
            runs[row.name] = row
    if chosen:
        if chosen not in runs:
            names = ", ".join(runs) or "no run yet"
            raise ConfigError(f"report.run is {chosen!r}; expected one of {names}")
        return chosen

    # Tuples compare field by field, and False comes before True.
    def preference(name: str) -> tuple[bool, bool, bool, float]:
        reads_rgb = runs[name].inputs.startswith("RGB")
        return (
            work_folder.run(name).attends,
            name in work_folder.maps,
            reads_rgb,
            runs[name].accuracy,
        )

    evaluated_runs = []
    for name in runs:
        if (work_folder.work.run(name) / "videos").exists():
            evaluated_runs.append(name)
    # Of equal runs the first of the table, so that the page is the same each time.
    return max(evaluated_runs, key=preference, default=None)


def _chosen_videos(
    work_folder: WorkFolderContents, name: str, count: int
) -> list[tuple[Video, NDArray]]:
    """The test videos that the rule of the page chooses, with their scores [C]."""
    video_of = {video.name: video for video in work_folder.dataset.videos}
    scores = work_folder.scores_of(name, "recurrent")
    predicted, confidence = scores.scores.argmax(1), scores.scores.max(1)
    rows = choose.choose_page_videos(scores.label, predicted, confidence, count)
    chosen = []
    for row in rows:
        video = video_of[scores.videos[row]]
        chosen.append((video, scores.scores[row]))
    return chosen


def _absent_inputs(
    work_folder: WorkFolderContents, name: str, tubes: Mapping[str, tuple[Tube, ...]]
) -> list[str]:
    """Notices on attention and boxes that the examples cannot show."""
    notices = []
    if not work_folder.run(name).attends:
        notices.append(
            f"{name} has no attention, because its cell does not attend; there is no map to show."
        )
    elif not tubes:
        notices.append(
            f"{name} has no boxes yet. The stage localize makes them from its attention."
        )
    if not work_folder.truth:
        notices.append(
            "There are no true boxes. The stage prepare writes truth.jsonl if a data set has them."
        )
    return notices


# ---- one example ---------------------------------------------------------------------------------


def _card(
    work_folder: WorkFolderContents,
    name: str,
    video: Video,
    scores: NDArray,
    detections: tuple[Tube, ...],
) -> page.Example:
    """Draws one example and writes its film."""
    run = work_folder.run(name)
    truth = work_folder.truth.get(video.name, ())
    prediction, attention = work_contents.load_evaluated_prediction(
        run,
        video,
        work_folder.dataset.classes,
        detections=detections,
        truth=truth,
        best_by_segments=int(scores.argmax()),
    )
    # One folder for all films: names of videos contain their class as a folder.
    address = f"videos/{video.name.replace(os.sep, '-')}.mp4"
    frames = write_film(
        work_folder.work.report / address,
        video,
        Renderer(prediction, example.FILM_SIDE).card,
        # The rate that the model was trained at: its frames are those that have scores.
        fps=run.fps,
        keep=example.shown_page_frames(video.frames),
    )
    curves = None
    if attention is not None:
        curves = _curves(attention, truth, video, run.fit)
    card = example.CardData(
        scores=scores,
        frames=frames,
        film=address,
        facts=_facts(prediction),
        attention_curves=curves,
        states=_states(work_folder.work, name, video),
    )
    return example.example_card(prediction, card)


def _facts(prediction: PredictedVideo) -> tuple[tuple[str, str], ...]:
    video = prediction.video
    facts = [("Length", f"{video.frames} frames, {video.frames / video.fps:.1f} s")]
    if prediction.detections and prediction.truth:
        heading = "Mean frame IoU"
        # The tubes are sorted: the first has the highest score.
        if len(prediction.detections) > 1:
            heading += ", best tube"
        overlap = frame_overlaps(prediction.detections[0], prediction.truth).mean()
        facts.append((heading, f"{overlap:.2f}"))
    return tuple(facts)


def _curves(
    attention: NDArray, truth: Sequence[Tube], video: Video, fit: str
) -> dict[str, NDArray]:
    """Statistics of the attention [L', N, N] frame by frame, by their names on the page."""
    stats = frame_stats(attention)
    curves_by_name = {"entropy": stats.entropy, "peak": stats.peak, "drift": stats.drift}
    if truth:
        size, (length, cells) = (video.height, video.width), attention.shape[:2]
        mass, area = attention_mass_inside(
            attention, box_coverage_by_tubes(truth, size, length, cells, fit)
        )
        curves_by_name |= {"in the true box": mass, example.BOX_AREA: area}
    return curves_by_name


def _states(work: Workdir, name: str, video: Video) -> States | None:
    """The state maps that evaluate saved, if it did."""
    path = work.states(name, video.name)
    # They are large, so `evaluate` writes them only where the settings ask for them.
    if not path.exists():
        return None
    kind, mean, channel, maps = files.read_arrays(path, "kind", "mean", "channel", "maps")
    return States(str(kind), mean, channel, maps)
