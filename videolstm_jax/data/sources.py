"""Finds the videos of a folder and opens each once, so that the rest of the project can go by a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etils import epath

from videolstm_jax.artifacts import PathLike
from videolstm_jax.config import DataConfig
from videolstm_jax.data import annotations, lists, splits, truth
from videolstm_jax.data.lists import ListError
from videolstm_jax.data.splits import Listed
from videolstm_jax.types import Dataset, Detection, Video
from videolstm_jax.video import decode, guard


def scan(cfg: DataConfig, *, seed: int = 0, root: PathLike | None = None) -> tuple[Dataset, list[dict]]:
    """Lists a folder of videos: class folders, at the top or in `videos/`, or whatever labels.csv points to.

    Parts come, the first that is there: from `cfg.hold_out`; from labels.csv; from the lists of UCF101 or HMDB51
    (`lists.read_official`); from a split by whole groups. `cfg.validation` then takes whole groups out of the training
    list.

    Args:
      cfg: where to look, and how to split.
      seed: of the splits that are made here.
      root: the folder, where it is not `cfg.videos` (the built-in set).

    Returns:
      The videos in the order of their names, and one row for each that was skipped, see `bad_row`.

    Raises:
      ListError: no videos, or lists that do not fit them.
      decode.BadVideo: a video that cannot be read, unless `cfg.on_bad_video` skips it.
    """
    folder = _folder(cfg, root)
    videos, classes, given = _listed(folder, cfg, seed)
    splits.check_parts(videos, classes, given=given)
    number = {name: at for at, name in enumerate(classes)}
    opened = list(zip(videos, _probed(videos, cfg), strict=True))
    bad = [bad_row(video, found) for video, found in opened if isinstance(found, decode.BadVideo)]
    kept = [(video, info) for video, info in opened if not isinstance(info, decode.BadVideo)]
    if bad:
        splits.check_parts([video for video, _ in kept], classes, given=True)
    return Dataset(classes, tuple(
        Video(video.name, video.path, number[video.label], video.part, video.group, info.frames, info.width,
              info.height, info.fps) for video, info in kept)), bad


def boxes(cfg: DataConfig, dataset: Dataset, *, root: PathLike | None = None) -> list[Detection]:
    """True tubes from `cfg.boxes`, else from the `boxes.json` of the folder; none where there is no such file.

    Annotations of a whole data set may speak of videos that are not here; a boxes.json may not.

    Raises:
      annotations.BadBoxes: the file does not fit the videos, or `cfg.fps` would read other frames than it counts.
      annotations.BadAnnotations: the file is damaged, or of no form that `truth.read_truth` knows.
    """
    folder = _folder(cfg, root)
    path = epath.Path(cfg.boxes) if cfg.boxes else folder / "boxes.json"
    if not path.exists():
        if cfg.boxes:
            raise annotations.BadBoxes(f"data.boxes is {path}, which is not there")
        return []
    if cfg.fps:
        raise annotations.BadBoxes(f"{path} counts the frames of the files; expected data.fps 0, found {cfg.fps}")
    if path.suffix != ".json":
        return truth.for_dataset(path, truth.read_truth(path, split=cfg.split), dataset, cut=cfg.max_frames > 0)
    unlisted = {video.name for video in _found(folder)} - {video.name for video in dataset.videos}
    return annotations.read_boxes(path, dataset, unlisted=unlisted, cut=cfg.max_frames > 0)


def bad_row(video: Listed, error: decode.BadVideo) -> dict[str, str]:
    """A line of bad.jsonl: which video was skipped, the part and class it is missing from, and why."""
    return {"name": video.name, "path": video.path, "part": video.part, "label": video.label, "reason": str(error)}


def find_clips(folder: PathLike) -> dict[str, epath.Path]:
    """Every video file in the class folders of a folder, by "Class/stem".

    Raises:
      ListError: no class folders, one without videos, or two files of one stem.
    """
    folder = epath.Path(folder)
    found: dict[str, epath.Path] = {}
    for place in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        files = sorted(path for path in place.iterdir()
                       if lists.video_extension(path.name) and not path.name.startswith("."))
        if not files:
            raise ListError(f"{place}: class {place.name} has no clips; expected files "
                            f"{' '.join(lists.EXTENSIONS)}, or no such folder")
        for file in files:
            _add(found, f"{place.name}/{lists.without_extension(file.name)}", file)
    if not found:
        loose = [path.name for path in sorted(folder.iterdir()) if lists.video_extension(path.name)]
        raise ListError(f"{folder}: no class folders with videos"
                        + (f", but videos beside them ({loose[0]} ..): put each in a folder named as its class, "
                           "or write labels.csv" if loose else ""))
    return found


def _folder(cfg: DataConfig, root: PathLike | None) -> epath.Path:
    if root is None and not cfg.videos:
        raise ListError("data.videos is empty; expected a folder of videos")
    folder = epath.Path(root if root is not None else cfg.videos)
    if not folder.is_dir():
        raise ListError(f"{folder}: no such folder; expected one that holds class folders of videos")
    return folder


def _add(found: dict[str, epath.Path], name: str, file: epath.Path) -> None:
    if name in found:
        raise ListError(f"{file}: {name} is also {found[name]}; expected one file of each name in a class")
    found[name] = file


def _listed(root: epath.Path, cfg: DataConfig, seed: int) -> tuple[list[Listed], tuple[str, ...], bool]:
    """The videos with their parts, the classes, and whether the parts were given or made here."""
    videos = _found(root)
    index = root / "classInd.txt"
    classes = lists.read_classes(index) if index.exists() else tuple(sorted({video.label for video in videos}))
    _check_classes(videos, classes, index)
    given = True
    official = None if lists.find_table(root) else lists.read_official(root, cfg.split)
    if cfg.hold_out:
        videos = splits.hold_out_group(videos, cfg.hold_out)
    elif official:
        videos = splits.from_lists(videos, classes, *official)
        videos = [video for video in videos if video.part != "unused"]
    elif not videos[0].part:
        videos, given = splits.hold_out_share(videos, cfg.test_fraction, seed=seed, part="test", rest="train"), False
    if cfg.validation and not any(video.part == "valid" for video in videos):
        train = [video for video in videos if video.part == "train"]
        train = splits.hold_out_share(train, cfg.validation, seed=seed, part="valid", rest="train")
        videos = sorted([video for video in videos if video.part != "train"] + train)
    return videos, classes, given


def _found(root: epath.Path) -> list[Listed]:
    table = lists.find_table(root)
    return _from_table(root, lists.read_table(table)) if table else _from_folders(root)


def _from_folders(root: epath.Path) -> list[Listed]:
    clips = root / "videos"
    found = find_clips(clips if clips.is_dir() else root)
    names = sorted(found)
    return [Listed(name, str(found[name]), name.split("/")[0], group)
            for name, group in zip(names, splits.groups(names), strict=True)]


def _from_table(root: epath.Path, rows: Sequence[lists.TableRow]) -> list[Listed]:
    found: dict[str, epath.Path] = {}
    about: dict[str, lists.TableRow] = {}
    for row in rows:
        places = [place / row.path for place in (root, root / "videos")]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise ListError(f"{row.where}: {row.path} is not there; looked for {places[0]}")
        name = f"{row.label}/{lists.without_extension(file.name)}"
        _add(found, name, file)
        about[name] = row
    names = sorted(found)
    told = splits.groups(names)
    return [Listed(name, str(found[name]), about[name].label, about[name].group or group, about[name].part)
            for name, group in zip(names, told, strict=True)]


def _check_classes(videos: Sequence[Listed], classes: Sequence[str], index: epath.Path) -> None:
    found = {video.label for video in videos}
    unknown, empty = sorted(found - set(classes)), sorted(set(classes) - found)
    if unknown:
        raise ListError(f"{index}: does not name class {unknown[0]}, which has videos; it names {len(classes)} classes")
    if empty:
        raise ListError(f"{index}: names class {empty[0]}, which has no clips")
    if len(classes) < 2:
        raise ListError(f"only one class, {classes[0]}; expected two or more")


def _probed(videos: Sequence[Listed], cfg: DataConfig) -> Iterator[decode.VideoInfo | decode.BadVideo]:
    """What each file holds, read in worker processes, or, where bad videos are skipped, why it cannot be used."""
    crew = guard.Crew(cfg.workers, limit=cfg.time_limit)

    def probed(video: Listed) -> decode.VideoInfo:
        info = crew.probe(video.path, fps=cfg.fps)
        info = info._replace(frames=min(info.frames, cfg.max_frames or info.frames))
        if info.frames < 2:
            raise decode.BadVideo(f"{video.path}: {info.frames} frame; expected at least 2, since flow needs pairs")
        return info

    try:
        for found in guard.ahead(crew, probed, videos):
            if isinstance(found, decode.BadVideo) and cfg.on_bad_video == "fail":
                raise found
            yield found
    finally:
        crew.end()
