"""Films and strips of what an evaluated run saw in videos of its walk: heat, boxes, true boxes,
scores over time.
"""

from __future__ import annotations

from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.artifacts import Workdir
from videolstm_jax.config import OverlayConfig
from videolstm_jax.errors import FileError
from videolstm_jax.localize.saliency import saliency_by_frame
from videolstm_jax.report import choose, embed
from videolstm_jax.report.seen import Drawn, Seen
from videolstm_jax.trained import evaluated
from videolstm_jax.types import Tube
from videolstm_jax.video.film import film


def run(cfg: OverlayConfig) -> epath.Path:
    """Writes overlays/<run>/<Class>-<stem>.mp4, and a film strip .png of the same name, of each
    video.

    Frames are read and filmed one at a time, so a video of any length and size may be shown.

    Returns:
      The folder of the pictures.

    Raises:
      FileError: the run was not evaluated, or a video is none of the walk's or not as it was.
      VideoError: a file that cannot be read.
    """
    work, name = artifacts.of_run(cfg.run)
    dataset = artifacts.load_dataset(work.dataset)
    listed = {video.name: video for video in dataset.videos}
    names = cfg.videos or _chosen(work, name, cfg.examples)
    for video in names:
        if video not in listed:
            raise FileError(
                f"{work.dataset} does not list {video}; expected a name such as {next(iter(listed))}"
            )
    fps = artifacts.load_config(work.run(name), made_by="train")["config"]["data"].get("fps", 0.0)
    how = evaluated.localize_settings(work, name)
    tubes = work.run(name) / "tubes.jsonl"
    found = choose.tubes_of_best_class(artifacts.load_detections(tubes)) if tubes.exists() else {}
    truth: dict[str, tuple[Tube, ...]] = {}
    for true in artifacts.load_detections(work.truth) if work.truth.exists() else []:
        truth[true.video] = (*truth.get(true.video, ()), true.tube)
    folder = work.path / "overlays" / name
    for video in names:
        told = evaluated.load_video(work, name, listed[video], len(dataset.classes))
        looks = None if told.attention is None else saliency_by_frame(told.attention, how)
        seen = Seen(
            listed[video],
            dataset.classes,
            told.scores,
            looks,
            found.get(video, ()),
            truth.get(video, ()),
        )
        path = folder / f"{video.replace('/', '-')}.mp4"
        large, small = Drawn(seen, cfg.side), Drawn(seen, cfg.side // 2)
        frames = film(path, seen.video, large.card, fps=fps, keep=small.strip_frames())
        files.write_bytes(path.with_suffix(".png"), embed.still(small.strip(frames)))
        print(f"overlay: {path}", flush=True)
    return folder


def _chosen(work: Workdir, name: str, count: int) -> tuple[str, ...]:
    scores = artifacts.load_scores(work.scores(name))
    rows = choose.videos(scores.label, scores.scores.argmax(1), scores.scores.max(1), count)
    return tuple(scores.videos[row] for row in rows)
