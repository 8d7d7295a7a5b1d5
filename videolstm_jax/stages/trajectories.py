"""The first half of the command `idt`: improved dense trajectories of the listed videos."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from videolstm_jax.config import RunConfig
from videolstm_jax.dataset.prepared import check_fingerprints
from videolstm_jax.errors import FileError, VideoError
from videolstm_jax.features.shards import ALONE, Shard
from videolstm_jax.files import read_json_object, write_json
from videolstm_jax.flow import batched
from videolstm_jax.flow_images import flow_methods
from videolstm_jax.flow_images.flow_index import read_flow_index
from videolstm_jax.folders import remove_unfinished, remove_unfinished_of
from videolstm_jax.lock.sole_writer import sole_writer
from videolstm_jax.lock.waiting_writer import waiting_writer
from videolstm_jax.progress_lines import counted
from videolstm_jax.trajectories.dense import DenseSettings, improved_trajectories
from videolstm_jax.trajectories.sample import sampled_trajectories, trajectory_generator
from videolstm_jax.trajectories.writer import trajectory_note, write_trajectories
from videolstm_jax.types import Video
from videolstm_jax.video import guard
from videolstm_jax.video.decode import FrameFormat
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir


def run(cfg: RunConfig, *, shard: Shard = ALONE) -> epath.Path:
    """Writes `trajectories/<Class>/<stem>.bin.gz` of all training, validation and test videos.

    What a killed run finished is not made again. Of several workers, each takes its shard.

    Returns:
      The folder of the trajectories.

    Raises:
      ConfigError: `prepare` read the videos at another rate or length.
      FileError: `prepare` has not run; there are trajectories of other settings; or another
        process writes them.
      VideoError: a video is not as `prepare` found it.
    """
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    index = read_flow_index(work, cfg.data)
    # Not the unused ones: nothing is trained or scored on them, and trajectories take hours.
    videos = []
    for video in dataset.videos:
        if video.part != "unused":
            videos.append(video)
    check_fingerprints(index, videos)
    with _sole_writer(cfg, work.trajectories, shard):
        own_paths = {_trajectory_path(work, video) for video in shard.of(videos)}
        # Not all files: other shards may be writing their videos.
        remove_unfinished(work.trajectories, lambda target: target in own_paths)
        with _one_at_a_time(work.trajectories):
            remove_unfinished_of(work.trajectories / "settings.json")
            _keep_settings(cfg, work.trajectories / "settings.json")
        videos_to_do = []
        for video in shard.of(videos):
            path = _trajectory_path(work, video)
            # A file of a video that was replaced since then has the size of the one before.
            if trajectory_note(path) != index["source"][video.name]:
                videos_to_do.append(video)
        _write_trajectories(cfg, work, videos_to_do, index["source"])
    return work.trajectories


def _trajectory_path(work: Workdir, video: Video) -> epath.Path:
    """The file of a video's trajectories."""
    return work.trajectories / f"{video.name}.bin.gz"


def _sole_writer(
    cfg: RunConfig, folder: epath.Path, shard: Shard
) -> contextlib.AbstractContextManager[None]:
    """The lock of the folder: one a shard, so that shards work side by side."""
    name, rivals = ".idt.lock", ".idt-*.lock"
    if shard.worker:
        name, rivals = f".idt-{shard.worker}.lock", name
    # A scheduler starts a shard again on another machine while its lock still looks alive.
    patient = bool(shard.worker)
    return sole_writer(
        folder, "idt", name=name, rivals=rivals, break_lock=cfg.break_lock, patient=patient
    )


def _one_at_a_time(folder: epath.Path) -> contextlib.AbstractContextManager[None]:
    """Lets one shard of several write the settings, which all of them share."""
    return waiting_writer(
        folder,
        "idt",
        name=".settings.lock",
        waits_for="another shard, which writes the settings",
    )


def _keep_settings(cfg: RunConfig, path: epath.Path) -> None:
    """Writes the settings that trajectories depend on, or refuses to mix them with others.

    Raises:
      FileError: the folder has trajectories of other settings.
    """
    settings = {
        "flow_method": cfg.flow.method,
        "fps": cfg.data.fps,
        "max_frames": cfg.data.max_frames,
        "length": cfg.idt.length,
        "side": cfg.idt.side,
        "spacing": cfg.idt.spacing,
        "scales": cfg.idt.scales,
        "camera": cfg.idt.camera,
        "limit": cfg.idt.limit,
    }
    if not path.exists():
        write_json(path, settings, sealed=True)
        return
    stored = read_json_object(path)
    # One vocabulary is fitted to all videos, so that their trajectories must be of one kind.
    for name, value in settings.items():
        if stored.get(name) != value:
            raise FileError(
                f"{path}: trajectories were made with {name} {stored.get(name)!r}; this run has "
                f"{value!r}: remove the folder, or take the same settings"
            )


# ---- videos --------------------------------------------------------------------------------------


def _write_trajectories(
    cfg: RunConfig, work: Workdir, videos: Sequence[Video], fingerprints: Mapping[str, str]
) -> None:
    """Writes the trajectories of some videos, and prints how fast that was."""
    method = _Timed(flow_methods.flow_method(cfg.flow.method))
    settings = DenseSettings(cfg.idt.length, cfg.idt.spacing, cfg.idt.scales, camera=cfg.idt.camera)
    frames_done, count, start = 0, 0, time.perf_counter()
    decoded = counted(_decoded(cfg, videos), len(videos), "idt: trajectories of videos")
    for video, frames in zip(videos, decoded, strict=True):
        # A generator: `improved_trajectories` takes the flow pair by pair, and `write_trajectories`
        # writes what has ended, so that no video's flow lies in memory at once.
        flow = batched.flow_pairs_in_order(frames, method)
        blocks = improved_trajectories(frames, flow, settings)
        if cfg.idt.limit:
            # The same sample whatever the seed of a run is: all runs share the trajectories.
            generator = trajectory_generator(video.name, 0)
            sample = sampled_trajectories(blocks, cfg.idt.length, cfg.idt.limit, generator)
            blocks = iter([sample])
        path = _trajectory_path(work, video)
        note = fingerprints[video.name]
        count += write_trajectories(path, blocks, note=note)
        frames_done += len(frames)
    if videos:
        seconds = time.perf_counter() - start
        print(
            f"idt: {count} trajectories of {len(videos)} videos, {frames_done} frames, "
            f"{frames_done / seconds:.1f} frames a second; flow alone "
            f"{frames_done / max(method.seconds, 1e-9):.1f}",
            flush=True,
        )


class _Timed:
    """A method of flow that counts its seconds."""

    def __init__(self, method: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
        self._method = method
        self.seconds = 0.0

    def __call__(self, frames: np.ndarray, next_frames: np.ndarray) -> Any:
        start = time.perf_counter()
        flow = self._method(frames, next_frames)
        self.seconds += time.perf_counter() - start
        return flow


def _decoded(cfg: RunConfig, videos: Sequence[Video]) -> Iterator[np.ndarray]:
    """Yields the grey frames [L, H, W] of each video.

    Raises:
      VideoError: a video cannot be decoded, or has another number of frames than `prepare` found.
    """
    crew = guard.Crew(cfg.data.workers, limit=cfg.data.time_limit)

    def read(video: Video) -> np.ndarray:
        frame_format = FrameFormat(_size(video, cfg.idt.side), grey=True)
        (frames,) = crew.read_formats(
            video.path, [frame_format], fps=cfg.data.fps, max_frames=cfg.data.max_frames
        )
        return frames

    try:
        for video, frames in zip(
            videos, guard.videos_decoded_ahead(crew, read, videos), strict=True
        ):
            if isinstance(frames, VideoError):
                raise frames
            if len(frames) != video.frames:
                raise VideoError(
                    f"{video.path}: {len(frames)} frames; expected {video.frames}, as when the "
                    "stage prepare read it: run that again"
                )
            yield frames
    finally:
        # Also where the consumer stops: its workers would wait for a next video.
        crew.end()


def _size(video: Video, side: int) -> tuple[int, int] | None:
    """(W, H) with a shorter side of so many pixels; None for the video's own size."""
    if not side:
        return None
    # Both sides by one factor: trajectories need square pixels.
    scale = side / min(video.width, video.height)
    return round(video.width * scale), round(video.height * scale)
