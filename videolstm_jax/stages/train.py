"""Trains one recurrent model on extracted features."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath

from videolstm_jax.artifacts import Workdir, load_dataset, save_config
from videolstm_jax.clips.batches import train_batches
from videolstm_jax.clips.evaluation import eval_segments
from videolstm_jax.config import ModelConfig, RunConfig
from videolstm_jax.core.cells import find_cell
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.files import read_json
from videolstm_jax.measure.scores import video_scores
from videolstm_jax.train.loop import Plan, fit
from videolstm_jax.train.mesh import data_mesh, replicate, spread
from videolstm_jax.train.optim import optimizer
from videolstm_jax.train.runs import Scales, as_inputs, extractor_of, fingerprint, grafted, resolved
from videolstm_jax.train.state import new_state
from videolstm_jax.train.step import make_step, model_loss
from videolstm_jax.types import Batch, Clip, Dataset, Output, Params, TrainState, Video

VALID_SEGMENTS = 5
"""Segments of each validation video; the 25 of the paper are for the test list."""


class Source(NamedTuple):
    """What a cell reads: the store of its own stream, that of the flow stream or None, and their
    scales.
    """

    x: FeatureStore
    motion: FeatureStore | None
    scales: Scales


def run(cfg: RunConfig) -> epath.Path:
    """Writes `runs/<name>/`: ckpt/, metrics.jsonl, best/ with `keep=best`, and config.json when it
    is done.

    The top LSTM reads the features of `cfg.data.stream`, a motion layer those of flow. Sizes are
    read off the features. Stopped and started again, it goes on where it stopped.

    Returns:
      The folder.

    Raises:
      ConfigError, FileError: a stage before has not run, or its output does not fit.
      FileError: parameters of another run that do not fit.
      FileError: the folder holds a run of other settings or other features.
    """
    cell = find_cell(cfg.model.cell)
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    source = _source(cfg, work, dataset.part("train"))
    motion_shape = None if source.motion is None else source.motion.shape
    sizes = resolved(cfg.model, source.x.shape, motion_shape, len(dataset.classes))
    model = make_model(sizes)
    apply = _reading(model.apply, source.scales)
    params = grafted(jax.jit(model.init)(jax.random.key(cfg.seed)), cfg.train.graft, cfg.workdir)
    tx, mesh = optimizer(cfg.optim, cfg.train.steps), data_mesh(cfg.train.devices, cfg.data.batch)
    state = replicate(new_state(params, tx), mesh)
    loss = model_loss(apply, attention_entropy=cfg.train.attention_entropy)
    step = make_step(loss, tx, cfg.seed, mesh=mesh)
    inputs = _inputs(source)
    validate = (
        _validation(cfg, source, dataset.part("valid"), apply) if cfg.data.validation else None
    )
    plan = Plan(
        steps=cfg.train.steps,
        log_every=cfg.train.log_every,
        save_every=cfg.train.save_every,
        identity=_identity(cfg, sizes, dataset, inputs),
        about={},
        validate=validate,
        keep_best=cfg.train.keep == "best",
    )
    folder = work.run(cfg.run_name)
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    print(f"trains {cfg.run_name}, {count:,} parameters: {folder}", flush=True)
    fit(
        state,
        step,
        _batches(cfg, source, dataset.part("train")),
        plan,
        folder=folder,
        place=lambda batch: spread(batch, mesh),
    )
    save_config(
        folder,
        cfg,
        model=dataclasses.asdict(sizes),
        classes=dataset.classes,
        scales=source.scales._asdict(),
        inputs=inputs,
        attends=cell.attends,
        layers=cell.layers._asdict(),
    )
    return folder


def _source(cfg: RunConfig, work: Workdir, videos: Sequence[Video]) -> Source:
    layers = find_cell(cfg.model.cell).layers
    x = FeatureStore.open(work.features(cfg.data.stream, layers.x))
    motion = FeatureStore.open(work.features("flow", layers.motion)) if layers.motion else None
    if cfg.data.feature_scale == "raw":
        return Source(x, motion, Scales())
    return Source(
        x, motion, Scales(_deviation(x, videos), _deviation(motion, videos) if motion else 1.0)
    )


def _deviation(store: FeatureStore, videos: Sequence[Video]) -> float:
    """The standard deviation of the training list's features, which the index has where `extract`
    knew the list.
    """
    found = store.std or store.statistics([video.name for video in videos])[1]
    if not found > 0:
        raise FileError(f"{store.folder}: the features of the training list are all the same")
    return found


def _inputs(source: Source) -> dict[str, Any]:
    """Names the stores, and what is in them, for config.json and for checkpoints."""
    stores = {"x": source.x, "motion": source.motion}
    return {
        name: {
            "store": "/".join(store.folder.parts[-3:]),
            "sha256": fingerprint(read_json(store.folder / "index.json", made_by="extract")),
            "extractor": extractor_of(store.about),
        }
        for name, store in stores.items()
        if store is not None
    }


def _identity(
    cfg: RunConfig, sizes: ModelConfig, dataset: Dataset, inputs: dict[str, Any]
) -> dict[str, Any]:
    """What a checkpoint must have been trained with to be gone on with; the length of training may
    be another.
    """
    chosen = {
        f"model.{name}": value
        for name, value in dataclasses.asdict(sizes).items()
        if name not in ("cell", "classes", "engine", "remat")
    }
    chosen |= {f"optim.{name}": value for name, value in dataclasses.asdict(cfg.optim).items()}
    for name in ("stream", "frames", "batch", "order", "short_clips", "feature_scale"):
        chosen[f"data.{name}"] = getattr(cfg.data, name)
    if cfg.optim.schedule != "constant":
        chosen["train.steps"] = cfg.train.steps
    chosen["train.attention_entropy"] = (
        cfg.train.attention_entropy or None
    )  # as checkpoints from before there was one
    chosen |= {f"features.{name}": value["sha256"] for name, value in inputs.items()}
    videos = fingerprint(
        [[video.name, video.label] for video in dataset.videos if video.part == "train"]
    )
    return {
        "cell": sizes.cell,
        "classes": dataset.classes,
        "seed": cfg.seed,
        "train.graft": cfg.train.graft,
        "videos": videos,
        **chosen,
    }


def _reading(apply: Callable[..., Output], scales: Scales) -> Callable[..., Output]:
    """`apply` of features as they are stored, float16 and unscaled: half of what must be sent to
    the device.
    """

    def read(params: Params, clip: Clip, *, dropout_key: jax.Array | None = None) -> Output:
        return apply(
            params, clip._replace(inputs=as_inputs(clip.inputs, scales)), dropout_key=dropout_key
        )

    return read


def _batches(
    cfg: RunConfig, source: Source, videos: Sequence[Video]
) -> Callable[[int], Iterator[Batch]]:
    hosts = {"host_index": jax.process_index(), "host_count": jax.process_count()}
    return lambda start: train_batches(
        source.x,
        source.motion,
        videos,
        cfg.data,
        seed=cfg.seed,
        start_step=start,
        dtype="float16",
        **hosts,
    )


def _validation(
    cfg: RunConfig, source: Source, videos: Sequence[Video], apply: Callable[..., Output]
) -> Callable[[TrainState], dict[str, float]]:
    """Accuracy and mean -log p of the validation videos, each scored by a few segments (Sec. 5.2)."""
    logits_of = jax.jit(lambda params, clip: apply(params, clip).logits)

    def rows(params: Params) -> Iterator[tuple[int, np.ndarray, np.ndarray, int]]:
        for found in eval_segments(
            source.x,
            source.motion,
            videos,
            segments=VALID_SEGMENTS,
            frames=cfg.data.frames,
            batch=cfg.eval.batch,
            rule=cfg.eval.segment_rule,
            short_clips=cfg.data.short_clips,
        ):
            logits = np.asarray(logits_of(params, found.batch.clip))
            for at in np.flatnonzero(found.video >= 0):
                yield (
                    int(found.video[at]),
                    logits[at],
                    found.batch.clip.mask[at],
                    int(found.count[at]),
                )

    def validate(state: TrainState) -> dict[str, float]:
        right, surprise = 0, 0.0
        for video, group in itertools.groupby(rows(state.params), key=lambda row: row[0]):
            _, logits, mask, counts = zip(*group, strict=True)
            scores = video_scores(np.stack(logits), np.stack(mask), counts=np.array(counts))
            right += int(scores.argmax() == videos[video].label)
            surprise -= float(np.log(max(scores[videos[video].label], 1e-12)))
        return {"valid_accuracy": right / len(videos), "valid_loss": surprise / len(videos)}

    return validate
