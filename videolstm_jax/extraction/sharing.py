"""How the shards of an extraction share their folders: locks, and files that a kill has left."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from etils import epath

from videolstm_jax.extraction.convnet_scores import CONVNET_SCORES
from videolstm_jax.extraction.stores import ExtractionJob
from videolstm_jax.features.notes import feature_notes_path
from videolstm_jax.folders import remove_unfinished
from videolstm_jax.lock.sole_writer import sole_writer
from videolstm_jax.lock.waiting_writer import waiting_writer
from videolstm_jax.types import names_of

# Not `.extract-*`: who extracts all videos is not its rival, but that of each shard.
_LOCK_OF_SHARED_FILES = ".finish.lock"


def sole_shard(job: ExtractionJob, folder: epath.Path) -> contextlib.AbstractContextManager[None]:
    """The lock of a stream's features: one a shard, so that shards work side by side."""
    # Who extracts all videos would write what the shards write, and finish their stores.
    name, rivals = ".extract.lock", ".extract-*.lock"
    if job.shard.worker:
        name, rivals = f".extract-{job.shard.worker}.lock", name
    # A scheduler starts a shard again on another machine while its lock still looks alive.
    patient = bool(job.shard.worker)
    return sole_writer(
        folder,
        "extract",
        name=name,
        rivals=rivals,
        break_lock=job.cfg.break_lock,
        patient=patient,
    )


@contextlib.contextmanager
def one_shard_at_a_time(job: ExtractionJob, streams: Sequence[str]) -> Iterator[None]:
    """Lets one shard of several write the files that all of them share: indexes and scores."""
    with contextlib.ExitStack() as stack:
        if job.shard.worker:
            for folder in extracted_stream_folders(job, streams):
                stack.enter_context(
                    waiting_writer(
                        folder,
                        "extract",
                        name=_LOCK_OF_SHARED_FILES,
                        waits_for="another shard, which opens or finishes the stores",
                    )
                )
        yield


def extracted_stream_folders(job: ExtractionJob, streams: Sequence[str]) -> list[epath.Path]:
    """The folder of each stream's features."""
    return [job.work.features(stream, "pool5").parent for stream in streams]


def remove_unfinished_of_shard(job: ExtractionJob, folder: epath.Path) -> None:
    """Removes the files of this worker that it was writing when it was killed."""
    own_names = names_of(job.shard.of(job.dataset.videos))
    own_notes = feature_notes_path(folder, job.shard.worker).name

    def is_ours(target: epath.Path) -> bool:
        if job.shard.count == 1 or target.name == own_notes:
            return True
        _, *name = target.relative_to(folder).parts  # behind the folder of the layer
        return "/".join(name).rpartition(".")[0] in own_names

    remove_unfinished(folder, is_ours)


def remove_unfinished_features(job: ExtractionJob, stream: str) -> None:
    """Removes what killed workers left in the stores of a stream, and of its scores.

    All videos are done, and this worker alone writes what is shared: none of it is being written.
    """
    (folder,) = extracted_stream_folders(job, [stream])
    remove_unfinished(folder)
    # Other files in the folder of the backbone may be of a fit that runs.
    remove_unfinished(job.work.convnet(stream), lambda target: target.name in CONVNET_SCORES)
