"""Four clips of UCF101-24 with their true tubes: do all steps of localisation run on real files?

The figures mean nothing beyond that: three clips train a model, each of another class, and one is
tested.
"""

from __future__ import annotations

import importlib
import json
import pathlib
from typing import Any

from benchmarks.real_data.rows import Row
from benchmarks.real_data.stages import in_order, right_by_video
from videolstm_jax import pipeline
from videolstm_jax.errors import FileError
from videolstm_jax.presets import Settings
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

TRAIN = (
    "Basketball/v_Basketball_g01_c01",
    "BasketballDunk/v_BasketballDunk_g17_c03",
    "SoccerJuggling/v_SoccerJuggling_g24_c01",
)
TEST = ("SoccerJuggling/v_SoccerJuggling_g23_c01",)

SETTINGS = {
    # The true tube of the Basketball clip ends at frame 52.
    "data__max_frames": 64,
    "data__workers": 1,
    "data__batch": 4,
    "flow__width": 112,
    "flow__height": 112,
    "pipeline__cells": ("videolstm",),
    "convnet__steps": 10,
    "model__hidden": 16,
    "model__attention": 16,
    "model__head": 32,
    "train__steps": 10,
    "train__save_every": 10,
    "eval__segments": 4,
}
"""On top of the preset `small`: whatever makes it quick."""

OF_A_RUN = ("train", "evaluate", "localize")
STAGES = ("prepare", "fit_convnet", "extract", *OF_A_RUN)
RUN = "videolstm-rgb"


def run(data: str, workdir: str, *, boxes: str, minutes: float = float("inf")) -> dict[str, Any]:
    """Runs the stages from videos and boxes to tubes that are measured.

    Args:
      data: a folder that holds the four clips, at any depth.
      workdir: of the pipeline.
      boxes: `pyannot.pkl` or `finalAnnots.mat` of the corrected annotations.
      minutes: not read, since all stages take a few.
    """
    videos = linked_clips(pathlib.Path(data), pathlib.Path(workdir) / "clips")
    settings = Settings(
        "small",
        {
            **SETTINGS,
            "data__videos": str(videos),
            "data__lists": str(videos),
            "data__boxes": boxes,
            "workdir": f"{workdir}/work",
        },
    )
    cfg = settings.config()
    for step in pipeline.plan(cfg):
        # The pages and the second run show nothing more of localisation.
        is_other_run = step.stage in OF_A_RUN and step.cfg.data.stream != "rgb"
        if step.stage in STAGES and not is_other_run:
            print(f"[{step.label}]", flush=True)
            importlib.import_module(f"videolstm_jax.stages.{step.stage}").run(step.cfg)
    work = Workdir(cfg.workdir)
    names = [video.name for video in load_dataset(work.dataset).part("test")]
    right = right_by_video(load_scores(work.run(RUN) / "scores.npz"))
    return {
        "data": "UCF101-24, four clips; the figures show only that the steps run",
        "videos": names,
        "settings": SETTINGS,
        "tubes": json.loads(work.tube_measures(RUN, "").read_text()),
        "rows": {RUN: Row(in_order(right, names)[None])},
    }


def linked_clips(data: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Makes a folder of class folders with links to the four clips, and official lists of them.

    Raises:
      FileError: a clip that is missing.
    """
    for name in (*TRAIN, *TEST):
        target = folder / f"{name}.avi"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            # Not those of an earlier call, in case the work folder lies inside the data.
            paths = [path for path in sorted(data.rglob(target.name)) if not path.is_symlink()]
            if not paths:
                raise FileError(f"{data} holds no {target.name}; expected four clips of UCF101")
            target.symlink_to(paths[0].resolve())
    classes = sorted({name.split("/")[0] for name in (*TRAIN, *TEST)})
    lines = [f"{number} {name}\n" for number, name in enumerate(classes, 1)]
    (folder / "classInd.txt").write_text("".join(lines))
    train = [f"{name}.avi {classes.index(name.split('/')[0]) + 1}\n" for name in TRAIN]
    (folder / "trainlist01.txt").write_text("".join(train))
    (folder / "testlist01.txt").write_text("".join(f"{name}.avi\n" for name in TEST))
    return folder
