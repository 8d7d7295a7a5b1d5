"""A work folder of runs with random parameters, from which bundles are written."""

import numpy as np
import tiny_pipeline

from videolstm_jax import files
from videolstm_jax.presets import Settings
from videolstm_jax.types import Scores
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores


def run_settings(folder):
    """Settings of runs in a work folder, with places of this machine that no bundle may name."""
    return Settings(
        "small",
        {
            "workdir": str(folder),
            "data__videos": "/secret/place",
            "train__graft": ("/secret/runs/old:cell.top",),
            **tiny_pipeline.TINY,
        },
    )


def write_work(settings, cells):
    """A work folder of runs with random parameters, of which videolstm-rgb is evaluated.

    Args:
      settings: The `Settings` of the runs.
      cells: The cell and the stream of each run.

    Returns:
      The `Workdir`.
    """
    for stream in ("rgb", "flow"):
        tiny_pipeline.write_convnet(settings.for_cell("lstm", stream), stream)
    for cell, stream in cells:
        cfg = settings.for_cell(cell, stream)
        tiny_pipeline.write_flow_settings(cfg)
        tiny_pipeline.write_run(cfg)
    work = Workdir(settings.overrides["workdir"])
    videos = ("SitDown/a", "SitDown/b", "StandUp/c")
    table = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    labels = np.array([0, 0, 1])
    save_scores(work.scores("videolstm-rgb"), Scores(videos, table, labels, tiny_pipeline.CLASSES))
    overlap = {"value": 0.5, "low": 0.4, "high": 0.6}
    measured = {
        "settings": {"sigma": 3.0, "scores": "/secret/fused.npz"},
        "model": {"mean_frame_iou": overlap},
    }
    files.write_json(work.run("videolstm-rgb") / "map.json", measured)
    return work
