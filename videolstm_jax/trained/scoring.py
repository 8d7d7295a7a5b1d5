"""The two ways in which a model scores videos: by segments, and in one pass over all frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from videolstm_jax.clips import evaluation
from videolstm_jax.files import reading
from videolstm_jax.localize.foreground import foreground_maps
from videolstm_jax.localize.inputs import localizer_input_of_features
from videolstm_jax.measure.scores import softmax, video_scores

if TYPE_CHECKING:
    from videolstm_jax.config import DataConfig, EvalConfig
    from videolstm_jax.trained.features import ModelFeatures
    from videolstm_jax.trained.model import TrainedModel
    from videolstm_jax.types import Clip, NDArray, PyTree, Video

# One chunk of frames: (clip, carry) to the next carry and arrays [B, T, ..] by name.
ReadChunk = Callable[["Clip", "PyTree"], tuple["PyTree", dict[str, "NDArray"]]]


class WholeVideo(NamedTuple):
    """One pass over all L' frames of a video, all float32.

    `scores` [L', C] are class probabilities. Of cells that attend, `attention` [L', N, N] sums to
    one and `features` [L', N, N] is the mean absolute feature that it weighs; else both are None.
    `foreground` [L', N, N] is that of the features, where the model has its axis; else None.
    """

    video: Video
    scores: NDArray
    attention: NDArray | None
    features: NDArray | None
    foreground: NDArray | None


class _Segment(NamedTuple):
    """The logits [T, C] of one segment of a video, which stands for `count` equal ones."""

    video: int
    logits: NDArray
    mask: NDArray
    count: int


def segment_scores(
    model: TrainedModel,
    features: ModelFeatures,
    videos: Sequence[Video],
    data: DataConfig,
    settings: EvalConfig,
) -> Iterator[NDArray]:
    """Yields the class scores [C] of each video, in order (Sec. 5.2).

    Args:
      model: the model.
      features: of the videos.
      videos: the list to score.
      data: the frames of a segment, and what becomes of shorter videos.
      settings: how many segments, by which rule, how many in a batch.

    Raises:
      FileError: features that do not fit the list, or scores that are not finite.
    """
    segments = _segments(model, features, videos, data, settings)
    # Segments come video after video, so a video is scored as soon as its last one is there, and no
    # more than its own logits are kept.
    for number, group in itertools.groupby(segments, key=lambda segment: segment.video):
        logits, masks, counts = [], [], []
        for segment in group:
            logits.append(segment.logits)
            masks.append(segment.mask)
            counts.append(segment.count)
        # Logits that are not finite: the error of the sums is named after the video.
        with reading(videos[number].name, "", ValueError):
            scores = video_scores(np.stack(logits), np.stack(masks), counts=np.array(counts))
        yield scores


def _segments(
    model: TrainedModel,
    features: ModelFeatures,
    videos: Sequence[Video],
    data: DataConfig,
    settings: EvalConfig,
) -> Iterator[_Segment]:
    """Runs the model on batches of segments; those of one video follow one another."""
    batches = evaluation.eval_segments(features.x, features.motion, videos, data, settings)
    for segments in batches:
        clip = model.functions.read(model.params, segments.batch.clip)
        logits = np.asarray(model.functions.logits(model.params, clip))
        # The others only fill the batch.
        for row in np.flatnonzero(segments.video >= 0):
            video, count = int(segments.video[row]), int(segments.count[row])
            yield _Segment(video, logits[row], clip.mask[row], count)


def whole_videos(
    model: TrainedModel, features: ModelFeatures, videos: Sequence[Video], settings: EvalConfig
) -> Iterator[WholeVideo]:
    """Yields frame scores and attention of each video, the longest first, from one pass.

    Args:
      model: the model.
      features: of the videos.
      videos: the list to read.
      settings: how many videos side by side, in chunks of how many frames.

    Raises:
      FileError: features that do not fit the list.
    """

    def read(clip: Clip, carry: PyTree) -> tuple[PyTree, dict[str, NDArray]]:
        out = model.functions.chunk(model.params, clip, carry)
        arrays = {"logits": np.asarray(out.logits)}
        if out.attention is not None:
            arrays["attention"] = np.asarray(out.attention)
            x = np.asarray(clip.inputs.x)
            arrays["features"] = localizer_input_of_features(x)
            if model.foreground is not None:
                arrays["foreground"] = foreground_maps(x, model.foreground)
        return out.carry, arrays

    for video, arrays in _read_chunks(model, features, videos, settings, read):
        # The softmax is taken in float64, and stored in float32.
        scores = softmax(arrays["logits"]).astype(np.float32)
        attention = arrays.get("attention")
        if attention is not None:
            attention = attention.astype(np.float32)
        features_of_map, foreground = arrays.get("features"), arrays.get("foreground")
        yield WholeVideo(video, scores, attention, features_of_map, foreground)


def states_of_whole_videos(
    model: TrainedModel, features: ModelFeatures, videos: Sequence[Video], settings: EvalConfig
) -> Iterator[tuple[Video, NDArray]]:
    """Yields the state [L', N, N, K] of each video that `settings.states` names.

    Only the carry holds the state, so frames are read one at a time. The carry begins from the
    first chunk, as in the pass that gave the attention: with `start=mean` it depends on it.

    Args:
      model: one whose cell has the map of this name in its `states`.
      features: of the videos.
      videos: the list to read.
      settings: which state, how many videos side by side, the frames of a chunk.
    """
    # `evaluate` comes here only with a name that the cell has.
    state_of = model.cell.states[settings.states]

    def read(clip: Clip, carry: PyTree) -> tuple[PyTree, dict[str, NDArray]]:
        states = []
        # Frames behind the end of every video of the batch are left out.
        for t in np.flatnonzero(clip.mask.any(axis=0)):
            frame = jax.tree.map(lambda values, t=t: values[:, t : t + 1], clip)
            carry = model.functions.advance(model.params, frame, carry)
            states.append(np.asarray(state_of(carry)))
        return carry, {"states": np.stack(states, axis=1)}

    for video, arrays in _read_chunks(model, features, videos, settings, read):
        yield video, arrays["states"]


def _read_chunks(
    model: TrainedModel,
    features: ModelFeatures,
    videos: Sequence[Video],
    settings: EvalConfig,
    read: ReadChunk,
) -> Iterator[tuple[Video, dict[str, NDArray]]]:
    """Reads videos chunk by chunk, the carry kept, and yields the arrays of each when it ends."""
    # A batch of more rows than videos would be computed for nothing.
    batch = min(settings.batch, len(videos))
    chunks = evaluation.video_chunks(
        features.x, features.motion, videos, batch=batch, chunk=settings.chunk
    )
    carry: Any = None
    parts: list[dict[str, NDArray]] = []
    for chunk in chunks:
        clip = model.functions.read(model.params, chunk.clip)
        # Other videos begin, which must know nothing of those before.
        if chunk.start == 0:
            carry = model.functions.begin(model.params, clip)
        carry, arrays = read(clip, carry)
        parts.append(arrays)
        if not chunk.last:
            continue
        for row in np.flatnonzero(chunk.video >= 0):
            video = videos[int(chunk.video[row])]
            # Behind the end of a shorter video, its row has outputs that mean nothing.
            length = features.x.frames[video.name]
            yield video, _row_of(parts, row, length)
        parts = []


def _row_of(parts: list[dict[str, NDArray]], row: int, length: int) -> dict[str, NDArray]:
    """The first `length` frames of one row of a batch, its chunks put together."""
    arrays = {}
    for name in parts[0]:
        chunks = [part[name][row] for part in parts]
        arrays[name] = np.concatenate(chunks)[:length]
    return arrays
