"""Processes that decode videos, handed from test to test: a start takes longer than a test video.

A crew that has ended leaves its idle processes here, and the next crew goes on with them. A process
that was ended within a request, or that has died, is not kept.
"""

import os
import subprocess

from videolstm_jax.errors import VideoError
from videolstm_jax.video import worker_client

MOST = 4
"""Spare processes at a time; most crews have two."""
_SPARES = []
"""Idle processes, the newest last, each behind what decides how a new one would start."""


def _way_to_start():
    """What a process inherits, and what tests replace: only what is equal may be handed on."""
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    return (
        os.getcwd(),
        frozenset(environment.items()),
        subprocess.Popen,
        worker_client.PROGRAM,
    )


class SpareWorkerClient(worker_client.WorkerClient):
    """A client whose process outlives it."""

    def __init__(self):
        super().__init__()
        self._is_idle = True
        self._started_as = None

    def ask(self, request, limit):
        self._is_idle = False
        try:
            reply = super().ask(request, limit)
        except VideoError:
            # The worker has answered, or its end is known. Other errors, such as Ctrl-C, leave a
            # reply in the pipe, which the next request must not read.
            self._is_idle = True
            raise
        self._is_idle = True
        return reply

    def kill(self):
        if self._is_idle and self._process is not None and self._process.poll() is None:
            _SPARES.append((self._started_as, self._process))
            self._process = None
            end_spares(_SPARES[:-MOST])
        super().kill()

    def _started(self):
        if self._process is None and not self._ended:
            self._started_as = _way_to_start()
            for spare in reversed(_SPARES):
                if spare[0] == self._started_as:
                    _SPARES.remove(spare)
                    self._process = spare[1]
                    break
        return super()._started()


def end_spares(spares=None):
    """Ends these processes that wait here; without an argument, all."""
    for spare in list(_SPARES if spares is None else spares):
        _SPARES.remove(spare)
        spare[1].kill()
        spare[1].communicate()
