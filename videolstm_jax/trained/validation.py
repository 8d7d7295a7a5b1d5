"""How a model is scored while it is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.cluster import team
from videolstm_jax.cluster.shares import gather_rows, share_of
from videolstm_jax.cluster.watchdog import watchdog_by_video
from videolstm_jax.train.mesh import local_copy_of_training_state
from videolstm_jax.types import names_of

if TYPE_CHECKING:
    from videolstm_jax.config import RunConfig
    from videolstm_jax.trained.features import ModelFeatures
    from videolstm_jax.trained.model import TrainedModel
    from videolstm_jax.types import TrainState, Video

VALID_SEGMENTS = 5
"""Segments of each validation video; the 25 of the paper are for the test list."""
SMALLEST_SCORE = 1e-12
"""A validation score below it counts as this much, so that its logarithm is finite."""


def validation_of_model(
    model: TrainedModel, features: ModelFeatures, videos: Sequence[Video], cfg: RunConfig
) -> Callable[[TrainState], dict[str, float]] | None:
    """Accuracy and mean -log p of some videos by a few segments (Sec. 5.2); None without videos.

    Of several processes each scores its share, and process 0 gets the scores of all.

    Args:
      model: whose parameters are replaced by those of a state.
      features: that it reads.
      videos: to score, each of one class.
      cfg: of the run.
    """
    if not videos:
        return None
    processes = team.current_team()
    own_videos = share_of(videos, processes.index, processes.count)
    settings = dataclasses.replace(cfg.eval, segments=VALID_SEGMENTS)

    def validate(state: TrainState) -> dict[str, float]:
        # The path of `evaluate`, so that both mean the same by a score. Nothing is compiled anew.
        params = state.params
        if processes.count > 1:
            # Each process scores other videos: a program over all devices would need the same ones
            # everywhere.
            params = local_copy_of_training_state(params)
        own_scores = model.with_params(params).segments(features, own_videos, cfg.data, settings)
        rows = dict(zip(names_of(own_videos), watchdog_by_video(own_scores), strict=True))
        every_score = gather_rows("validation scores", names_of(videos), rows)
        # Who is done first waits here, where nothing is expected of it, and not in a save.
        processes.broadcast("validation is done", b"")
        if every_score is None:
            return {}
        correct, loss = 0, 0.0
        for video, scores in zip(videos, every_score, strict=True):
            correct += int(scores.argmax() == video.label)
            # The likelihood ranks checkpoints finer than the accuracy of a few hundred videos.
            loss -= float(np.log(max(scores[video.label], SMALLEST_SCORE)))
        return {"valid_accuracy": correct / len(videos), "valid_loss": loss / len(videos)}

    return validate
