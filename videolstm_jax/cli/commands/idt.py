"""`videolstm idt`: trajectories of all videos, then Fisher vectors and linear SVMs."""

from __future__ import annotations

import importlib

from absl import flags

from videolstm_jax.config import RunConfig
from videolstm_jax.errors import ConfigError


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines `--only` and `--shard`."""
    flags.DEFINE_enum(
        "only",
        None,
        ["trajectories", "scores"],
        "Compute the trajectories only, or the scores from trajectories that are there.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "shard",
        "1/1",
        "i/n: with --only=trajectories, take every n-th video from the i-th on.",
        flag_values=flag_values,
    )


def main(cfg: RunConfig) -> None:
    """Runs both halves, or the one that `--only` names."""
    only, shard_text = flags.FLAGS["only"].value, flags.FLAGS["shard"].value
    # Imported only now: the stages import JAX, which --help does not need.
    shards = importlib.import_module("videolstm_jax.features.shards")
    shard = shards.parse_feature_shard(shard_text)
    problem = ""
    # The scores need the videos of all workers.
    if shard.worker and only != "trajectories":
        problem = f"--shard={shard_text} is for --only=trajectories; then run idt --only=scores"
    if cfg.idt.files and only == "trajectories":
        problem = "--only=trajectories with idt.files, which are there already; expected one"
    if problem:
        raise ConfigError(problem)
    # scikit-learn is an extra. Its absence is refused now, not after hours of flow.
    if only != "trajectories":
        importlib.import_module("videolstm_jax.shallow.scikit_learn").scikit_learn("svm")
    if only != "scores" and not cfg.idt.files:
        stage = importlib.import_module("videolstm_jax.stages.trajectories")
        print(f"idt: wrote {stage.run(cfg, shard=shard)}", flush=True)
    if only != "trajectories":
        stage = importlib.import_module("videolstm_jax.stages.idt")
        print(f"idt: wrote {stage.run(cfg)}", flush=True)
