"""What is found in one video: tubes from its attention and detections from its class scores, as the
settings say.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from videolstm_jax.config import LocalizeConfig
from videolstm_jax.localize.several import Track, video_tracks, weighted
from videolstm_jax.localize.trim import frame_gain, trimmed
from videolstm_jax.localize.tubes import peaks, saliency_at, video_tube
from videolstm_jax.types import Detection, Tube

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray


def one_tube(attention: NDArray, size: tuple[int, int], frames: int, how: LocalizeConfig) -> Tube:
    """`tubes.video_tube` with settings: one tube over the whole video."""
    return video_tube(
        attention,
        size,
        frames,
        sigma=how.sigma,
        theta=how.theta,
        normalise=how.normalise,
        span=how.span,
        box=how.box,
        causal=how.causal,
    )


def video_found(
    attention: NDArray, size: tuple[int, int], frames: int, how: LocalizeConfig
) -> list[Track]:
    """The tubes of one video, heaviest first: one over all frames, or as many as `how.tubes` asks
    for.

    Args:
      attention: [L', N, N].
      size: H, W of the video in pixels.
      frames: L.
      how: the settings.

    Raises:
      ValueError: as `tubes.video_tube`.
    """
    if how.tubes == 1:
        return [Track(one_tube(attention, size, frames, how), 1.0)]
    tracks = video_tracks(
        attention,
        size,
        frames,
        sigma=how.sigma,
        theta=how.theta,
        normalise=how.normalise,
        span=how.span,
        causal=how.causal,
    )
    if not tracks:
        raise ValueError(
            f"none of {len(attention)} maps has a region at or above theta, {how.theta}; expected one"
        )
    return tracks[: how.tubes or None]


def heat(attention: NDArray, how: LocalizeConfig) -> Callable[[int, tuple[int, int]], NDArray]:
    """Attention as films show it, blurred and scaled as for boxes: of a frame and a size (H, W),
    [H, W] in [0, 255].
    """
    at_size = functools.cache(
        lambda size: peaks(attention, size, how.sigma, how.normalise, how.causal)
    )
    return lambda t, size: saliency_at(attention, t, size, how.sigma, at_size(size))


def scored(
    video: str,
    tracks: Sequence[Track],
    scores: NDArray,
    how: LocalizeConfig,
    frame_scores: NDArray,
    attention: NDArray,
) -> list[Detection]:
    """The tubes of one video with the score of every class, cut in time where `how.trim` says so.

    Args:
      video: its name.
      tracks: its tubes.
      scores: [C] of the video.
      how: the settings.
      frame_scores: [L', C], by which tubes are cut.
      attention: [L', N, N].
    """
    found = weighted(video, tracks, scores)
    return (
        found
        if how.trim == "none"
        else trimmed(found, frame_gain(frame_scores, attention, how.trim))
    )
