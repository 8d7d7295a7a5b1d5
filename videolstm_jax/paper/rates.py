"""What the stages that train nothing cost, from rates that were measured on a processor.

The rates are those of an AMD EPYC with two cores. These stages decode videos, compute flow or write
text, so a faster accelerator changes little of it. docs/paper.md lists the rates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from videolstm_jax.train.cost import StageCost

if TYPE_CHECKING:
    from videolstm_jax.config import RunConfig
    from videolstm_jax.types import Dataset

_FLOW_RATE = 22.1
"""Frames a second of `prepare`, TV-L1 at 340x256 with 2 workers: docs/costs.md. Other methods and
sizes of flow were not measured there, and are taken to be as slow."""
_DECODING_RATE = 1706.6
"""Frames a second that are decoded and checked, as `prepare --flow.online` does: docs/costs.md."""
_FLOW_BYTES = 7784
"""Bytes of a pair of flow images of 340x256 pixels: docs/costs.md."""
_TRAJECTORIES_RATE = 4.3
"""Frames a second of trajectories with their flow on one core, the slower of two clips of UCF101:
docs/experiments/trajectories.md."""
_TRAJECTORIES_A_FRAME = 130
"""The mean of the same two clips, which have 23 and 237: docs/trajectories.md."""
_TRAJECTORY_BYTES = 1400
"""Of a trajectory on disk: docs/trajectories.md."""
_FISHER_NUMBERS = 426
"""Numbers of a Fisher vector for each Gaussian: 109,056 for 256, docs/trajectories.md."""
_LITE0_SECONDS = 0.0207
"""Processor time of Lite0 for a frame of 224x224: benchmarks/results/lite0_cpu.json."""
_OBJECTS_NUMBERS = 1000
"""ImageNet's classes, whose mean probabilities are kept of each video."""
_BOX_SECONDS = 0.0013
"""Processor time from the attention of a frame to its box, the slowest of three kinds of attention:
benchmarks/results/localize.json."""
_BOX_BYTES, _TUBE_SCORE_BYTES = 36, 23
"""Of a box and of a class score as text in tubes.jsonl, with all their digits."""
_FUSE_SECONDS = 4e-8
"""Processor time for each class score of each source: 0.03 s for two sources of 3,783 videos and
101 classes, measured for this line."""
_FLOAT_BYTES = 4


def measured_paper_stage_cost(stage: str, cfg: RunConfig, dataset: Dataset) -> StageCost | None:
    """The cost of `prepare`, `idt`, `objects`, `localize` or `fuse` from nothing; else None.

    Args:
      stage: its name.
      cfg: its settings.
      dataset: the videos.
    """
    function = _ESTIMATES.get(stage)
    if function is None:
        return None
    return function(cfg, dataset)


def _prepare(cfg: RunConfig, dataset: Dataset) -> StageCost:
    frames = _frames(dataset)
    # Frames are counted only; flow is a cost of `extract` then.
    if cfg.flow.online:
        return StageCost(frames / _DECODING_RATE, 0)
    # What a folder really takes is only known to `prepare`.
    return StageCost(frames / _FLOW_RATE, frames * _FLOW_BYTES)


def _idt(cfg: RunConfig, dataset: Dataset) -> StageCost:
    """Trajectories and Fisher vectors; the time of Fisher vectors and SVMs is not measured."""
    disk = len(dataset.videos) * _FISHER_NUMBERS * cfg.idt.components * _FLOAT_BYTES
    # Trajectories of another program are there already.
    if cfg.idt.files:
        return StageCost(0.0, disk)
    for video in dataset.videos:
        count = video.frames * _TRAJECTORIES_A_FRAME
        if cfg.idt.limit:
            count = min(count, cfg.idt.limit)
        disk += count * _TRAJECTORY_BYTES
    return StageCost(_frames(dataset) / _TRAJECTORIES_RATE, disk)


def _objects(cfg: RunConfig, dataset: Dataset) -> StageCost:
    frames = _frames(dataset)
    # Every frame is decoded, and every n-th goes through the network.
    seconds = frames / _DECODING_RATE + frames / cfg.objects.stride * _LITE0_SECONDS
    return StageCost(seconds, len(dataset.videos) * _OBJECTS_NUMBERS * _FLOAT_BYTES)


def _localize(cfg: RunConfig, dataset: Dataset) -> StageCost:
    """Boxes and one tube a video; measuring them against the true boxes is left out."""
    del cfg
    tests = dataset.part("test")
    # One frame less of each video: the last one has no flow, and repeats the box before it.
    frames = sum(video.frames - 1 for video in tests)
    scores = len(tests) * len(dataset.classes)
    return StageCost(frames * _BOX_SECONDS, frames * _BOX_BYTES + scores * _TUBE_SCORE_BYTES)


def _fuse(cfg: RunConfig, dataset: Dataset) -> StageCost:
    scores = len(dataset.part("test")) * len(dataset.classes)
    return StageCost(len(cfg.fuse.runs) * scores * _FUSE_SECONDS, scores * _FLOAT_BYTES)


def _frames(dataset: Dataset) -> int:
    return sum(dataset.frames.values())


_ESTIMATES: Mapping[str, Callable[[RunConfig, Dataset], StageCost]] = MappingProxyType(
    {
        "prepare": _prepare,
        "idt": _idt,
        "objects": _objects,
        "localize": _localize,
        "fuse": _fuse,
    }
)
