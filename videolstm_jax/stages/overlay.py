"""The stage `overlay`: films and strips of test videos with attention, boxes and scores.

It reads what `evaluate` and `localize` kept of the run, and loads no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from etils import epath

from videolstm_jax import files
from videolstm_jax.config import OverlayConfig
from videolstm_jax.errors import FileError
from videolstm_jax.lock.file_writer import file_writer
from videolstm_jax.report import choose
from videolstm_jax.report.pictures import encoded
from videolstm_jax.report.pictures.predicted import PredictedVideo, Renderer
from videolstm_jax.results import work_contents
from videolstm_jax.trained.run_record import RunRecord
from videolstm_jax.types import Dataset, Tube, Video
from videolstm_jax.video.film import write_film
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir, workdir_of_run
from videolstm_jax.workdir.scores_npz import load_scores


class _RunResults(NamedTuple):
    """What is drawn of a run.

    `tubes` and `truth` are the detected and the true tubes by video. `labels` has the class that
    the segments of each video give.
    """

    run: RunRecord
    classes: tuple[str, ...]
    tubes: dict[str, tuple[Tube, ...]]
    truth: dict[str, tuple[Tube, ...]]
    labels: dict[str, int]

    def prediction(self, video: Video) -> PredictedVideo:
        """What the run predicted for one test video."""
        prediction, _ = work_contents.load_evaluated_prediction(
            self.run,
            video,
            self.classes,
            detections=self.tubes.get(video.name, ()),
            truth=self.truth.get(video.name, ()),
            best_by_segments=self.labels.get(video.name),
        )
        return prediction


def run(cfg: OverlayConfig) -> epath.Path:
    """Writes overlays/<run>/<Class>-<stem>.mp4 and a film strip .png of the same name.

    Frames are read and drawn one at a time, so a video of any length and size can be shown.

    Returns:
      The folder of the pictures.

    Raises:
      FileError: the run was not evaluated, the data set does not list a video, or another process
        draws the same video.
      VideoError: a file cannot be read, or has changed since `prepare` read it.
    """
    work, name = workdir_of_run(cfg.run)
    dataset = load_dataset(work.dataset)
    names = cfg.videos or _chosen_names(work, name, cfg.examples)
    videos = _listed_videos(work, dataset, names)
    results = _RunResults(
        run=RunRecord.read(work, name),
        classes=dataset.classes,
        tubes=work_contents.load_localized_tubes(work, name),
        truth=work_contents.load_truth_of_results(work),
        labels=_labels_by_segments(work, name),
    )
    folder = work.path / "overlays" / name
    for video in videos:
        # One folder for all films: names of videos contain their class as a folder.
        path = folder / f"{video.name.replace('/', '-')}.mp4"
        # A lock for each film, so that other films of the run may be drawn at the same time.
        with file_writer(path, "overlay"), file_writer(path.with_suffix(".png"), "overlay"):
            _draw(results, video, path, cfg.side)
        print(f"overlay: {path}", flush=True)
    return folder


def _draw(results: _RunResults, video: Video, path: epath.Path, side: int) -> None:
    """Writes the film of a video, and its strip beside it."""
    prediction = results.prediction(video)
    # The strip keeps its few frames while the film is drawn: the video is decoded once.
    large, small = Renderer(prediction, side), Renderer(prediction, side // 2)
    frames = write_film(path, video, large.card, fps=results.run.fps, keep=small.strip_frames())
    files.write_bytes(path.with_suffix(".png"), encoded.still_of_picture(small.strip(frames)))


def _listed_videos(work: Workdir, dataset: Dataset, names: Sequence[str]) -> list[Video]:
    """The videos of these names; all are looked up before the first is drawn."""
    video_of = {video.name: video for video in dataset.videos}
    # A misspelt name is refused before films of the others are drawn, which takes minutes.
    for name in names:
        if name not in video_of:
            example = next(iter(video_of))
            raise FileError(
                f"{work.dataset} does not list {name}; expected a name such as {example}"
            )
    return [video_of[name] for name in names]


def _labels_by_segments(work: Workdir, name: str) -> dict[str, int]:
    """The class that the segments of each test video give; of none without scores."""
    path = work.scores(name)
    if not path.exists():
        # The film then names the class of the frame scores.
        return {}
    scores = load_scores(path)
    return dict(zip(scores.videos, scores.scores.argmax(1).tolist(), strict=True))


def _chosen_names(work: Workdir, name: str, count: int) -> tuple[str, ...]:
    """Names of test videos, chosen by the rule of the page."""
    scores = load_scores(work.scores(name))
    predicted, confidence = scores.scores.argmax(1), scores.scores.max(1)
    rows = choose.choose_page_videos(scores.label, predicted, confidence, count)
    return tuple(scores.videos[row] for row in rows)
