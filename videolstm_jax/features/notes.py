"""Notes of the workers of an unfinished store: which videos are done, and what is known of them.

Each worker appends one JSON line for each finished video to a file of its own, after the video's
records are in place. A noted video is therefore never half-written. A line that was torn because
the worker was killed is skipped, and its video is made again.
"""

from __future__ import annotations

import contextlib
import json
import re

from etils import epath


def feature_notes_path(folder: epath.Path, worker: str) -> epath.Path:
    """Returns the file of a worker's notes; a worker without a name works alone."""
    if not worker:
        return folder / "done.jsonl"
    return folder / f"done-{worker}.jsonl"


def feature_notes_paths(folder: epath.Path) -> list[epath.Path]:
    """Returns the files of the notes of all workers."""
    # Not `folder.glob`: the name of a folder may hold characters that are patterns.
    paths = []
    for path in folder.iterdir():
        if re.fullmatch(r"done(-.+)?\.jsonl", path.name):
            paths.append(path)
    return sorted(paths)


def read_feature_notes(path: epath.Path) -> list[dict]:
    """Returns the notes of one worker, the last of each video; none where the file is gone.

    Another worker may finish the store, and remove all notes, at any moment.
    """
    rows = {}
    with contextlib.suppress(FileNotFoundError):
        # Bytes, since a torn line need not be text.
        for line in path.read_bytes().splitlines():
            # Skips a line that was torn when its worker was killed.
            with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
                row = json.loads(line)
                rows[row["name"]] = row
    return list(rows.values())


def read_all_feature_notes(folder: epath.Path) -> list[dict]:
    """Returns the notes of all workers; several may have noted the same video."""
    rows = []
    for path in feature_notes_paths(folder):
        rows += read_feature_notes(path)
    return rows
