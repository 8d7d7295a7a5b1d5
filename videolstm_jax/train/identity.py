"""What identifies a training: the settings and data that a checkpoint must agree with to go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from videolstm_jax.sealed_json import json_sha256

if TYPE_CHECKING:
    from videolstm_jax.config import ModelConfig, RunConfig
    from videolstm_jax.types import Video

# Settings of a model that change how its numbers are computed, or where its identity has them
# already under another name.
_NOT_OF_THE_MODEL = ("cell", "classes", "engine", "remat")

# Settings of the data that decide which clips are drawn, and what is in them.
_OF_THE_CLIPS = ("stream", "fit", "frames", "batch", "order", "short_clips", "feature_scale")


def training_identity(
    cfg: RunConfig,
    config: ModelConfig,
    classes: Sequence[str],
    train_list: Sequence[Video],
    inputs: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The identity of the training of a recurrent model.

    How long training lasts may differ, and so may how the same numbers are computed.

    Args:
      cfg: of the run.
      config: of the model, with the sizes of its features.
      classes: C names.
      train_list: the training videos.
      inputs: the `sha256` and the `extractor` of the store of each input.
    """
    identity = {
        "cell": config.cell,
        "classes": classes,
        "seed": cfg.seed,
        "train.graft": cfg.train.graft,
        "train.balance": cfg.train.balance,
        "train.attention_entropy": cfg.train.attention_entropy,
    }
    for name, value in dataclasses.asdict(config).items():
        if name not in _NOT_OF_THE_MODEL:
            identity[f"model.{name}"] = value
    for name, value in dataclasses.asdict(cfg.optim).items():
        identity[f"optim.{name}"] = value
    for name in _OF_THE_CLIPS:
        identity[f"data.{name}"] = getattr(cfg.data, name)
    # With another schedule than a constant one the length decides how the learning rate falls.
    if cfg.optim.schedule != "constant":
        identity["train.steps"] = cfg.train.steps
    identity |= _shards(cfg)
    # Before the digest of the features: it says what differs where the backbone does.
    for name, row in inputs.items():
        for field, value in row["extractor"].items():
            identity[f"extractor.{name}.{field}"] = value
    for name, row in inputs.items():
        identity[f"features.{name}"] = row["sha256"]
    identity["videos"] = json_sha256([[video.name, video.label] for video in train_list])
    return identity


def training_identity_of_convnet(
    cfg: RunConfig, classes: Sequence[str], fingerprints: Mapping[str, str]
) -> dict[str, Any]:
    """The identity of the training of a backbone.

    Args:
      cfg: of the run.
      classes: C names.
      fingerprints: of the training list, the flow, and the weights it starts from.
    """
    identity = {
        "cell": "convnet",
        "classes": classes,
        "seed": cfg.seed,
        "data.fps": cfg.data.fps,
        "data.fit": cfg.data.fit,
        "train.balance": cfg.train.balance,
    }
    for name, value in dataclasses.asdict(cfg.convnet).items():
        identity[f"convnet.{name}"] = value
    return identity | _shards(cfg) | fingerprints


def _shards(cfg: RunConfig) -> dict[str, int]:
    """The parts of a batch, which have dropout masks of their own; nothing where there are none."""
    # Left out where it is 0, as in checkpoints from before there was this setting.
    return {"train.shards": cfg.train.shards} if cfg.train.shards else {}
