"""The lock of one file, or of one folder that appears whole, which a command writes anywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from etils import epath

from videolstm_jax.errors import FileError
from videolstm_jax.files import PathLike
from videolstm_jax.folders import remove_unfinished_of
from videolstm_jax.lock.owner import SILENCE, FolderInUse
from videolstm_jax.lock.sole_writer import sole_writer


@contextlib.contextmanager
def file_writer(path: PathLike, command: str) -> Iterator[None]:
    """Holds the lock of one file, and first removes what a killed process left of it.

    For commands that write into a folder of the user, such as a film: other files of the folder
    may be written by other processes meanwhile.

    Args:
      path: the file, or the folder that is written beside its place and then renamed.
      command: what writes, for the message to others.

    Raises:
      FileError: another process writes this file, or no file can be written there.
    """
    path = epath.Path(path)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(sole_writer(path.parent, command, name=f".{path.name}.lock"))
        except FolderInUse as error:
            # These commands have no --break_lock, which the message of the lock names.
            raise FileError(_refusal(path, error)) from error
        except OSError as error:
            # The user knows the file, not its lock, which an error of the system names.
            cause = error.strerror or error
            raise FileError(f"{path}: {cause} (errno {error.errno})") from error
        # Without the lock this could be the file of a living process. A number of a process in its
        # name would not tell, since containers that share a folder may share such numbers.
        remove_unfinished_of(path)
        yield


def _refusal(path: epath.Path, error: FolderInUse) -> str:
    owner = error.owner
    remedy = "wait for it or stop it"
    if error.is_elsewhere:
        remedy += f". If it no longer runs, try again after {SILENCE:.0f} s"
    return (
        f"{path}: {owner.stage} writes this already: process {owner.pid} on {owner.host}, since "
        f"{owner.since}; {remedy}"
    )
