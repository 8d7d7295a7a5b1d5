"""The settings of boxes that a run can have: those of the command, where it has a foreground."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from videolstm_jax.errors import FileError
from videolstm_jax.files import reading
from videolstm_jax.presets import Settings
from videolstm_jax.results.evaluated import load_evaluated_video
from videolstm_jax.trained.foreground import KEY
from videolstm_jax.trained.run_record import RunRecord

if TYPE_CHECKING:
    from videolstm_jax.config import LocalizeConfig, RunConfig
    from videolstm_jax.types import Video
    from videolstm_jax.workdir.layout import Workdir

MEASURED_BACKBONE = "lite0"
"""The backbone whose foreground was measured (docs/results/localisation.md); of others, no preset
makes boxes.
"""


def box_settings_of_results(
    cfg: RunConfig, work: Workdir, videos: Sequence[Video], classes: int
) -> LocalizeConfig:
    """The settings that `localize` makes the boxes of a run with.

    They are those of the command, but for one rule. Where a preset, and not the user, chooses the
    foreground, a run of another backbone than Lite0, or one without a foreground, has the boxes
    that the preset gives to all other runs.

    Args:
      cfg: of the stage.
      work: the work folder.
      videos: the test list.
      classes: C.

    Raises:
      FileError: the user asks for a foreground that the run does not have.
    """
    if cfg.localize.input != "foreground" or not videos:
        return cfg.localize
    problem = _foreground_problem(cfg, work, videos[0], classes)
    # What the user asks for is never replaced: it is there, or the stage ends.
    if "localize__input" in cfg.overrides:
        if problem:
            raise FileError(f"{problem}; or choose another localize.input")
        return cfg.localize
    backbone = _backbone(work, cfg.run_name)
    if backbone != MEASURED_BACKBONE:
        problem = (
            f"{work.run(cfg.run_name)}: its features are of {backbone or 'an unknown backbone'}, "
            f"not of {MEASURED_BACKBONE}"
        )
    if not problem:
        return cfg.localize
    print(f"localize: {problem}; boxes are made of the weighted features", flush=True)
    settings = Settings(cfg.preset, cfg.overrides).override(localize__input="weighted_features")
    return settings.config().localize


def _foreground_problem(cfg: RunConfig, work: Workdir, video: Video, classes: int) -> str:
    """Why a run has no foreground, and how to get it; empty where it has one.

    Of one video, since `evaluate` writes all videos alike.
    """
    name = cfg.run_name
    if load_evaluated_video(work, name, video, classes).foreground is not None:
        return ""
    folder = work.run(name)
    remedy = "run evaluate again"
    # The attention may be of another program, which writes no config.json.
    if (folder / "config.json").exists():
        record = RunRecord.read(work, name).record
        # The block changes the features with every step, so the axis of the stored ones fits none.
        if "block" in record:
            return f"{folder}: a run that trained part of its backbone has no foreground"
        if KEY not in record:
            remedy = "run train again, which takes no step and adds its axis, and then evaluate"
    return f"{folder}: evaluate kept no foreground of this run: {remedy}"


def _backbone(work: Workdir, name: str) -> str:
    """The backbone of the features of a run; empty where that is not known."""
    if not (work.run(name) / "config.json").exists():
        return ""
    run = RunRecord.read(work, name)
    # A record of another program may hold text where an object is expected.
    with reading(run.folder / "config.json", "not of a trained run", AttributeError):
        return run.backbone
