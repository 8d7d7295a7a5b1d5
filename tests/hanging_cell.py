"""The cell `lstm`, whose module lets one process come to a stop while it reads.

HANGING_PROCESS is its number. HANGS_IN is `check`, before the first step, or `fill`, in a step.
"""

import itertools
import os
import time

from videolstm_jax.cluster import team, watchdog
from videolstm_jax.core.cells import CELLS
from videolstm_jax.features.store import FeatureStore

CELL = CELLS["lstm"]
# Several steps: a step of two processes reads two clips in each.
CLIPS_BEFORE = 40
READING_LIMIT = 10.0

_fill, _clips = FeatureStore.fill, itertools.count(1)


def fill_or_stand_still(self, *arguments, **options):
    """Reads a clip; the one after CLIPS_BEFORE never comes."""
    if next(_clips) > CLIPS_BEFORE:
        time.sleep(3600)
    _fill(self, *arguments, **options)


def never_checked(self, names):
    """Stands still."""
    time.sleep(3600)


if str(team.current_team().index) == os.environ.get("HANGING_PROCESS", "1"):
    if os.environ.get("HANGS_IN", "fill") == "fill":
        FeatureStore.fill = fill_or_stand_still
    else:
        FeatureStore.check_sizes = never_checked
        watchdog.LIMITS[watchdog.READING] = READING_LIMIT
