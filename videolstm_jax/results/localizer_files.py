"""What tubes are made of beside the outputs of a model: fused scores, and stored flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from videolstm_jax.errors import FileError
from videolstm_jax.flow_images.flow_file import read_flow
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

if TYPE_CHECKING:
    from videolstm_jax.config import RunConfig
    from videolstm_jax.types import Dataset, NDArray, Video

FLOW_CHUNK = 64
"""Flow images that are read at a time, so that a long video is never in memory at full size."""


def fused_scores_of_results(
    cfg: RunConfig, work: Workdir, dataset: Dataset, videos: Sequence[Video]
) -> dict[str, NDArray] | None:
    """The scores [C] by video where `localize.scores` names a score file; else None.

    Raises:
      FileError: the file has other classes, or lacks one of the videos.
    """
    if not cfg.localize.scores:
        return None
    path = work.scores(cfg.localize.scores)
    scores = load_scores(path)
    # A tube of class 3 must have the score of class 3, so names and order count.
    if scores.classes != dataset.classes:
        raise FileError(
            f"{path} has {len(scores.classes)} classes that are not the {len(dataset.classes)} of "
            f"{work.dataset}; expected the same in one order"
        )
    # By name: the file may be of another program, in an order of its own.
    rows = dict(zip(scores.videos, scores.scores, strict=True))
    unscored = []
    for video in videos:
        if video.name not in rows:
            unscored.append(video.name)
    if unscored:
        raise FileError(
            f"{path} lacks {len(unscored)} of {len(videos)} test videos, the first is {unscored[0]}"
        )
    return rows


def flow_maps_of_localized_video(
    work: Workdir,
    video: Video,
    cells: int,
    fit: str,
    to_attention: Callable[[NDArray, int, str], NDArray],
) -> NDArray | None:
    """The flow of a video as attention [L - 1, N, N]; None where no flow images were written.

    Args:
      work: the work folder.
      video: of its list.
      cells: N.
      fit: the `data.fit` of the run.
      to_attention: makes maps of flow images, N and `fit`.
    """
    path = work.flow / f"{video.name}.zip"
    # With `flow.online` no flow is stored.
    if not path.exists():
        return None
    images = video.frames - 1
    maps = []
    for start in range(0, images, FLOW_CHUNK):
        stop = min(start + FLOW_CHUNK, images)
        maps.append(to_attention(read_flow(path, start, stop), cells, fit))
    return np.concatenate(maps)
