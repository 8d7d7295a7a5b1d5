"""UT-Interaction with cropped pictures: is the best VideoLSTM better than with squashed ones?

`ut_interaction` squashes every picture to a square. Ridge regression on maps of cropped pictures
was better in docs/experiments/aspect_ratio.md. Here all stages have `data.fit=crop`: flow, features
as filmed and mirrored, and the settings that `ut_interaction` chose for each stream. No setting is
chosen here. The rows of squashed pictures are those of `ut_interaction`.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.real_data import ut_interaction
from benchmarks.real_data.rows import Row
from benchmarks.real_data.ut_baselines import ridge_rows
from benchmarks.real_data.ut_folds import extracted_folds, work_of
from benchmarks.real_data.ut_tries import TRIES
from videolstm_jax.workdir.dataset_json import load_dataset

FIT = "crop"
SETTINGS = {**ut_interaction.SETTINGS, "data__fit": FIT}

FLOW_RUNS = tuple(model for model in ut_interaction.RUNS if model.name == "videolstm-flow")


def run(data: str, workdir: str, *, minutes: float = float("inf")) -> dict[str, Any]:
    """Computes what is missing, for so many minutes, and returns the rows that are complete."""
    stop = time.monotonic() + 60 * minutes
    root = f"{workdir}/fit-{FIT}"
    folds = extracted_folds(data, root, SETTINGS)
    names = sorted(video.name for video in load_dataset(work_of(folds[0]).dataset).videos)
    rows: dict[str, Row] = ridge_rows(folds, root, names)
    # Flow first: the fusion of the third setting reads the flow model of the second.
    ut_interaction.add_rows(
        rows, TRIES[ut_interaction.CHOSEN], FLOW_RUNS, folds, names, ut_interaction.SECOND, stop
    )
    ut_interaction.add_rows(
        rows,
        TRIES[ut_interaction.CHOSEN_RGB],
        ut_interaction.THIRD_RUNS,
        folds,
        names,
        ut_interaction.THIRD,
        stop,
    )
    return {
        "data": "UT-Interaction, sequences 1 to 15, folds of 3 sequences",
        "videos": names,
        "settings": SETTINGS,
        "rows": rows,
    }
