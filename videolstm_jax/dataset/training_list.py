"""The training lists of models and backbones, and the check that none is evaluated on its own.

A list has the names of the videos that parameters depend on: those of the training itself, and of
everything it started from or read, such as the backbone whose features it reads. A model is
compared with a test list by these names, "Class/stem".
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.json_records import json_record, parse_record
from videolstm_jax.sealed_json import json_sha256
from videolstm_jax.workdir.config_json import load_config
from videolstm_jax.workdir.scores_npz import load_scores

if TYPE_CHECKING:
    from etils import epath

    from videolstm_jax.types import NDArray, Scores

KEY = "trained_on"
"""The key of config.json and model.json that has the list."""
NAMED = 3
"""Videos that an error names."""


@json_record()
@dataclasses.dataclass(frozen=True)
class TrainingList:
    """A training list as a file holds it: the names of the videos in order, and their hash."""

    videos: tuple[str, ...]
    sha256: str

    def __post_init__(self) -> None:
        """Raises ValueError for a list that was edited."""
        if json_sha256(list(self.videos)) != self.sha256:
            raise ValueError("the training list has been changed: its sha256 does not agree")


def list_record(names: Iterable[str]) -> dict[str, Any]:
    """A training list as config.json and model.json hold it: the names in order, and their hash."""
    # Sorted, so that equal lists have equal hashes.
    videos = sorted(set(names))
    return {"videos": videos, "sha256": json_sha256(videos)}


def videos_trained_on(record: Mapping[str, Any], path: object) -> tuple[str, ...]:
    """The training list in the content of a config.json or model.json; empty where it has none.

    Args:
      record: the content of the file.
      path: of the file, for the message.

    Raises:
      FileError: the list is damaged.
    """
    row = record.get(KEY)
    # Folders that other programs wrote, and pools of several trainings, have no one list.
    if row is None:
        return ()
    data = json.dumps(row).encode()
    return parse_record(data, TrainingList, f"{path}: {KEY}").videos


def trained_on_of(folder: epath.Path) -> tuple[str, ...]:
    """The training list of a run or backbone by its folder; empty where nothing says."""
    if not (folder / "config.json").exists():
        return ()
    return videos_trained_on(load_config(folder), folder / "config.json")


def check_test_list(
    names: Sequence[str], trained: Collection[str], owner: object, *, allowed: bool
) -> NDArray:
    """Which videos a model was trained on, [V] bool.

    Args:
      names: of the V videos that it is evaluated on.
      trained: its training list.
      owner: the model, for the message.
      allowed: whether there may be any, see `eval.allow_trained`.

    Raises:
      FileError: there are some, and that is not allowed.
    """
    # By names, because a model may be read on another machine, where paths differ.
    is_trained = np.isin(np.array(names, str), np.array(sorted(trained), str))
    count = int(is_trained.sum())
    if count and not allowed:
        examples = ", ".join(np.array(names, str)[is_trained][:NAMED])
        if count > NAMED:
            examples += " .."
        raise FileError(
            f"{owner} was trained on {count} of the {len(names)} test videos: {examples}. "
            "Results on them are not results on new videos: train anew on this training list, or "
            "give --eval.allow_trained, and every result says so"
        )
    return is_trained


def scores_of_checked_videos(path: epath.Path, owner: object, *, allowed: bool) -> Scores:
    """Reads a score file, with the videos marked that its model was trained on.

    Args:
      path: of the scores, beside the config.json of their model where they are of one.
      owner: the model, for the message.
      allowed: see `check_test_list`.

    Raises:
      FileError: the file cannot be used, or the model was trained on one of its videos.
    """
    scores = load_scores(path)
    trained: set[str] = set()
    # Other files, such as those of fusions, have no config.json of their model beside them.
    if path.name in ("scores.npz", "scores_valid.npz"):
        trained.update(trained_on_of(path.parent))
    # The file marks the videos of the model that wrote it, or of those that were fused. The run may
    # have been trained anew since then.
    if scores.trained is not None:
        trained.update(np.array(scores.videos)[scores.trained].tolist())
    return scores._replace(trained=check_test_list(scores.videos, trained, owner, allowed=allowed))
