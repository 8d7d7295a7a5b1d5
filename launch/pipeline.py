"""All stages in one process: from a folder of videos, `--videos=DIR`, to a page of pictures."""

from __future__ import annotations

from absl import flags

from launch import boot
from videolstm_jax.config import RunConfig, change
from videolstm_jax.pipeline import commands, run

_VIDEOS = flags.DEFINE_string(
    "videos", None, "Short for --data.videos: the folder that holds the class folders."
)
_CELLS = flags.DEFINE_list(
    "cells", None, "Short for --pipeline.cells: cells to train on RGB; the last one is fused."
)
DRY_RUN = flags.DEFINE_boolean(
    "dry_run", False, "Print the single commands that this stands for, run nothing."
)


def with_short_flags(cfg: RunConfig) -> RunConfig:
    """The configuration with `--videos` and `--cells` taken in."""
    if _VIDEOS.value is not None:
        cfg = change(cfg, data__videos=_VIDEOS.value)
    if _CELLS.value is not None:
        cfg = change(cfg, pipeline__cells=tuple(_CELLS.value))
    return cfg


def main(cfg: RunConfig) -> None:
    """Applies the short flags, and walks or says what a walk would do."""
    cfg = with_short_flags(cfg)
    if DRY_RUN.value:
        print(commands(cfg))
    else:
        run(cfg)


if __name__ == "__main__":
    boot.launch(main, preset="small")
