"""What stands in folders: files that a killed process left, links that lead out, lists, sizes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from etils import epath

from videolstm_jax.durable import is_bucket
from videolstm_jax.files import LONGEST_NAME, path_beside, unfinished_target
from videolstm_jax.sealed_json import PathLike


def refresh_list(folder: PathLike) -> None:
    """Has a network file system fetch the list of the files of a folder anew.

    It may keep a list for a minute, in which files of other machines are missing. After a change of
    its own it notices that others have changed the folder too.
    """
    # What a bucket lists is never old.
    if "://" in os.fspath(folder):
        return
    probe = path_beside(epath.Path(folder) / "list")
    # On a disk that is full the list stays as it is.
    with contextlib.suppress(OSError):
        probe.touch()
    with contextlib.suppress(OSError):
        probe.unlink(missing_ok=True)


def remove_unfinished(
    folder: PathLike,
    is_ours: Callable[[epath.Path], bool] = lambda _: True,
    *,
    below: bool = True,
) -> None:
    """Removes what `replacing` left in a folder where a process was killed.

    Args:
      folder: that no other process writes, except for files that `is_ours` excludes.
      is_ours: whether a file that was to be written belongs to this process.
      below: whether folders in it are looked through too.
    """
    folder = epath.Path(folder)
    if not folder.is_dir():
        return
    for directory, _, names in folder.walk():
        for name in names:
            target = unfinished_target(directory / name)
            if target is not None and is_ours(target):
                (directory / name).unlink(missing_ok=True)
        # The folder itself is listed first.
        if not below:
            return


def remove_unfinished_of(path: PathLike) -> None:
    """Removes what killed processes left of one file, or of one folder that is renamed when whole.

    Args:
      path: which no other process writes now.
    """
    path = epath.Path(path)
    if not path.parent.is_dir():
        return
    for beside in path.parent.iterdir():
        target = unfinished_target(beside)
        if target is None or target.name != path.name:
            continue
        if beside.is_dir():
            beside.rmtree()
        else:
            beside.unlink(missing_ok=True)


def leads_out(name: str) -> bool:
    """Whether a file of this name below a folder could lie outside it, or nowhere at all.

    Flow, features and scores are written under the names of the videos.
    """
    parts = name.replace("\\", "/").split("/")
    longest = max(len(part.encode("utf-8", "surrogatepass")) for part in parts)
    return "\0" in name or longest > LONGEST_NAME or not {"", ".", ".."}.isdisjoint(parts)


def leads_out_by_link(folder: PathLike, path: PathLike) -> bool:
    """Whether a symbolic link below a folder takes a path out of that folder.

    A link to the folder itself, or of a folder above it, is one that the user made or named.

    Args:
      folder: that the program opens by a rule of its own.
      path: of a file whose name, below the folder, comes from another file.
    """
    # A bucket has no links.
    if is_bucket(folder):
        return False
    real_folder = os.path.realpath(folder)
    return not os.path.realpath(path).startswith(os.path.join(real_folder, ""))


def file_size(path: epath.Path) -> int | None:
    """Bytes of a file; None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if status.is_directory:
        return None
    return status.length
