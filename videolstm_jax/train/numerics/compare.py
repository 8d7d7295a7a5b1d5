"""Finds the step at which two trainings part, by hashes.jsonl and metrics.jsonl of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import read_jsonl

if TYPE_CHECKING:
    from videolstm_jax.files import PathLike

Rows = Mapping[int, Mapping[str, Any]]
"""The lines of a log, by their step."""


class Parting(NamedTuple):
    """Where two logs part.

    Attributes:
      last_equal: the last step before the first difference whose lines are equal; 0 for none.
      step: the first step whose lines differ, or None.
      field: the first field that differs there.
    """

    last_equal: int
    step: int | None
    field: str = ""


def compare_trainings(first: PathLike, second: PathLike) -> tuple[bool, list[str]]:
    """Compares two trainings by the steps that both have logged.

    Args:
      first: the folder of a run or of a backbone.
      second: another one.

    Returns:
      Whether all lines agree, and lines of text that say so, or where they part.

    Raises:
      FileError: a folder has no hashes.jsonl, or the two have no step in common.
    """
    folders = (epath.Path(first), epath.Path(second))
    # The states first: where only the metrics part, the trainings had the same parameters.
    states = _parting_of_logs((_hashes(folders[0]), _hashes(folders[1])), folders)
    metrics_logs = (_by_step(folders[0] / "metrics.jsonl"), _by_step(folders[1] / "metrics.jsonl"))
    metrics = _parting_of_logs(metrics_logs, folders)
    texts = [_text("states", states), _text("metrics", metrics)]
    return states.step is None and metrics.step is None, texts


def _parting_of_logs(logs: Sequence[Rows], folders: Sequence[epath.Path]) -> Parting:
    """Where two logs part, by the steps that both have.

    Args:
      logs: of the two trainings.
      folders: of the two trainings, for the message.

    Raises:
      FileError: they have no step in common.
    """
    first, second = logs
    # Either training may have gone on for longer, or have logged seldom.
    common = sorted(first.keys() & second.keys())
    if not common:
        raise FileError(
            f"{folders[0]} and {folders[1]} have logged no step in common; expected the same "
            "train.log_every and train.hash_every"
        )
    last_equal = 0
    for step in common:
        if first[step] != second[step]:
            return Parting(last_equal, step, _first_difference(first[step], second[step]))
        last_equal = step
    return Parting(last_equal, None)


def _hashes(folder: epath.Path) -> Rows:
    """The digests of each state: of the arrays by their names, and of all of it."""
    rows = {}
    path = folder / "hashes.jsonl"
    for step, row in _by_step(path).items():
        arrays = row.get("arrays")
        if not isinstance(arrays, dict):
            raise FileError(f"{path} has no digests of arrays at step {step}; expected some")
        # Arrays first, so that the first difference is an array and not the digest of all.
        rows[step] = {**arrays, "sha256": row.get("sha256")}
    return rows


def _by_step(path: epath.Path) -> Rows:
    """The lines of a log by their step; those of one step, as of a validation, are joined."""
    rows: dict[int, dict[str, Any]] = {}
    for row in read_jsonl(path, made_by="train"):
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            raise FileError(f"{path} has a line without a step; expected a log of a training")
        rows.setdefault(row["step"], {}).update(row)
    return rows


def _first_difference(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """The name of the first field that differs."""
    # Of both, since a field that only one of them has differs too.
    for name in (*first, *second):
        if first.get(name) != second.get(name):
            return name
    return ""


def _text(subject: str, result: Parting) -> str:
    if result.step is None:
        return f"the {subject} agree up to step {result.last_equal}"
    agreement = "agree in no step before"
    if result.last_equal:
        agreement = f"agree up to step {result.last_equal}"
    return (
        f"the {subject} {agreement}, and differ by step {result.step}: the first that differs "
        f"is {result.field}"
    )
