"""Waits until a disk has what was written, so that a power cut cannot take it back."""

from __future__ import annotations

import errno
import os

PathLike = str | os.PathLike


def sync(path: PathLike) -> None:
    """Waits until the disk has the content of a file, or the names in a folder.

    In a bucket there is nothing to wait for: an object that was written is safe.
    """
    if is_bucket(path):
        return
    # For reading: `fsync` takes any descriptor, and a folder cannot be opened for writing.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems of networks and containers cannot sync folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not os.path.isdir(path):
            raise
    finally:
        os.close(descriptor)


def sync_tree(folder: PathLike) -> None:
    """Waits until the disk has all files of a folder and of its folders."""
    if is_bucket(folder):
        return
    # From the bottom up: a name is on the disk after what it stands for.
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(os.path.join(parent, name))
        sync(parent)


def is_bucket(path: PathLike) -> bool:
    """Whether a path names an object of a service, such as gs://bucket/name."""
    return "://" in os.fspath(path)
