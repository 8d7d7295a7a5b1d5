"""The record of a fusion: its method, its weights, and how the weights were searched."""

from __future__ import annotations

import dataclasses

from videolstm_jax.files import PathLike, write_json
from videolstm_jax.json_records import json_record, read_record


@json_record()
@dataclasses.dataclass(frozen=True)
class TriedWeights:
    """Weights, one a run, the validation videos they get right, and their mean loss -log p."""

    weights: tuple[float, ...]
    right: int
    loss: float


@json_record()
@dataclasses.dataclass(frozen=True)
class SearchRecord:
    """A search of weights.

    `files` have the validation scores of each run, `videos` is their number and `trained` how many
    of these a run was trained on. `tried` are all candidates in order; `best` was taken, and
    `equal` is what equal weights give.
    """

    files: tuple[str, ...]
    videos: int
    trained: int
    best: TriedWeights
    equal: TriedWeights
    tried: tuple[TriedWeights, ...]


@json_record()
@dataclasses.dataclass(frozen=True)
class FusionRecord:
    """A fusion: `method`, the `runs` with a weight each, and the accuracy on the scored list.

    `videos_right` of `videos` are right; videos that could not be read are not counted here.
    `search` is None where the user gave the weights.
    """

    method: str
    runs: tuple[str, ...]
    weights: tuple[float, ...]
    part: str
    videos: int
    videos_right: int
    search: SearchRecord | None = None


def save_fusion(path: PathLike, record: FusionRecord) -> None:
    """Writes the record of a fusion as JSON with a seal."""
    write_json(path, dataclasses.asdict(record), sealed=True)


def load_fusion(path: PathLike) -> FusionRecord:
    """Reads the record of a fusion.

    Raises:
      FileError: it is missing or damaged; the message names the field.
    """
    return read_record(path, FusionRecord, "fuse")
