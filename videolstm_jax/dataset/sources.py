"""Opens every video of a folder once, so that the rest of the project can go by a list, and takes
in its boxes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etils import epath

from videolstm_jax.annotations import truth
from videolstm_jax.annotations.boxes_json import read_boxes_json
from videolstm_jax.annotations.ground_truth import tubes_of_dataset
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset import folders, splits
from videolstm_jax.dataset.splits import Listed
from videolstm_jax.errors import FileError, VideoError
from videolstm_jax.files import PathLike
from videolstm_jax.types import Dataset, Detection, Video
from videolstm_jax.video import decode, guard


def scan(
    cfg: DataConfig, *, seed: int = 0, root: PathLike | None = None
) -> tuple[Dataset, list[dict]]:
    """Lists a folder of videos: class folders, at the top or in `videos/`, or whatever labels.csv
    points to.

    See `folders.choose` for how they are split. Every video is opened.

    Args:
      cfg: where to look, and how to split.
      seed: of the splits that are made here.
      root: the folder, where it is not `cfg.videos` (the built-in set).

    Returns:
      The videos in the order of their names, and one row for each that was skipped, see `bad_row`.

    Raises:
      FileError: no videos, or lists that do not fit them.
      VideoError: a video that cannot be read, unless `cfg.on_bad_video` skips it.
    """
    videos, classes, about = folders.choose(cfg, seed=seed, root=root)
    print(
        f"{len(videos)} videos of {len(classes)} classes{about}: {splits.summary(videos)}",
        flush=True,
    )
    number = {name: at for at, name in enumerate(classes)}
    opened = list(zip(videos, _probed(videos, cfg), strict=True))
    bad = [bad_row(video, found) for video, found in opened if isinstance(found, VideoError)]
    kept = [(video, info) for video, info in opened if not isinstance(info, VideoError)]
    if bad:
        splits.check_parts([video for video, _ in kept], classes, given=True)
    return Dataset(
        classes,
        tuple(
            Video(
                video.name,
                video.path,
                number[video.label],
                video.part,
                video.group,
                info.frames,
                info.width,
                info.height,
                info.fps,
            )
            for video, info in kept
        ),
    ), bad


def boxes(cfg: DataConfig, dataset: Dataset, *, root: PathLike | None = None) -> list[Detection]:
    """True tubes from `cfg.boxes`, else from the boxes.json or truth.jsonl of the folder; none
    where neither is there.

    Annotations of a whole data set may speak of videos that are not here; a boxes.json may not.

    Raises:
      FileError: the file does not fit the videos, or `cfg.fps` would read other frames than it
        counts.
      FileError: the file is damaged, or of no form that `truth.read_truth` knows.
    """
    folder = folders.folder_of(cfg, root)
    beside = [folder / name for name in ("boxes.json", "truth.jsonl")]
    path = (
        epath.Path(cfg.boxes)
        if cfg.boxes
        else next((one for one in beside if one.exists()), beside[0])
    )
    if not path.exists():
        if cfg.boxes:
            raise FileError(f"data.boxes is {path}, which is not there")
        return []
    if cfg.fps:
        raise FileError(
            f"{path} counts the frames of the files; expected data.fps 0, found {cfg.fps}"
        )
    if path.suffix != ".json":
        return tubes_of_dataset(
            path, truth.read_truth(path, split=cfg.split), dataset, cut=cfg.max_frames > 0
        )
    unlisted = {video.name for video in folders.listed(folder)} - {
        video.name for video in dataset.videos
    }
    return read_boxes_json(path, dataset, unlisted=unlisted, cut=cfg.max_frames > 0)


def bad_row(video: Listed, error: VideoError) -> dict[str, str]:
    """A line of bad.jsonl: which video was skipped, the part and class it is missing from, and why."""
    return {
        "name": video.name,
        "path": video.path,
        "part": video.part,
        "label": video.label,
        "reason": str(error),
    }


def _probed(videos: Sequence[Listed], cfg: DataConfig) -> Iterator[decode.VideoInfo | VideoError]:
    """What each file holds, read in worker processes, or, where bad videos are skipped, why it
    cannot be used.
    """
    crew = guard.Crew(cfg.workers, limit=cfg.time_limit)

    def probed(video: Listed) -> decode.VideoInfo:
        info = crew.probe(video.path, fps=cfg.fps)
        info = info._replace(frames=min(info.frames, cfg.max_frames or info.frames))
        if info.frames < 2:
            raise VideoError(
                f"{video.path}: {info.frames} frame; expected at least 2, since flow needs pairs"
            )
        return info

    try:
        for found in guard.ahead(crew, probed, videos):
            if isinstance(found, VideoError) and cfg.on_bad_video == "fail":
                raise found
            yield found
    finally:
        crew.end()
