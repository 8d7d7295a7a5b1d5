"""The stage `overlay`: films and strips of test videos with attention, boxes and scores."""

from __future__ import annotations

from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import OverlayConfig
from videolstm_jax.errors import FileError
from videolstm_jax.report import choose
from videolstm_jax.report.pictures import encoded
from videolstm_jax.report.pictures.predicted import Renderer
from videolstm_jax.trained import work_contents
from videolstm_jax.types import Dataset, Video
from videolstm_jax.video.film import film


def run(cfg: OverlayConfig) -> epath.Path:
    """Writes overlays/<run>/<Class>-<stem>.mp4 and a film strip .png of the same name.

    Frames are read and drawn one at a time, so a video of any length and size can be shown.

    Returns:
      The folder of the pictures.

    Raises:
      FileError: the run was not evaluated, or the data set does not list a video.
      VideoError: a file cannot be read, or has changed since `prepare` read it.
    """
    work, name = artifacts.of_run(cfg.run)
    dataset = artifacts.load_dataset(work.dataset)
    videos = _videos(work, dataset, cfg.videos or _chosen(work, name, cfg.examples))
    config = artifacts.load_config(work.run(name), made_by="train")
    fps = config["config"]["data"].get("fps", 0.0)
    tubes = work_contents.load_best_tubes(work, name)
    truth = work_contents.load_truth(work)
    answers = _answers(work, name)
    folder = work.path / "overlays" / name
    for video in videos:
        prediction, _ = work_contents.load_prediction(
            work,
            name,
            video,
            dataset.classes,
            detections=tubes.get(video.name, ()),
            truth=truth.get(video.name, ()),
            best_by_segments=answers.get(video.name),
        )
        path = folder / f"{video.name.replace('/', '-')}.mp4"
        large, small = Renderer(prediction, cfg.side), Renderer(prediction, cfg.side // 2)
        frames = film(path, video, large.card, fps=fps, keep=small.strip_frames())
        files.write_bytes(path.with_suffix(".png"), encoded.still(small.strip(frames)))
        print(f"overlay: {path}", flush=True)
    return folder


def _videos(work: Workdir, dataset: Dataset, names: tuple[str, ...]) -> list[Video]:
    """The videos of these names; all are looked up before the first is drawn."""
    listed = {video.name: video for video in dataset.videos}
    for name in names:
        if name not in listed:
            example = next(iter(listed))
            raise FileError(
                f"{work.dataset} does not list {name}; expected a name such as {example}"
            )
    return [listed[name] for name in names]


def _answers(work: Workdir, name: str) -> dict[str, int]:
    """The class that the segments of each test video give; of none without scores."""
    path = work.scores(name)
    if not path.exists():
        return {}
    scores = artifacts.load_scores(path)
    return dict(zip(scores.videos, scores.scores.argmax(1).tolist(), strict=True))


def _chosen(work: Workdir, name: str, count: int) -> tuple[str, ...]:
    """Names of test videos, chosen by the rule of the page."""
    scores = artifacts.load_scores(work.scores(name))
    predicted, confidence = scores.scores.argmax(1), scores.scores.max(1)
    rows = choose.videos(scores.label, predicted, confidence, count)
    return tuple(scores.videos[row] for row in rows)
