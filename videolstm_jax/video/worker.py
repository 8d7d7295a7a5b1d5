"""What a process of `guard.Crew` does: a request a line, and the frames back."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from videolstm_jax.errors import VideoError
from videolstm_jax.video import decode
from videolstm_jax.video.decode import View


def serve() -> None:
    """Reads a request a line on standard input; writes a line of JSON and the frames on standard
    output.
    """
    _expendable()
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not mix with the frames
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _mortal(request.pop("limit") + 1)
        path = request["path"]
        info, arrays, bad = (), [], ""
        try:
            info, arrays = _done(**request)
        except VideoError as error:
            bad = str(error)
        except Exception as error:  # whatever a damaged file leads to, it is the file's fault
            bad = f"{path}: cannot be read: {error!r}"
        head = {"info": info, "shapes": [array.shape for array in arrays], "bad": bad}
        replies.write(json.dumps(head).encode() + b"\n")
        for array in arrays:
            replies.write(np.ascontiguousarray(array).data)
        replies.flush()
        _mortal(0)


def _done(
    work: str, path: str, start: int = 0, **settings: Any
) -> tuple[Sequence, list[np.ndarray]]:
    if work == "read_views":
        views = [View(size and tuple(size), grey) for size, grey in settings.pop("views")]
        return (), [array[start:] for array in decode.read_views(path, views, **settings)]
    return {"probe": decode.probe, "check": decode.check}[work](path, **settings), []


def _mortal(seconds: float) -> None:
    """Lets this process die after so many seconds, should nobody be left to end it; 0 lets it live."""
    if hasattr(signal, "setitimer"):  # absent on Windows
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _expendable() -> None:
    """A damaged header can ask for any amount of memory: then this process must go, and not the
    run.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # absent on Windows

        most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/oom_score_adj").write_text("1000")
