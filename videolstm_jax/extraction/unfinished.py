"""Which views of which videos have no features yet, and what the mirrored ones will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from videolstm_jax.extraction.stores import BackboneWithStores, ExtractionJob
from videolstm_jax.types import Video, View, names_of


def views_without_features(
    job: ExtractionJob, backbones: Mapping[str, BackboneWithStores]
) -> dict[str, list[View]]:
    """Returns by video the views that lack one of the layers, whoever should write them."""
    missing: dict[str, list[View]] = {}
    for view in job.views:
        names = names_of(job.videos_of(view))
        unfinished: set[str] = set()
        for backbone in backbones.values():
            for writer in backbone.writers[view].values():
                unfinished.update(writer.missing(names))
        for name in unfinished:
            missing.setdefault(name, []).append(view)
    return missing


def views_to_extract(
    job: ExtractionJob, backbones: Mapping[str, BackboneWithStores]
) -> dict[str, list[View]]:
    """Returns by video of this worker's shard the views that are not finished."""
    missing = views_without_features(job, backbones)
    # The shard is of all videos, not of the missing ones: it must be the same for a worker that is
    # started again.
    views = {}
    for video in job.shard.of(job.dataset.videos):
        if video.name in missing:
            views[video.name] = missing[video.name]
    return views


def mirrored_bytes_to_extract(
    videos: Sequence[Video],
    views: Mapping[str, Sequence[View]],
    backbones: Mapping[str, BackboneWithStores],
) -> tuple[int, int]:
    """Returns how many of the videos lack mirrored features, and the bytes that these will take."""
    count = frames = 0
    for video in videos:
        if "mirrored" in views[video.name]:
            count += 1
            frames += video.frames - 1
    frame_bytes = 0
    for backbone in backbones.values():
        # There are no such writers where mirrored features are not asked for.
        for writer in backbone.writers.get("mirrored", {}).values():
            frame_bytes += writer.record_bytes
    return count, frames * frame_bytes
