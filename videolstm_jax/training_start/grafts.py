"""Parameters of a new model that are taken over from other runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from videolstm_jax.dataset.training_list import trained_on_of
from videolstm_jax.errors import ConfigError
from videolstm_jax.files import reading
from videolstm_jax.train.graft import graft, named_param_leaves, param_leaves_under
from videolstm_jax.trained.run_folder import read_run

if TYPE_CHECKING:
    from videolstm_jax.types import Params
    from videolstm_jax.workdir.layout import Workdir


def grafts_trained_on(entries: Sequence[str], work: Workdir) -> set[str]:
    """The videos that the runs of these entries were trained on; see `grafted`."""
    videos: set[str] = set()
    for entry in entries:
        name, _, _ = entry.rpartition(":")
        # The list of a run has the videos of its own grafts too, so one level is enough.
        videos.update(trained_on_of(work.run(name)))
    return videos


def grafted(params: Params, entries: Sequence[str], work: Workdir) -> Params:
    """Parameters that take over parts of other runs.

    Args:
      params: of the new model.
      entries: "run:part" takes a dotted part such as `cell.top` or `head`; "run:theirs=ours" takes
        one under another name. `cell.motion` of a run that has only one LSTM is that LSTM: the
        authors' motion layer comes from a ConvLSTM.
      work: the work folder of the runs.

    Raises:
      ConfigError: an entry that is not of this form.
      FileError: a run that cannot be read, or a part that is missing or does not fit.
    """
    # In the order of the user: a later entry may replace a part of what an earlier one has brought.
    for entry in entries:
        # From the right, because a run may be given by its path, and paths of Windows have a colon.
        name, _, part = entry.rpartition(":")
        theirs, _, ours = part.partition("=")
        if not name or not theirs:
            raise ConfigError(
                f'train.graft has {entry!r}; expected "run:part" or "run:theirs=ours"'
            )
        source, _ = read_run(work, name)
        # The authors' motion layer comes from a ConvLSTM, which has one LSTM under another name.
        has_motion = getattr(source.params.cell, "motion", None) is not None
        if theirs == "cell.motion" and not ours and not has_motion:
            theirs, ours = "cell.top", "cell.motion"
        # `graft` knows names of parameters only; the user needs the entry that they come from.
        with reading(f"grafting {entry}"):
            params = graft(
                params, param_leaves_under(named_param_leaves(source.params), theirs, ours)
            )
    return params
