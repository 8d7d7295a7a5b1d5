"""One pipeline for each seed or held-out group of videos, pooled into one table and one page."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from videolstm_jax import pipeline
from videolstm_jax.config import RunConfig, change
from videolstm_jax.errors import ConfigError

if TYPE_CHECKING:
    from etils import epath


def sweep_parts(
    cfg: RunConfig, *, seeds: Sequence[int] = (), leave_one_out: bool = False
) -> dict[str, RunConfig]:
    """The pipelines of a sweep, by the name of their folder below the work folder.

    Args:
      cfg: made by `configured` or `change`; its overrides reach every pipeline.
      seeds: one pipeline for each of these seeds.
      leave_one_out: one pipeline for each group of videos, which is its test list.

    Raises:
      ConfigError: neither seeds nor groups were asked for, or both; seeds beside a seed; groups of
        videos that lie in no folder.
      FileError: videos without groups to hold out in turn.
    """
    if bool(seeds) == leave_one_out:
        raise ConfigError("a sweep takes either --seeds=0,1,2 or --leave_one_out")
    if seeds and "seed" in cfg.overrides:
        # It would be lost: every part has a seed of its own.
        raise ConfigError(
            f"--seed={cfg.seed} and --seeds={','.join(map(str, seeds))}; expected only --seeds"
        )
    pipelines = {}
    for seed in seeds:
        folder = f"seed-{seed}"
        pipelines[folder] = change(cfg, workdir=f"{cfg.workdir}/{folder}", seed=seed)
    if leave_one_out:
        for group in _groups(cfg):
            folder = f"without-{group}"
            workdir = f"{cfg.workdir}/{folder}"
            pipelines[folder] = change(cfg, workdir=workdir, data__hold_out=group)
    return pipelines


def _groups(cfg: RunConfig) -> list[str]:
    if cfg.data.source != "folder":
        raise ConfigError(
            f"--leave_one_out takes the groups of a folder, and data.source is {cfg.data.source}: "
            "prepare it once, then give --videos the folder that was made in the work folder"
        )
    # Imported only now: reading lists of videos takes long to import, and seeds do not need it.
    scan = importlib.import_module("videolstm_jax.dataset.scan")
    dataset, _ = scan.scan_videos(dataclasses.replace(cfg.data, hold_out=""), seed=cfg.seed)
    return sorted({video.group for video in dataset.videos})


def sweep_commands(parts: Mapping[str, RunConfig], program: str = "videolstm ") -> str:
    """The single commands of all parts, each part after a comment with its name."""
    blocks = []
    for name, cfg in parts.items():
        blocks.append(f"# {name}\n{pipeline.pipeline_commands(cfg, program)}")
    return "\n".join(blocks)


def run_sweep(cfg: RunConfig, parts: Mapping[str, RunConfig]) -> None:
    """Runs the pipeline of every part, and pools the test videos of all.

    Args:
      cfg: of the sweep; its work folder holds those of the parts.
      parts: made by `sweep_parts`.
    """
    for number, (name, part) in enumerate(parts.items(), 1):
        print(f"\n=== {name} ({number}/{len(parts)})", flush=True)
        pipeline.run(part)
    # The parts are whole work folders, so one that was interrupted is gone on with by the same
    # command.
    print(f"\nthe page of all parts: {_pool_parts(cfg, tuple(parts))}")


def _pool_parts(cfg: RunConfig, names: Sequence[str]) -> epath.Path:
    """Pools the parts, and localises and measures the pool; returns its page."""
    pool = importlib.import_module("videolstm_jax.stages.pool")
    localize = importlib.import_module("videolstm_jax.stages.localize")
    report = importlib.import_module("videolstm_jax.stages.report")
    # One lock for all of it: a second sweep that pools would remove the folder that this one reads.
    with pool.pool_writer(cfg):
        # The pool is a work folder too, so the later stages run on it as on any other.
        pooled = change(cfg, workdir=str(pool.run(cfg, names)))
        for step in pipeline.plan(pooled):
            if step.stage == "localize":
                localize.run(step.cfg)
        pool.pool_summary(cfg, names)
        return report.run(pooled)
