"""Opens every video of a folder once, and reads its boxes, so that all stages can use one list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from etils import epath

from videolstm_jax.annotations.boxes_json import read_boxes_json
from videolstm_jax.annotations.ground_truth import true_tubes_of_listed_videos
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.folders import folder_listing
from videolstm_jax.dataset.listing import Listing, list_videos
from videolstm_jax.dataset.splits import parts
from videolstm_jax.dataset.splits.parts import ListedVideo
from videolstm_jax.errors import FileError, VideoError
from videolstm_jax.files import PathLike
from videolstm_jax.progress_lines import counted
from videolstm_jax.types import Dataset, Detection, Video
from videolstm_jax.video import guard
from videolstm_jax.video.decode import VideoInfo


def scan_videos(
    cfg: DataConfig, *, seed: int = 0, root: PathLike | None = None
) -> tuple[Dataset, list[dict[str, str]]]:
    """Lists a folder of videos and opens each: class folders, or the files of labels.csv.

    See `listing.list_videos` for how they are split.

    Args:
      cfg: where to look, and how to split.
      seed: of the splits that are made here.
      root: the folder, where it is not `cfg.videos` (the built-in set).

    Returns:
      The videos in the order of their names, and one row for each that was skipped, see
      `bad_video_row`.

    Raises:
      FileError: no videos, or lists that do not fit them.
      VideoError: a video that cannot be read, unless `cfg.on_bad_video` skips it.
    """
    listing = list_videos(cfg, seed=seed, root=root)
    # Before any video is opened, which may take long: a wrong split is seen at once.
    _print_listing(listing)
    # The number of a class is its place in the list, in every file of the work folder.
    labels = {}
    for label, name in enumerate(listing.classes):
        labels[name] = label
    videos: list[Video] = []
    readable: list[ListedVideo] = []
    bad_rows = []
    count = len(listing.videos)
    headers = counted(_probe_all(listing.videos, cfg), count, "prepare: opens videos")
    for listed, header in zip(listing.videos, headers, strict=True):
        if isinstance(header, VideoError):
            bad_rows.append(bad_video_row(listed, header))
        else:
            readable.append(listed)
            videos.append(_video(listed, header, labels[listed.label]))
    if bad_rows:
        # Without the skipped videos a class may have lost its last training clip.
        parts.check_parts(readable, listing.classes, from_lists=True)
    return Dataset(listing.classes, tuple(videos)), bad_rows


def _print_listing(listing: Listing) -> None:
    origin = ""
    if listing.origin:
        origin = f", {listing.origin}"
    print(
        f"{len(listing.videos)} videos of {len(listing.classes)} classes{origin}: "
        f"{parts.describe_parts(listing.videos)}",
        flush=True,
    )
    for note in listing.notes:
        print(note, flush=True)


def _video(listed: ListedVideo, header: VideoInfo, label: int) -> Video:
    return Video(
        listed.name,
        listed.path,
        label,
        listed.part,
        listed.group,
        header.frames,
        header.width,
        header.height,
        header.fps,
    )


def _probe_all(videos: Sequence[ListedVideo], cfg: DataConfig) -> Iterator[VideoInfo | VideoError]:
    """The header of each file, read in worker processes, which a damaged file may crash.

    Where bad videos are skipped, the error takes the place of the header; else it is raised.
    """
    crew = guard.Crew(cfg.workers, limit=cfg.time_limit)

    def probe(video: ListedVideo) -> VideoInfo:
        header = crew.probe(video.path, fps=cfg.fps)
        # The declared number may be wrong; `prepare` counts the frames when it decodes them.
        if cfg.max_frames:
            header = header._replace(frames=min(header.frames, cfg.max_frames))
        if header.frames < 2:
            raise VideoError(
                f"{video.path}: {header.frames} frame; expected at least 2, since flow needs pairs"
            )
        return header

    # A consumer that stops early closes this generator; the workers must end then too.
    try:
        for header in guard.videos_decoded_ahead(crew, probe, videos):
            if isinstance(header, VideoError) and cfg.on_bad_video == "fail":
                raise header
            yield header
    finally:
        crew.end()


def bad_video_row(video: ListedVideo, error: VideoError) -> dict[str, str]:
    """A line of bad.jsonl: which video was skipped, its part and class, and why."""
    return {
        "name": video.name,
        "path": video.path,
        "part": video.part,
        "label": video.label,
        "reason": str(error),
    }


# ---- boxes ---------------------------------------------------------------------------------------


def read_dataset_true_tubes(
    cfg: DataConfig, dataset: Dataset, *, root: PathLike | None = None
) -> list[Detection]:
    """True tubes from `cfg.boxes`, or else from the folder's boxes.json or truth.jsonl.

    Annotations of a whole data set may name videos that are not in the folder; a boxes.json may
    not.

    Args:
      cfg: where the boxes are, and which frames are read.
      dataset: the listed videos.
      root: the folder of videos, where it is not `cfg.videos`.

    Returns:
      The tubes; none where there is no file of boxes.

    Raises:
      FileError: the file is damaged, of no form that `read_truth` reads, or does not fit the
        videos; or `cfg.fps` would read other frames than it counts.
    """
    folder = folder_listing.videos_folder(cfg, root)
    path = _find_boxes(cfg, folder)
    if path is None:
        return []
    # Boxes are counted by the frames of the file, of which another rate drops or repeats some.
    if cfg.fps:
        raise FileError(
            f"{path} counts the frames of the files; expected data.fps 0, found {cfg.fps}"
        )
    # With max_frames only the beginning of each video is read, and so of its boxes.
    cut = cfg.max_frames > 0
    if path.suffix != ".json":
        return true_tubes_of_listed_videos(
            path, read_truth(path, split=cfg.split), dataset, cut=cut
        )
    # The boxes of a folder may also be of videos that no list names.
    unlisted = _names(
        folder_listing.list_videos_of_folder(folder, follow_links=cfg.follow_links).videos
    ) - _names(dataset.videos)
    return read_boxes_json(path, dataset, unlisted=unlisted, cut=cut)


def _names(videos: Iterable[ListedVideo | Video]) -> set[str]:
    return {video.name for video in videos}


def _find_boxes(cfg: DataConfig, folder: epath.Path) -> epath.Path | None:
    """The file of boxes; None where there is none."""
    if cfg.boxes:
        path = epath.Path(cfg.boxes)
        if not path.exists():
            raise FileError(f"data.boxes is {path}, which is not there")
        return path
    for name in ("boxes.json", "truth.jsonl"):
        if (folder / name).exists():
            return folder / name
    return None
