"""The first stage: lists and checks the videos, and computes the flow of each."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from etils import epath

from videolstm_jax import files, folders
from videolstm_jax.clips import balance
from videolstm_jax.cluster import team
from videolstm_jax.config import RunConfig
from videolstm_jax.dataset import scan
from videolstm_jax.dataset.decoding import VideoDecoder
from videolstm_jax.dataset.prepared import dataset_listing_settings, video_fingerprints
from videolstm_jax.dataset.tfds import export
from videolstm_jax.errors import ConfigError
from videolstm_jax.flow import image, pace
from videolstm_jax.flow_images import flow_methods, flow_shares, flow_writing
from videolstm_jax.flow_images.flow_index import claim_flow_folder, flow_digests, flow_settings
from videolstm_jax.flow_images.flow_writing import FlowSample, FlowTarget, StoredFlow
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.network import tapped_network
from videolstm_jax.nn.preprocessing import STREAM_CHANNELS
from videolstm_jax.presets import convnet_of
from videolstm_jax.synthetic import stick_actions
from videolstm_jax.types import Dataset, Detection
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.layout import Workdir, check_layout
from videolstm_jax.workdir.tubes_jsonl import save_detections


def run(
    cfg: RunConfig, *, on_listed: Callable[[Dataset], None] = lambda dataset: None
) -> epath.Path:
    """Lists and checks the videos of a work folder, and stores their flow.

    It writes dataset.json, flow/, truth.jsonl where there are boxes, and bad.jsonl where videos
    were skipped. Every video is decoded once, in worker processes. Files of an interrupted call
    with the same settings are kept. With `flow.online` videos are decoded to find bad ones and to
    count their frames, and no flow is computed. flow/index.json is written last: where it exists,
    the stage has finished. Of several processes each computes the flow of its share.

    Args:
      cfg: `data` chooses the videos, `flow` the method, `workdir` the folder.
      on_listed: called with the listed videos before any flow is computed.

    Returns:
      The work folder.

    Raises:
      ConfigError: the folder holds flow of other settings, or a flow method needs OpenCV, which is
        not installed.
      VideoError: an unreadable video, or one of a single frame, unless `data.on_bad_video` is
        `skip`.
      FileError: no videos, lists or boxes that do not fit them, a set of tensorflow-datasets that
        cannot be used, a folder of an earlier version, or another process prepares this folder.
    """
    work = Workdir(cfg.workdir)
    check_layout(work)
    # Before any work: it is refused where OpenCV is missing.
    flow_methods.flow_method(cfg.flow.method)
    if not team.current_team().is_first:
        # Process 0 lists the videos and collects the results.
        if not cfg.flow.online:
            flow_shares.help_with_flow(cfg, work.flow)
        return work.path
    results = (work.dataset, work.bad, work.truth)
    lock = team_writer(
        work.path,
        "prepare",
        name=".prepare.lock",
        # Not the whole work folder: other stages may write in it now.
        is_ours=lambda target: target in results,
        below=False,
        break_lock=cfg.break_lock,
    )
    with lock:
        folders.remove_unfinished(work.flow)
        _prepare(cfg, work, on_listed)
    return work.path


def _prepare(cfg: RunConfig, work: Workdir, on_listed: Callable[[Dataset], None]) -> None:
    """The stage in a folder that no other process prepares."""
    root = _make_videos(cfg, work)
    listed, bad_rows = scan.scan_videos(cfg.data, seed=cfg.seed, root=root)
    # Boxes are read twice. Wrong ones are refused now, before hours of work; but only decoding
    # tells how many frames there are to have boxes.
    scan.read_dataset_true_tubes(cfg.data, _endless(listed), root=root)

    sample = FlowSample(cfg.flow.bound, {})
    if not cfg.flow.percentile:
        # The bound is known, so other settings are refused before anything is timed.
        claim_flow_folder(work.flow / "settings.json", flow_settings(cfg, sample.bound))
    # Before any flow is computed. The bound is measured on flow too, so it comes afterwards.
    on_listed(listed)
    fingerprints = video_fingerprints(listed.videos)
    stored = StoredFlow({}, {})
    if not cfg.flow.online:
        stored = flow_writing.read_stored_flow(work.flow, fingerprints)
        _print_cost(cfg, listed, stored)
    if cfg.flow.percentile:
        sample = flow_writing.sample_stored_flow_bound(cfg, listed)
    settings = flow_settings(cfg, sample.bound)
    claim_flow_folder(work.flow / "settings.json", settings)

    # Without it, later stages refuse the folder while it is half written.
    _remove(work.flow / "index.json")
    decoder = VideoDecoder(cfg.data, listed)
    flow_files = None
    if cfg.flow.online:
        # Decoded all the same: only that tells bad videos, and how many frames there are.
        frames = decoder.count_frames(listed.videos)
    else:
        scale = (settings["bound"], settings["scaled"])
        flow_shares.write_flow_together(cfg, work.flow, listed, scale, sample.parts)
        limit = image.flow_limit(settings["bound"], scaled=settings["scaled"])
        target = FlowTarget(work.flow, fingerprints, limit)
        if team.current_team().count > 1:
            # The processes have written theirs together.
            stored = flow_writing.read_stored_flow(work.flow, fingerprints)
        frames = flow_writing.write_missing_flow(
            cfg, target, listed.videos, stored, decoder, sample.parts
        )
        flow_files = flow_digests(work, frames)

    # What videos claim about their length is often wrong; from here on it is what was decoded.
    dataset = decoder.good_videos(listed, frames)
    tubes = scan.read_dataset_true_tubes(cfg.data, dataset, root=root)
    bad_rows = sorted([*bad_rows, *decoder.bad_rows], key=lambda row: row["name"])
    _write_lists(cfg, work, dataset, tubes, bad_rows)
    # Last: its presence says that the stage has finished.
    _write_index(work, settings, frames, fingerprints, flow_files)
    _print_summary(work, frames, len(tubes), len(bad_rows))
    balance.print_uneven(cfg.train.balance, dataset.listed("train"), dataset.classes)


def estimate_cost(cfg: RunConfig, dataset: Dataset) -> pace.FlowCost:
    """Estimates the time of the flow, and the space of the flow and the features.

    Args:
      cfg: `flow` and `convnet` decide the sizes, `data.workers` the time.
      dataset: the videos to come, at least one.
    """
    frame_floats = 0
    for stream, channels in STREAM_CHANNELS.items():
        network = image_network(convnet_of(cfg, stream), channels, len(dataset.classes))
        network = tapped_network(network, cfg.train.backbone_from)
        for shape in network.layers.values():
            frame_floats += math.prod(shape)
    sizes = []
    frame_format = flow_writing.stored_flow_frame_format(cfg)
    for video in dataset.videos:
        width, height = frame_format.size_of(video.width, video.height)
        decoded = video.frames * video.height * video.width
        sizes.append(pace.FlowVideo(video.frames - 1, height, width, decoded))
    return pace.estimate_flow_cost(
        sizes,
        method=cfg.flow.method,
        # More workers than cores are not faster.
        cores=min(cfg.data.workers, os.cpu_count() or 1),
        jpeg=cfg.flow.image == "jpeg",
        frame_floats=frame_floats,
    )


# ---- before the flow -----------------------------------------------------------------------------


def _make_videos(cfg: RunConfig, work: Workdir) -> epath.Path | None:
    """Writes the videos of a set that is made here, and returns their folder.

    None where the videos already lie in `data.videos`.

    Raises:
      ConfigError: a folder of videos is given beside the built-in set.
    """
    data = cfg.data
    if data.source == "folder":
        return None
    if data.source.startswith(export.PREFIX):
        return export.export_tfds(data, work.path / "tfds")
    # The built-in set would be used, and the folder passed over without a word.
    if data.videos:
        raise ConfigError(
            f"data.videos is {data.videos!r}, but data.source is 'stick_actions', which makes "
            "its own videos; give --data.source=folder too, or another preset, such as small"
        )
    return stick_actions.generate_stick_actions(
        work.path / "stick_actions",
        clips_per_class=data.clips_per_class,
        test_clips_per_class=data.test_clips_per_class,
        difficulty=data.difficulty,
        context=data.context,
        seed=cfg.seed,
        workers=data.workers,
    )


def _endless(dataset: Dataset) -> Dataset:
    """The same videos with as many frames as any box could need."""
    videos = [video._replace(frames=sys.maxsize) for video in dataset.videos]
    return dataset._replace(videos=tuple(videos))


# ---- flow and results ----------------------------------------------------------------------------


def _print_cost(cfg: RunConfig, listed: Dataset, stored: StoredFlow) -> None:
    """Prints how much flow is left to compute, and what it will take."""
    videos_to_do = []
    for video in listed.videos:
        if video.name not in stored.frames:
            videos_to_do.append(video)
    if videos_to_do:
        cost = estimate_cost(cfg, listed._replace(videos=tuple(videos_to_do)))
        print(
            f"prepare: {len(stored.frames)} of {len(listed.videos)} videos have their flow; for "
            f"the others, {cost}",
            flush=True,
        )


def _write_lists(
    cfg: RunConfig,
    work: Workdir,
    dataset: Dataset,
    tubes: list[Detection],
    bad_rows: list[dict[str, str]],
) -> None:
    """Writes dataset.json, and the files beside it that have rows; others are removed."""
    # dataset.json names them, so that a file that is lost later is not taken for none.
    files_beside = []
    if bad_rows:
        files_beside.append(work.bad.name)
    if tubes:
        files_beside.append(work.truth.name)
    settings = dataset_listing_settings(cfg.data)
    save_dataset(work.dataset, dataset, settings=settings, beside=files_beside)
    _write_or_remove(work.bad, bad_rows, _write_sealed)
    _write_or_remove(work.truth, tubes, save_detections)


def _write_or_remove(path: epath.Path, rows: list, write: Callable[..., None]) -> None:
    """Writes the rows, or removes the file of an earlier call where there are none."""
    if rows:
        write(path, rows)
    else:
        _remove(path)


def _write_sealed(path: epath.Path, rows: list[dict[str, str]]) -> None:
    files.write_jsonl(path, rows, sealed=True)


def _remove(path: epath.Path) -> None:
    if path.exists():
        path.unlink()


def _write_index(
    work: Workdir,
    settings: Mapping[str, Any],
    frames: Mapping[str, int],
    fingerprints: Mapping[str, str],
    flow_files: Mapping[str, str] | None,
) -> None:
    """Writes flow/index.json, which marks the stage as finished."""
    flow_frames, source = {}, {}
    for name, length in frames.items():
        # A flow image for each pair of frames.
        flow_frames[name] = length - 1
        source[name] = fingerprints[name]
    index = {**settings, "frames": flow_frames, "source": source}
    # With `flow.online` no flow is stored.
    if flow_files is not None:
        index["sha256"] = flow_files
    files.write_json(work.flow / "index.json", index, sealed=True)


def _print_summary(work: Workdir, frames: Mapping[str, int], tubes: int, bad: int) -> None:
    see = ""
    if bad:
        see = f", see {work.bad}"
    print(
        f"prepare: {len(frames)} videos, {sum(frames.values())} frames, {tubes} true tubes, {bad} "
        f"bad videos{see}",
        flush=True,
    )
