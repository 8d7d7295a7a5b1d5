"""Refuses to evaluate a run that does not belong to the lists of its work folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from videolstm_jax.dataset.training_list import check_test_list
from videolstm_jax.errors import FileError
from videolstm_jax.trained.run_record import fit_of_run
from videolstm_jax.types import names_of
from videolstm_jax.workdir.layout import Workdir

if TYPE_CHECKING:
    from videolstm_jax.config import RunConfig
    from videolstm_jax.trained.model import TrainedModel
    from videolstm_jax.types import Dataset, NDArray, Video


def check_evaluated_run(
    cfg: RunConfig, work: Workdir, model: TrainedModel, dataset: Dataset, videos: Sequence[Video]
) -> NDArray:
    """Refuses a run that does not fit the folder; which videos it was trained on, [V] bool.

    Args:
      cfg: of the evaluation.
      work: the work folder.
      model: of the run.
      dataset: the lists of the work folder.
      videos: V of the list that is scored.

    Raises:
      FileError: the run is of another cell or of other classes, or was trained on some of the
        videos, unless `eval.allow_trained`.
    """
    _check_belongs(model, cfg, dataset)
    fit_of_run(cfg, work, cfg.run_name)
    # Validation videos that chose the checkpoint are in the training list; the file marks them.
    allowed = cfg.eval.allow_trained or cfg.eval.part == "valid"
    folder = model.place.folder
    trained = check_test_list(names_of(videos), model.trained_on, folder, allowed=allowed)
    _warn_of_other_list(model, dataset)
    return trained


def _check_belongs(model: TrainedModel, cfg: RunConfig, dataset: Dataset) -> None:
    """Raises FileError where the run in the folder is of another cell or of other classes."""
    # A renamed folder, or a list that was made anew, would mix two models without an error.
    folder = model.place.folder
    # By the checkpoint's own record, which a renamed folder keeps.
    if model.config.cell != cfg.model.cell:
        raise FileError(
            f"{folder}: the checkpoint is of the cell {model.config.cell}; expected "
            f"{cfg.model.cell}"
        )
    if model.classes != dataset.classes:
        message = (
            f"{folder}: the checkpoint has {len(model.classes)} classes and the list "
            f"{Workdir(cfg.workdir).dataset} has {len(dataset.classes)}; expected the same in one "
            "order"
        )
        differing = sorted(set(model.classes) ^ set(dataset.classes))
        if differing:
            message += f"; they differ in {', '.join(differing[:5])}"
        raise FileError(message)


def _warn_of_other_list(model: TrainedModel, dataset: Dataset) -> None:
    """Prints where the training list has videos that the run was not trained on."""
    # Such a video may have been one of the test list, which is then smaller than that of others.
    unseen = sorted(set(names_of(dataset.listed("train"))) - set(model.trained_on))
    # Runs of early versions do not know their list.
    if model.trained_on and unseen:
        print(
            f"warning: the training list has {len(unseen)} videos that the run was not trained on, "
            f"the first is {unseen[0]}: the list was changed after the training",
            flush=True,
        )
