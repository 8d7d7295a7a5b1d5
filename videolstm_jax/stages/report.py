"""The stage `report`: one HTML page with the results, training curves and examples.

The page shows what the other stages have written so far, and names the stages that would add the
rest. It loads no model: `evaluate` keeps the attention and the frame scores of each test video, and
config.json says what else the page needs of a run. So the page is drawn again in seconds, on a
machine without the features, and shows exactly the attention that the boxes were made of.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from etils import epath

from videolstm_jax import files
from videolstm_jax.clips.balance import labels_of_clip_videos
from videolstm_jax.config import RunConfig
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.measure import accuracy
from videolstm_jax.measure.nearest import SIZE_BASELINE, nearest_size_warning
from videolstm_jax.report import classes, curves, local, page, settings, summary
from videolstm_jax.report.tables import Result
from videolstm_jax.results import work_contents
from videolstm_jax.results.example_cards import examples_section
from videolstm_jax.results.work_contents import WorkFolderContents
from videolstm_jax.workdir.layout import Workdir


def run(cfg: RunConfig) -> epath.Path:
    """Writes report/index.html, and a film of every example into report/videos.

    Returns:
      The path of the page.

    Raises:
      ConfigError: `report.run` names a run that was not evaluated.
      FileError: a file exists but cannot be used, a model was trained on some of the test videos,
        unless `eval.allow_trained`, or another process draws the page.
    """
    work = Workdir(cfg.workdir)
    contents = work_contents.read_results_of_workdir(
        work, allow_missing=cfg.eval.allow_missing, allow_trained=cfg.eval.allow_trained
    )
    with team_writer(work.report, "report", break_lock=cfg.break_lock):
        return _write_page(cfg, work, contents)


def _write_page(cfg: RunConfig, work: Workdir, contents: WorkFolderContents) -> epath.Path:
    """Writes the films and the page, and removes the films of an earlier page."""
    rows = [result for result, _ in contents.results]
    examples = examples_section(contents, cfg.report)
    sections = (
        _results(contents, rows),
        examples,
        curves.section(*work_contents.load_metrics_of_results(work)),
        _classes(contents, summary.page_headline(rows)),
        local.section(contents.maps),
        settings.section(contents.configs),
    )
    opening = summary.page_opening(
        rows,
        contents.dataset,
        missing=len(contents.unread),
        constant=_constant_answer(contents),
    )
    html = page.render_page(opening._replace(sections=sections))
    # After its films, and before those of an earlier page go: no page shows a film that is missing.
    path = work.report / "index.html"
    files.write_bytes(path, html.encode())
    films = {card.film for card in examples.examples}
    _remove_other_films(work.report / "videos", films)
    print(f"report: {len(rows)} results, {len(examples.examples)} examples", flush=True)
    return path


def _constant_answer(contents: WorkFolderContents) -> summary.ConstantAnswer | None:
    """The answer that is right most often without a look at any video."""
    dataset = contents.dataset
    if dataset is None:
        return None
    train, test = (
        labels_of_clip_videos(dataset.listed("train")),
        labels_of_clip_videos(dataset.listed("test")),
    )
    baseline = accuracy.majority_accuracy(train, test)
    source = "training"
    # A pool of several pipelines has no training list of its own.
    if not len(train):
        source = "test"
    return summary.ConstantAnswer(dataset.classes[baseline.label], baseline.right, source)


def _results(contents: WorkFolderContents, rows: Sequence[Result]) -> page.Section:
    # Notices stand in the order in which they weigh: results that are left out, then trainings that
    # failed, then what a data set gives away.
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
    notices += _size_notices(contents, rows)
    return section._replace(notices=tuple(notices))


def _size_notices(contents: WorkFolderContents, rows: Sequence[Result]) -> list[str]:
    """A notice where the baseline on size and length is better than chance."""
    constant = _constant_answer(contents)
    notices = []
    for row in rows:
        if row.name == SIZE_BASELINE and constant is not None:
            baseline = accuracy.MajorityBaseline(0, constant.right, row.total)
            chance = accuracy.chance_accuracy(baseline, len(contents.dataset.classes))
            warning = nearest_size_warning(row.correct, row.total, chance)
            if warning:
                notices.append(f"{row.name}: {warning}.")
    return notices


def _classes(contents: WorkFolderContents, result: Result | None) -> page.Section:
    if result is None:
        return classes.section("", np.zeros((0, 0), int), ())
    # The rows of the table have counts only, and the matrix needs every score.
    scores = contents.scores_of(result.name, result.kind)
    counts = accuracy.confusion_counts(scores.scores, scores.label)
    return classes.section(result.name, counts, scores.classes, missing=contents.unread)


def _remove_other_films(folder: epath.Path, shown: set[str]) -> None:
    """Deletes the films of an earlier page that this page does not show."""
    if not folder.exists():
        return
    for path in folder.glob("*.mp4"):
        if f"{folder.name}/{path.name}" not in shown:
            path.unlink()
