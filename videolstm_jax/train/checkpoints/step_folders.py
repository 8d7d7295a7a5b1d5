"""The folders of checkpoints by their names: of which step, and whether a save has ended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etils import epath

DAMAGED = "ckpt-damaged"
"""The folder of a run to which damaged checkpoints are moved."""
# Orbax writes a checkpoint to a folder of such a name, and renames it at the end.
_STEP = re.compile(r"(?P<step>\d+)(?P<unfinished>\.orbax-checkpoint-tmp.*)?")


def step_folders(place: epath.Path) -> list[tuple[int, epath.Path]]:
    """The folders of checkpoints, finished or not, with their steps."""
    if not place.is_dir():
        return []
    folders = []
    for path in place.iterdir():
        match = _STEP.fullmatch(path.name)
        if match and path.is_dir():
            folders.append((int(match["step"]), path))
    return folders


def is_unfinished_checkpoint(path: epath.Path) -> bool:
    """Whether orbax has not renamed this folder, since its save did not end."""
    match = _STEP.fullmatch(path.name)
    return match is not None and match["unfinished"] is not None


def free_checkpoint_folder_name(folder: epath.Path, name: str) -> epath.Path:
    """A path in the folder that does not exist yet: NAME, NAME-2, NAME-3 .."""
    # The same step may be damaged again after training has made it once more.
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}"
    return path
