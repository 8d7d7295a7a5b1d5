"""The flow of a data set computed by several processes, each its share of the videos."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from etils import epath

from videolstm_jax.cluster import team
from videolstm_jax.cluster.shares import share_of
from videolstm_jax.config import RunConfig
from videolstm_jax.dataset.decoding import VideoDecoder
from videolstm_jax.dataset.prepared import video_fingerprints
from videolstm_jax.flow import image
from videolstm_jax.flow.batched import FlowPart
from videolstm_jax.flow_images import flow_writing
from videolstm_jax.flow_images.flow_writing import FlowTarget
from videolstm_jax.types import Dataset, Video


def write_flow_together(
    cfg: RunConfig,
    folder: epath.Path,
    listed: Dataset,
    scale: tuple[float, bool],
    computed: Mapping[str, FlowPart],
) -> None:
    """Has every process write the flow of its share; called by process 0.

    What is missing afterwards are videos that cannot be read, and process 0 keeps a row for each.

    Args:
      cfg: `flow` and `data` say how.
      folder: of the flow.
      listed: all videos. The others do not list them again: opening each takes long.
      scale: the bound, and whether it is scaled, see `flow.image.flow_limit`.
      computed: flow that the bound was found from, by video.
    """
    processes = team.current_team()
    if processes.count == 1:
        return
    record = {"classes": listed.classes, "videos": listed.videos, "scale": scale}
    processes.broadcast("the listed videos", json.dumps(record).encode())
    own_videos = share_of(listed.videos, processes.index, processes.count)
    _write_share(cfg, folder, listed, own_videos, scale, computed)
    processes.meet("the flow is written")


def help_with_flow(cfg: RunConfig, folder: epath.Path) -> None:
    """Writes the flow of this process's share; called by all processes but 0.

    Args:
      cfg: `flow` and `data` say how.
      folder: of the flow.
    """
    processes = team.current_team()
    record = json.loads(processes.broadcast("the listed videos", b""))
    videos = tuple(Video(*row) for row in record["videos"])
    listed = Dataset(tuple(record["classes"]), videos)
    own_videos = share_of(videos, processes.index, processes.count)
    bound, is_scaled = record["scale"]
    _write_share(cfg, folder, listed, own_videos, (bound, is_scaled), {})
    processes.meet("the flow is written")


def _write_share(
    cfg: RunConfig,
    folder: epath.Path,
    listed: Dataset,
    own: Sequence[Video],
    scale: tuple[float, bool],
    computed: Mapping[str, FlowPart],
) -> None:
    bound, is_scaled = scale
    limit = image.flow_limit(bound, scaled=is_scaled)
    target = FlowTarget(folder, video_fingerprints(own), limit)
    # The rows of bad videos are lost here. They are found again where all rows are collected.
    decoder = VideoDecoder(cfg.data, listed)
    stored = flow_writing.read_stored_flow(folder, target.fingerprints)
    flow_writing.write_missing_flow(cfg, target, own, stored, decoder, computed)
