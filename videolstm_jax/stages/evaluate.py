"""Scores the test list with a trained model: 25 segments of each video, and one pass over every
whole video.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from etils import epath

from videolstm_jax.artifacts import Workdir, load_dataset, load_missing, save_scores
from videolstm_jax.clips.evaluation import eval_segments, whole_videos
from videolstm_jax.config import EvalConfig, RunConfig
from videolstm_jax.core.cells import find_cell
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.files import write_arrays
from videolstm_jax.localize.inputs import feature_size
from videolstm_jax.measure.accuracy import right_of
from videolstm_jax.measure.scores import softmax, video_scores
from videolstm_jax.measure.states import state_maps
from videolstm_jax.report import choose
from videolstm_jax.train.log import Progress
from videolstm_jax.train.runs import Run, as_inputs, load_run, resolved, same_extractor
from videolstm_jax.types import Dataset, Scores, Video


class Reader(NamedTuple):
    """A trained run with the feature stores it reads."""

    run: Run
    x: FeatureStore
    motion: FeatureStore | None


def run(cfg: RunConfig) -> epath.Path:
    """Writes `runs/<name>/scores.npz`, and frame scores and attention of each test video in
    `runs/<name>/videos/`.

    With `eval.states` the videos that the report shows by its rule get `runs/<name>/states/`, see
    `measure.states`. What was said of the run before, its tubes and their measures too, is removed
    first: scores.npz is written last.

    The 25 segments give the score of a video (Sec. 5.2). One pass over all its frames, the carry
    kept, gives the class scores of every frame [L', C] and, for the cells that attend, the
    attention [L', N, N] that boxes are made of.

    Returns:
      The path of the scores.

    Raises:
      ConfigError, FileError: a stage before has not run, or its output does not belong to this run:
        another cell, other classes, or features of another shape.
    """
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    videos = dataset.part("test")
    reader = _reader(cfg, work, dataset)
    _forget(work.run(cfg.run_name))
    _whole(reader, videos, cfg.eval, work, cfg.run_name)
    scores = np.stack(list(_segments(reader, videos, cfg)))
    label = np.array([video.label for video in videos])
    path = work.run(cfg.run_name) / "scores.npz"
    _states(reader, [videos[row] for row in _shown(cfg, reader, scores, label)], cfg, work)
    save_scores(path, Scores(tuple(video.name for video in videos), scores, label, dataset.classes))
    missing = () if cfg.eval.allow_missing else load_missing(work, dataset.classes)
    print(f"{cfg.run_name}: {right_of(scores, label, missing)}", flush=True)
    return path


def _forget(folder: epath.Path) -> None:
    """Removes what this stage and `localize` said of the run, which may now be another, or of other
    videos.
    """
    for name in ("scores.npz", "tubes.jsonl", "map.json"):
        (folder / name).unlink(missing_ok=True)
    for name in ("videos", "states"):
        if (folder / name).exists():
            (folder / name).rmtree()


def _reader(cfg: RunConfig, work: Workdir, dataset: Dataset) -> Reader:
    trained = load_run(cfg.workdir, cfg.run_name)
    folder = work.run(cfg.run_name)
    if trained.model.cell != cfg.model.cell:
        raise FileError(
            f"{folder}: the checkpoint is of the cell {trained.model.cell}; expected {cfg.model.cell}"
        )
    if trained.classes != dataset.classes:
        odd = sorted(set(trained.classes) ^ set(dataset.classes))
        raise FileError(
            f"{folder}: the checkpoint knows {len(trained.classes)} classes and {work.dataset} lists "
            f"{len(dataset.classes)}; expected the same in one order"
            + (f"; they differ in {', '.join(odd[:5])}" if odd else "")
        )
    layers = find_cell(trained.model.cell).layers
    x = FeatureStore.open(work.features(cfg.data.stream, layers.x))
    motion = FeatureStore.open(work.features("flow", layers.motion)) if layers.motion else None
    sizes = resolved(trained.model, x.shape, motion.shape if motion else None, len(dataset.classes))
    if sizes != trained.model:
        raise FileError(
            f"{x.folder}: features {list(x.shape)} make {sizes}; the checkpoint in {folder} was "
            f"trained on {trained.model}"
        )
    for name, store in (("x", x), ("motion", motion)):
        if store is not None:
            same_extractor(trained, name, store.about, store.folder)
    return Reader(trained, x, motion)


def _segments(reader: Reader, videos: Sequence[Video], cfg: RunConfig) -> Iterator[np.ndarray]:
    """The scores [C] of each video, in order."""
    model = make_model(reader.run.model)
    apply = jax.jit(
        lambda params, clip: (
            model.apply(
                params, clip._replace(inputs=as_inputs(clip.inputs, reader.run.scales))
            ).logits
        )
    )
    progress = Progress(len(videos), 0, unit="video")

    def rows() -> Iterator[tuple[int, np.ndarray, np.ndarray, int]]:
        batches = eval_segments(
            reader.x,
            reader.motion,
            videos,
            segments=cfg.eval.segments,
            frames=cfg.data.frames,
            batch=cfg.eval.batch,
            rule=cfg.eval.segment_rule,
            short_clips=cfg.data.short_clips,
        )
        for found in batches:
            logits = np.asarray(apply(reader.run.params, found.batch.clip))
            for at in np.flatnonzero(found.video >= 0):
                yield (
                    int(found.video[at]),
                    logits[at],
                    found.batch.clip.mask[at],
                    int(found.count[at]),
                )

    for number, (video, group) in enumerate(itertools.groupby(rows(), key=lambda row: row[0]), 1):
        _, logits, mask, counts = zip(*group, strict=True)
        try:
            yield video_scores(np.stack(logits), np.stack(mask), counts=np.array(counts))
        except ValueError as error:
            raise FileError(f"{videos[video].name}: {error}") from error
        progress.show(number, {}, logged=number % 50 == 0)


def _whole(
    reader: Reader, videos: Sequence[Video], cfg: EvalConfig, work: Workdir, name: str
) -> None:
    """Writes frame scores and attention of each video, from one pass with the carry kept."""
    model = make_model(reader.run.model)

    def inputs(clip):
        return clip._replace(inputs=as_inputs(clip.inputs, reader.run.scales))

    start = jax.jit(lambda params, clip: model.start(params, inputs(clip)))
    apply = jax.jit(lambda params, clip, carry: model.apply(params, inputs(clip), carry))
    logits: list[np.ndarray] = []
    maps: list[np.ndarray] = []
    sizes: list[np.ndarray] = []
    carry = None
    for chunk in whole_videos(
        reader.x, reader.motion, videos, batch=min(cfg.batch, len(videos)), chunk=cfg.chunk
    ):
        if chunk.start == 0:
            carry = start(reader.run.params, chunk.clip)
        out = apply(reader.run.params, chunk.clip, carry)
        carry = out.carry
        logits.append(np.asarray(out.logits))
        if out.attention is not None:
            maps.append(np.asarray(out.attention))
            sizes.append(feature_size(chunk.clip.inputs.x))
        if not chunk.last:
            continue
        for at in np.flatnonzero(chunk.video >= 0):
            video = videos[int(chunk.video[at])]
            length = reader.x.frames[video.name]
            arrays = {
                "scores": softmax(np.concatenate([part[at] for part in logits])[:length]).astype(
                    np.float32
                )
            }
            if maps:
                arrays["attention"] = np.concatenate([part[at] for part in maps])[:length].astype(
                    np.float32
                )
                arrays["features"] = np.concatenate([part[at] for part in sizes])[:length]
            write_arrays(work.passes(name, video.name), **arrays)
        logits, maps, sizes = [], [], []


def _shown(cfg: RunConfig, reader: Reader, scores: np.ndarray, label: np.ndarray) -> list[int]:
    """The rows of the videos whose states are kept; none where a state is a vector and has no
    places.
    """
    if cfg.eval.states == "none" or find_cell(reader.run.model.cell).vector:
        return []
    return choose.videos(label, scores.argmax(1), scores.max(1), cfg.report.examples)


def _states(reader: Reader, videos: Sequence[Video], cfg: RunConfig, work: Workdir) -> None:
    """Writes state maps of a few videos, read frame by frame since only the carry holds the state."""
    if not videos:
        return
    model = make_model(reader.run.model)

    def inputs(clip):
        return clip._replace(inputs=as_inputs(clip.inputs, reader.run.scales))

    start = jax.jit(lambda params, clip: model.start(params, inputs(clip)))
    step = jax.jit(lambda params, clip, carry: model.apply(params, inputs(clip), carry).carry)
    states: list[np.ndarray] = []
    carry = None
    for chunk in whole_videos(
        reader.x,
        reader.motion,
        videos,
        batch=min(cfg.eval.batch, len(videos)),
        chunk=cfg.eval.chunk,
    ):
        if chunk.start == 0:
            carry = start(
                reader.run.params, chunk.clip
            )  # of the chunk, as in the pass that gave the attention
        for t in np.flatnonzero(chunk.clip.mask.any(axis=0)):
            frame = jax.tree.map(lambda values, at=t: values[:, at : at + 1], chunk.clip)
            carry = step(reader.run.params, frame, carry)
            states.append(np.asarray(getattr(carry.top, cfg.eval.states)))
        if not chunk.last:
            continue
        for at in np.flatnonzero(chunk.video >= 0):
            name = videos[int(chunk.video[at])].name
            maps = state_maps(np.stack([one[at] for one in states[: reader.x.frames[name]]]))
            write_arrays(
                work.states(cfg.run_name, name), kind=np.array(cfg.eval.states), **maps._asdict()
            )
        states = []
