"""The first stage: lists and checks the videos, and computes the flow of each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from etils import epath

from videolstm_jax import artifacts, files
from videolstm_jax.config import RunConfig
from videolstm_jax.dataset import prepared, sources, splits, tfds_source
from videolstm_jax.dataset.prepared import Motion, finished_flow, note_of
from videolstm_jax.errors import ConfigError, VideoError
from videolstm_jax.flow import batched, image, pace
from videolstm_jax.synthetic import stick_actions
from videolstm_jax.types import Dataset, Video
from videolstm_jax.video import flow_file, flow_methods, guard
from videolstm_jax.video.decode import VideoInfo

_SAMPLE = 48
"""Training videos whose displacements set the bound, where it is a percentile."""
_LEAST = 0.02
"""Of the paper's bound: a set of still videos must not blow up its noise."""


def run(
    cfg: RunConfig, *, on_listed: Callable[[Dataset], None] = lambda listed: None
) -> epath.Path:
    """Writes dataset.json, truth.jsonl where there are boxes, bad.jsonl where videos were skipped,
    and flow/.

    Every video is decoded once, in worker processes. Files of an interrupted call with the same
    settings are kept. With `flow.online` videos are decoded to find bad ones and to count their
    frames, and no flow is computed. flow/index.json is written last: where it lies, the stage is
    whole.

    Args:
      cfg: `data` says which videos, `flow` how; `workdir` where to.
      on_listed: called with the listed videos before any flow is computed.

    Returns:
      The folder of the walk.

    Raises:
      ConfigError: the folder holds flow of other settings.
      ConfigError: a flow method that needs OpenCV, which is not there.
      VideoError: an unreadable video, or one of a single frame, unless `data.on_bad_video` is
        `skip`.
      FileError: no videos, or lists that do not fit them.
      FileError: a set of tensorflow-datasets that cannot be used.
    """
    work = artifacts.Workdir(cfg.workdir)
    flow_methods.method(cfg.flow.method)
    root = _made(cfg, work)
    listed, bad = sources.scan(cfg.data, seed=cfg.seed, root=root)
    sources.boxes(
        cfg.data, _endless(listed), root=root
    )  # a slip is told now; lengths are known when all is decoded
    bound = _sampled_bound(cfg, listed) if cfg.flow.percentile else cfg.flow.bound
    settings = _settings(cfg, bound)
    _claim(work.flow / "settings.json", settings)
    on_listed(listed)
    index = work.flow / "index.json"
    if index.exists():
        index.unlink()
    source, failed = prepared.sources(listed.videos), []
    if cfg.flow.online:
        frames = {video.name: info.frames for video, info in _checked(cfg, listed, failed)}
    else:
        frames = _flow(
            cfg,
            work,
            listed,
            source,
            image.limit(settings["bound"], scaled=settings["scaled"]),
            failed,
        )
    dataset = _kept(listed, frames, failed)
    bad = sorted([*bad, *failed], key=lambda row: row["name"])
    artifacts.save_dataset(work.dataset, dataset)
    _write_or_remove(work.bad, bad)
    truth = sources.boxes(cfg.data, dataset, root=root)
    if truth:
        artifacts.save_detections(work.truth, truth)
    elif work.truth.exists():
        work.truth.unlink()
    files.write_json(
        index,
        {
            **settings,
            "frames": {name: length - 1 for name, length in frames.items()},
            "source": {name: source[name] for name in frames},
        },
    )
    print(
        f"prepare: {len(dataset.videos)} videos, {sum(frames.values())} frames, {len(truth)} true tubes, "
        f"{len(bad)} bad videos" + (f", see {work.bad}" if bad else ""),
        flush=True,
    )
    return work.path


def cost(cfg: RunConfig, dataset: Dataset) -> pace.Cost:
    """Estimates time and space of the flow and the features, from one timed batch on this machine.

    Args:
      cfg: `flow` and `convnet` decide the sizes.
      dataset: the videos to come, at least one.
    """
    net = cfg.convnet
    side = net.image_size // 2 ** len(net.widths)
    floats = side * side * net.widths[-1] + net.dense[-1] + len(dataset.classes)
    return pace.estimate(
        [
            (video.frames - 1, cfg.flow.height or video.height, cfg.flow.width or video.width)
            for video in dataset.videos
        ],
        jpeg=cfg.flow.image == "jpeg",
        frame_floats=floats,
        workers=cfg.data.workers,
        method=flow_methods.method(cfg.flow.method),
    )


# ---- settings and lists --------------------------------------------------------------------------


def _settings(cfg: RunConfig, bound: float) -> dict:
    """What the flow images depend on; `scaled` bounds are those at a longer side of 340 pixels."""
    flow = cfg.flow
    return {
        "method": flow.method,
        "width": flow.width,
        "height": flow.height,
        "bound": bound or image.PAPER_BOUND,
        "scaled": bool(flow.percentile) or not bound,
        "image": flow.image,
        "fps": cfg.data.fps,
        "max_frames": cfg.data.max_frames,
    }


def _sampled_bound(cfg: RunConfig, listed: Dataset) -> float:
    """The percentile of displacements in the middle of some training videos, at a longer side of
    340 pixels.

    At most the paper's 20 pixels, since the sample is measured in images of that range.
    """
    train = [video for video in listed.videos if video.part == "train"]
    sample = train[:: max(1, len(train) // _SAMPLE)][:_SAMPLE]
    middle = (
        (name, frames[max(0, len(frames) // 2 - 1) :][:3])
        for name, frames in _decoded(cfg, listed._replace(videos=tuple(sample)), [], skip=True)
    )
    levels = [
        np.abs(2 * found.images.astype(np.int16) - 255).ravel()
        for found in batched.flow_images(
            middle,
            image.limit(image.PAPER_BOUND, scaled=True),
            method=flow_methods.method(cfg.flow.method),
        )
    ]
    if not levels:
        return image.PAPER_BOUND
    share = float(np.percentile(np.concatenate(levels), cfg.flow.percentile)) / 255
    bound = round(image.PAPER_BOUND * max(share, _LEAST), 2)
    print(
        f"prepare: flow is bounded by {bound} pixels at a longer side of {image.PAPER_WIDTH}, the "
        f"{cfg.flow.percentile:g}th percentile of {len(levels)} training videos",
        flush=True,
    )
    return bound


def _claim(path: epath.Path, settings: dict) -> None:
    """Writes the settings, or checks that they are those the folder was begun with."""
    if not path.exists():
        files.write_json(path, settings)
        return
    old = files.read_json(path)
    changed = [
        f"{name} {old.get(name)!r}, now {value!r}"
        for name, value in settings.items()
        if old.get(name) != value
    ]
    if changed:
        raise ConfigError(
            f"{path.parent} holds flow made with {'; '.join(changed)}. Expected the same settings: "
            "take another workdir, or remove that folder"
        )


def _made(cfg: RunConfig, work: artifacts.Workdir) -> epath.Path | None:
    """The folder of videos that this stage makes first, in the folder of the walk; None where they
    lie elsewhere.
    """
    data = cfg.data
    if data.source == "folder":
        return None
    if data.source.startswith(tfds_source.PREFIX):
        return tfds_source.export(data, work.path / "tfds")
    return stick_actions.generate(
        work.path / "stick_actions",
        clips_per_class=data.clips_per_class,
        test_clips_per_class=data.test_clips_per_class,
        difficulty=data.difficulty,
        context=data.context,
        seed=cfg.seed,
        workers=data.workers,
    )


def _write_or_remove(path: epath.Path, rows: list[dict]) -> None:
    if rows:
        files.write_jsonl(path, rows)
    elif path.exists():
        path.unlink()


def _kept(listed: Dataset, frames: dict[str, int], failed: list[dict]) -> Dataset:
    """The videos that could be decoded, with as many frames as they gave."""
    videos = tuple(
        video._replace(frames=frames[video.name]) for video in listed.videos if video.name in frames
    )
    if failed:
        splits.check_parts([_listed(video, listed) for video in videos], listed.classes, given=True)
    declared = {video.name: video.frames for video in listed.videos}
    pace.warn(
        "other frames were found than the file declares, and flow has one pair less, in",
        [
            f"{video.name} ({declared[video.name]} declared, {video.frames} found)"
            for video in videos
            if video.frames != declared[video.name]
        ],
    )
    return Dataset(listed.classes, videos)


def _endless(dataset: Dataset) -> Dataset:
    """The same videos, as long as any box could want them."""
    return dataset._replace(
        videos=tuple(video._replace(frames=sys.maxsize) for video in dataset.videos)
    )


def _listed(video: Video, dataset: Dataset) -> splits.Listed:
    return splits.Listed(
        video.name, video.path, dataset.classes[video.label], video.group, video.part
    )


# ---- flow ----------------------------------------------------------------------------------------


def _flow(
    cfg: RunConfig,
    work: artifacts.Workdir,
    dataset: Dataset,
    source: Mapping[str, str],
    limit: Callable[[int, int], float],
    bad: list[dict],
) -> dict[str, int]:
    """Writes the flow that is not there yet; gives L of every good video and adds a row to `bad`
    for every other.
    """
    there = {
        name: finished_flow(work.flow / f"{name}.zip", made_from)
        for name, made_from in source.items()
    }
    frames = {name: pairs + 1 for name, (pairs, _) in there.items() if pairs}
    motion = {name: moved for name, (_, moved) in there.items() if moved}
    todo = [video for video in dataset.videos if video.name not in frames]
    left = dataset._replace(videos=tuple(todo))
    if todo:
        print(
            f"prepare: {len(frames)} of {len(dataset.videos)} videos have their flow; for the others, "
            f"{cost(cfg, left)}",
            flush=True,
        )
    progress = pace.Progress(len(todo), sum(video.frames - 1 for video in todo))
    writing: list[Future] = []
    with ThreadPoolExecutor(cfg.data.workers) as pool:
        for done in batched.flow_images(
            _decoded(cfg, left, bad),
            limit,
            method=flow_methods.method(cfg.flow.method),
            workers=cfg.data.workers,
            progress=progress.pairs_done,
        ):
            frames[done.name], motion[done.name] = (
                len(done.images) + 1,
                Motion(done.largest, done.saturated),
            )
            writing.append(
                pool.submit(
                    flow_file.write_flow,
                    work.flow / f"{done.name}.zip",
                    done.images,
                    cfg.flow.image,
                    note=note_of(source[done.name], motion[done.name]),
                )
            )
            if len(writing) > 2 * cfg.data.workers:
                writing.pop(0).result()
            progress.video_done()
        for future in writing:
            future.result()
    pace.warn_of_flow(motion)
    return frames


def _decoded(
    cfg: RunConfig, dataset: Dataset, bad: list[dict], *, skip: bool = False
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields names and grey frames at the size of the flow; adds to `bad`, or raises unless videos
    may be skipped.
    """
    size = (cfg.flow.width, cfg.flow.height) if cfg.flow.width else None
    found = guard.read_all(
        [video.path for video in dataset.videos],
        fps=cfg.data.fps,
        max_frames=cfg.data.max_frames,
        size=size,
        grey=True,
        workers=cfg.data.workers,
        limit=cfg.data.time_limit,
    )
    for video, frames in _good(cfg, dataset, found, bad, skip=skip):
        yield video.name, frames


def _checked(
    cfg: RunConfig, dataset: Dataset, bad: list[dict]
) -> Iterator[tuple[Video, VideoInfo]]:
    """Yields the videos that can be decoded to their end; see `_decoded`."""
    crew = guard.Crew(cfg.data.workers, limit=cfg.data.time_limit)

    def checked(video: Video) -> VideoInfo:
        return crew.check(video.path, fps=cfg.data.fps, max_frames=cfg.data.max_frames)

    try:
        yield from _good(cfg, dataset, guard.ahead(crew, checked, dataset.videos), bad)
    finally:
        crew.end()


def _good(
    cfg: RunConfig, dataset: Dataset, found: Iterator, bad: list[dict], *, skip: bool = False
) -> Iterator[tuple]:
    """Yields the videos with what was found of them, unless that is an error or a single frame."""
    for video, one in zip(dataset.videos, found, strict=True):
        if (
            not isinstance(one, VideoError)
            and (one.frames if isinstance(one, VideoInfo) else len(one)) < 2
        ):
            one = VideoError(f"{video.path}: 1 frame; flow needs 2")
        if not isinstance(one, VideoError):
            yield video, one
        elif cfg.data.on_bad_video == "fail" and not skip:
            raise one
        else:
            bad.append(sources.bad_row(_listed(video, dataset), one))
