"""Compares the files of a store with its index before results depend on them, and remembers it.

A record says which files had the digest of the index, and the size, time and inode of each then. It
lies in the user's cache and not in the work folder, whose files are the same bytes wherever and
whenever they are made. Whoever removes it loses only time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

from etils import epath

from videolstm_jax import files
from videolstm_jax.durable import is_bucket
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.files import call_in_threads


def verify_store(store: FeatureStore, names: Sequence[str], mode: str) -> None:
    """Compares the files of the named videos with the index.

    Args:
      store: to be read.
      names: of the videos that will be read.
      mode: `always` reads every byte. `once` skips files that have been compared before and have
        not changed since. `never` compares sizes only.

    Raises:
      FileError: naming the files that are missing or damaged.
    """
    # Sizes first: they cost little, and their message says more than that a digest differs.
    store.check_sizes(names)
    # Whole objects of a bucket would be downloaded, and the service checks their content itself.
    if mode == "never" or (mode == "once" and is_bucket(store.folder)):
        return
    if mode == "always":
        store.verify(names)
        return
    # Before the files are read: what changes in the meantime has another state afterwards.
    states = dict(
        zip(names, call_in_threads(_file_state, list(map(store.path, names))), strict=True)
    )
    verified = _read_record(store)
    signatures = {}
    unread = []
    for name in names:
        # With the digest of the index: a store that was made anew has other ones.
        signatures[name] = [*states[name], store.sha256[name]]
        if verified.get(name) != signatures[name]:
            unread.append(name)
    if not unread:
        return
    store.verify(unread)
    _write_record(store, verified | signatures)


def _file_state(path: epath.Path) -> list[int]:
    """What shows that a file is still the same: its bytes, its time in nanoseconds, its inode.

    A copy has another inode, also where it keeps the times.
    """
    status = os.stat(os.fspath(path))
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def store_verification_record(store: FeatureStore) -> epath.Path:
    """Where the record of a store lies: a file for each folder, in the cache of the user."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    name = files.bytes_sha256(os.fsencode(_address(store)))
    return epath.Path(cache) / "videolstm_jax" / "verified" / f"{name}.json"


def _read_record(store: FeatureStore) -> dict[str, Any]:
    """The state and the digest of each file that was verified in this very folder."""
    try:
        record = files.read_json(store_verification_record(store))
    except (FileError, OSError):
        # Absent or damaged: all files are compared, and the record is written anew.
        return {}
    # Inodes are numbers of one file system, and a copy on another may have the same ones.
    if not isinstance(record, dict) or record.get("folder") != _address(store):
        return {}
    verified = record.get("files")
    # Anybody may edit the cache; what is no record counts as none.
    if not isinstance(verified, dict):
        return {}
    return verified


def _write_record(store: FeatureStore, verified: dict[str, Any]) -> None:
    record = {"folder": _address(store), "files": verified}
    try:
        files.write_bytes(store_verification_record(store), json.dumps(record).encode())
    except OSError as error:
        # Features may lie on a disk that this user can only read.
        text = files.system_error_text(error)
        print(f"features: the next stage compares the files again: {text}", flush=True)


def _address(store: FeatureStore) -> str:
    return os.path.realpath(os.fspath(store.folder))
