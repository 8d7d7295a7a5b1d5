"""The program of a process that decodes videos for `guard.Crew`.

Protocol. A request is one line of JSON on standard input: `work` (`probe`, `check` or
`read_formats`), `path`, `limit` (seconds) and the arguments of that function. The reply is one line
of JSON on standard output, followed by raw bytes: `info` (the fields of a `VideoInfo`), `shapes` of
the arrays that follow, and `bad`, an error message or an empty string. Arrays are uint8 in C order,
one behind the other. The other end is `worker_client`.
"""

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
from videolstm_jax.square import PictureFit
from videolstm_jax.video import decode
from videolstm_jax.video.decode import FrameFormat

GRACE = 1
"""Seconds beyond the time limit after which the process ends itself."""


def serve_video_requests() -> None:
    """Answers requests until standard input ends."""
    _die_first_when_memory_is_short()
    # Libraries print to standard output, which would mix with the frames. Replies go to a copy of
    # it; the original becomes standard error.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        # The client ends a process that is too slow. This alarm ends it if the client is gone.
        _set_alarm(request.pop("limit") + GRACE)
        path = request["path"]
        info, arrays, message = (), [], ""
        try:
            info, arrays = _answer(**request)
        except VideoError as error:
            message = str(error)
        except Exception as error:  # a damaged file may raise anything, and must cost itself only
            message = f"{path}: cannot be read: {error!r}"
        head = {"info": info, "shapes": [array.shape for array in arrays], "bad": message}
        try:
            replies.write(json.dumps(head).encode() + b"\n")
            for array in arrays:
                replies.write(np.ascontiguousarray(array).data)
            replies.flush()
        except BrokenPipeError:
            # The client was killed. A traceback would appear in its terminal, and Python would
            # write what is left in the buffer once more.
            os._exit(1)
        _set_alarm(0)


def _answer(
    work: str, path: str, start: int = 0, **arguments: Any
) -> tuple[Sequence, list[np.ndarray]]:
    """Does one piece of work; returns `info` and arrays."""
    if work == "read_formats":
        formats = []
        for size, *rest, (kind, fill) in arguments.pop("formats"):
            # JSON has no tuples.
            fit = PictureFit(kind, tuple(fill))
            formats.append(FrameFormat(size and tuple(size), *rest, fit))
        frames = decode.read_video_formats(path, formats, **arguments)
        return (), [array[start:] for array in frames]
    functions = {"probe": decode.probe_video, "check": decode.check_video_decodes}
    return functions[work](path, **arguments), []


def _set_alarm(seconds: float) -> None:
    """Ends this process after so many seconds; 0 cancels it."""
    if hasattr(signal, "setitimer"):  # absent on Windows
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _die_first_when_memory_is_short() -> None:
    """Limits this process to half of the memory, and makes it the first that Linux ends.

    A damaged header can ask for any amount of memory. That must end this process, and neither the
    run nor other programs.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # absent on Windows

        most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/oom_score_adj").write_text("1000")
