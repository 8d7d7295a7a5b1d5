"""Checkpoints in a bucket: orbax works in a local folder, and whole checkpoints are copied.

Orbax itself reaches buckets through other clients than the rest of this package, and needs packages
for them that nothing else needs. A copy goes through the same client as all other files.
"""

from __future__ import annotations

import pathlib
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

from etils import epath

from videolstm_jax.files import call_in_threads

LAST_FILE = "_CHECKPOINT_METADATA"
"""A file of each of orbax's checkpoints. It is sent last: without it the others are not complete.

So the files in the bucket are those of a local checkpoint, and a work folder can be copied.
"""


class BucketManager:
    """What `Checkpoints` needs of orbax's `CheckpointManager`, for a folder in a bucket.

    A save has ended when `save` returns: the next one may be hours away, and a machine may be lost
    before it.
    """

    def __init__(
        self,
        folder: epath.Path,
        open_local: Callable[[epath.Path], Any],
        *,
        keep: int,
        writes: bool,
    ):
        """Opens the folder.

        Args:
          folder: in a bucket.
          open_local: opens orbax's manager of a local folder, whose saves end when they return.
          keep: how many checkpoints the folder holds.
          writes: whether this process writes; it removes what a killed one has left.
        """
        self._folder, self._keep = folder, keep
        # On the disk of this machine, where orbax needs no client of the bucket.
        self._scratch = tempfile.TemporaryDirectory(prefix="videolstm-")
        self._local = pathlib.Path(self._scratch.name)
        self._manager = open_local(epath.Path(self._local))
        # A process that only reads must not touch a save that another one has begun.
        if writes:
            for step in self._steps_of(complete=False):
                self._remove(step)

    def all_steps(self) -> list[int]:
        """The steps whose checkpoints are complete in the bucket."""
        return self._steps_of(complete=True)

    def save(self, step: int, args: Any) -> None:
        """Saves a checkpoint, and removes those that are too old."""
        self._manager.save(step, args=args)
        self._send(step)
        # Only now, so that the bucket holds a complete checkpoint at every moment.
        for old_step in self.all_steps()[: -self._keep]:
            self._remove(old_step)

    def restore(self, step: int, args: Any) -> Any:
        """Reads items of a checkpoint."""
        # What was saved or read before lies here still, and no checkpoint ever changes.
        if not (self._local / str(step)).exists():
            self._fetch(step)
        return self._manager.restore(step, args=args)

    def wait_until_finished(self) -> None:
        """Does nothing: every save has ended."""

    def close(self) -> None:
        """Closes orbax's manager, and removes the local copies."""
        self._manager.close()
        self._scratch.cleanup()

    # ---- between the bucket and this machine -----------------------------------------------------

    def _steps_of(self, *, complete: bool) -> list[int]:
        """The numbers of the checkpoints that are complete, or of those that are not, in order."""
        # A folder without an object in it is none.
        if not self._folder.exists():
            return []
        folders = [path for path in self._folder.iterdir() if path.name.isdigit()]
        are_complete = call_in_threads(_is_complete, folders)
        steps = []
        for path, is_complete in zip(folders, are_complete, strict=True):
            if is_complete == complete:
                steps.append(int(path.name))
        return sorted(steps)

    def _send(self, step: int) -> None:
        source, target = self._local / str(step), self._folder / str(step)
        paths, parents = [], set()
        for path in source.rglob("*"):
            if path.is_file():
                paths.append(path.relative_to(source))
                parents.add(path.relative_to(source).parent)
        # Before the files, which are copied side by side. A local folder that stands in for a
        # bucket needs them.
        for parent in sorted(parents):
            (target / parent).mkdir(parents=True, exist_ok=True)

        def copy(path: pathlib.Path) -> None:
            (target / path).write_bytes((source / path).read_bytes())

        # The last file says that the checkpoint is complete, so all others are there before it.
        call_in_threads(copy, [path for path in paths if path.name != LAST_FILE])
        copy(pathlib.Path(LAST_FILE))

    def _fetch(self, step: int) -> None:
        source, target = self._folder / str(step), self._local / f".{step}"
        # Of an earlier attempt that failed half-way.
        shutil.rmtree(target, ignore_errors=True)
        places = []
        for parent, _, names in source.walk():
            places += [parent / name for name in names]

        def copy(place: epath.Path) -> None:
            path = target / place.relative_to(source)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(place.read_bytes())

        call_in_threads(copy, places)
        # Under the number of its step only when it is whole: orbax reads what it finds there.
        target.rename(self._local / str(step))
        # Orbax keeps a list of the steps, in which this one is missing.
        self._manager.reload()

    def _remove(self, step: int) -> None:
        folder = self._folder / str(step)
        # First, so that nobody takes for complete what is being removed.
        (folder / LAST_FILE).unlink(missing_ok=True)
        folder.rmtree(missing_ok=True)


def _is_complete(folder: epath.Path) -> bool:
    return (folder / LAST_FILE).exists()
