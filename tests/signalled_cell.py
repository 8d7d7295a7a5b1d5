"""The cell `lstm`, whose module sends SIGTERM to one process at a certain step of its training."""

import itertools
import os
import signal

from videolstm_jax.cluster import team
from videolstm_jax.core.cells import CELLS
from videolstm_jax.train.shared_stop import SharedStop

CELL = CELLS["lstm"]
STEP = 7
"""The last step that is done when the signal comes."""

_step, _numbers = SharedStop.step, itertools.count(1)


def step_and_signal(self, state, batch):
    """Makes a step; process 1 gets the signal right after or before it."""
    number, place = next(_numbers), os.environ["SIGNAL_COMES"]
    if (number, place) == (STEP + 1, "before a step"):
        os.kill(os.getpid(), signal.SIGTERM)
    result = _step(self, state, batch)
    if (number, place) == (STEP, "after a step"):
        os.kill(os.getpid(), signal.SIGTERM)
    return result


if team.current_team().index == 1:
    SharedStop.step = step_and_signal
