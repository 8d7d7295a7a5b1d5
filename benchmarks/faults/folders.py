"""The files of work folders: what a stage that was broken off left, and what differs in the end."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

from videolstm_jax.train.checkpoints.checkpoint import Checkpoints

# Part of the names of files that are being written, and of orbax's folders.
_UNFINISHED = (".part-", "orbax-checkpoint-tmp")
# What a stage writes as it goes, and begins anew or adds to: not compared until its end.
_GROWING = ("metrics.jsonl", "hashes.jsonl")
# What `extract` notes of the videos that are done; the index takes their place at the end.
_NOTES = ("about.json", "done.jsonl")
_CHECKPOINTS = ("ckpt", "best")


def _is_unfinished(name: str) -> bool:
    return any(part in name for part in _UNFINISHED)


def unfinished_files(work: pathlib.Path) -> list[str]:
    """Returns the temporary files and folders below a work folder."""
    names = []
    for folder, folders, files in os.walk(work):
        for name in (*folders, *files):
            if _is_unfinished(name):
                names.append(os.path.relpath(os.path.join(folder, name), work))
    return names


def written_files(work: pathlib.Path) -> list[str]:
    """Returns the files with a final name, without locks and those of checkpoints.

    The logs of steps are left out too: they are made before the first step.
    """
    names = []
    for folder, folders, files in os.walk(work):
        folders[:] = [name for name in folders if name not in _CHECKPOINTS]
        for name in files:
            if not _is_unfinished(name) and ".lock" not in name and name not in _GROWING:
                names.append(os.path.relpath(os.path.join(folder, name), work))
    return sorted(names)


def contents(work: pathlib.Path) -> dict[str, Any]:
    """Returns the content of every file by its path, and the digests of every checkpoint."""
    by_name: dict[str, Any] = {}
    for path in sorted(work.rglob("*")):
        place = path.relative_to(work)
        if path.is_file() and not set(_CHECKPOINTS) & set(place.parts):
            by_name[str(place)] = path.read_bytes()
        elif path.is_dir() and path.name in _CHECKPOINTS:
            with Checkpoints(path) as checkpoints:
                by_name[str(place)] = json.dumps(checkpoints.meta(), sort_keys=True)
    return by_name


def differences(work: pathlib.Path, unbroken: dict[str, Any]) -> list[str]:
    """Returns the names of what is missing, too many, or of another content."""
    present = contents(work)
    names = []
    for name in sorted(present.keys() | unbroken.keys()):
        if present.get(name) != unbroken.get(name):
            names.append(name)
    return names


def locks(work: pathlib.Path) -> list[str]:
    """Returns the locks in a work folder."""
    return [str(path.relative_to(work)) for path in sorted(work.rglob("*.lock*"))]


def half_written(work: pathlib.Path, before: dict[str, Any], unbroken: dict[str, Any]) -> list[str]:
    """Returns the files with a final name whose content is no content of an unbroken run.

    Args:
      work: of a process that was killed.
      before: the contents before the stage, which it may not have replaced yet.
      unbroken: the contents after an unbroken run.
    """
    names = []
    for name in written_files(work):
        content = (work / name).read_bytes()
        if os.path.basename(name) in _NOTES:
            if not _are_notes(content):
                names.append(name)
        elif content not in (before.get(name), unbroken.get(name)):
            names.append(name)
    for path in sorted(work.rglob("*.jsonl")):
        if path.name not in _GROWING:
            continue
        name = str(path.relative_to(work))
        # The last line of an append may be cut; the next process drops it.
        complete_lines = b"".join(unbroken.get(name, b"").splitlines(keepends=True))
        if not complete_lines.startswith(path.read_bytes()):
            names.append(name)
    return names


def _are_notes(content: bytes) -> bool:
    """Whether all lines but the last one are JSON, or all of the file is."""
    try:
        json.loads(content)
        return True
    except ValueError:
        lines = content.split(b"\n")
    try:
        for line in lines[:-1]:
            json.loads(line)
    except ValueError:
        return False
    return True


def newest_step(work: pathlib.Path, stage: str) -> int:
    """Returns the step of the newest complete checkpoint of a stage that trains, 0 without one."""
    folder = "runs" if stage == "train" else "convnets"
    steps = [0]
    for path in work.glob(f"{folder}/*/ckpt/*"):
        if path.name.isdigit():
            steps.append(int(path.name))
    return max(steps)
