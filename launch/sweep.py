"""One walk a seed (--seeds=0,1,2) or a held-out group (--leave_one_out), pooled into one table and
one page.
"""

import dataclasses
import importlib

from absl import flags

from launch import boot, pipeline
from videolstm_jax.config import RunConfig, change
from videolstm_jax.errors import ConfigError
from videolstm_jax.pipeline import commands, plan, run

_SEEDS = flags.DEFINE_list("seeds", [], "Walk once with each of these seeds.")
_LEAVE_ONE_OUT = flags.DEFINE_boolean(
    "leave_one_out", False, "Walk once with each group of videos as the test list."
)
flags.adopt_module_key_flags(pipeline)  # so that --help shows them too


def parts(cfg: RunConfig) -> dict[str, RunConfig]:
    """The walks of a sweep, by the name of their folder below the work folder.

    Raises:
      ConfigError: neither seeds nor groups were asked for, or both; seeds that are not different
        whole numbers; groups of videos that lie in no folder.
      FileError: videos without groups to hold out in turn.
    """
    if bool(_SEEDS.value) == _LEAVE_ONE_OUT.value:
        raise ConfigError("a sweep takes either --seeds=0,1,2 or --leave_one_out")
    if _SEEDS.value:
        seeds = [int(word) for word in _SEEDS.value if word.isdecimal()]
        if len(set(seeds)) < len(_SEEDS.value):
            raise ConfigError(
                f"--seeds is {','.join(_SEEDS.value)}; expected different whole numbers, such as 0,1,2"
            )
        changed = {f"seed-{seed}": {"seed": seed} for seed in seeds}
    elif cfg.data.source != "folder":
        raise ConfigError(
            f"--leave_one_out goes by the groups of a folder, and data.source is {cfg.data.source}: "
            "prepare it once, then give --videos the folder that was made in the work folder"
        )
    else:
        scan = importlib.import_module("videolstm_jax.dataset.scan")
        dataset, _ = scan.scan_videos(dataclasses.replace(cfg.data, hold_out=""), seed=cfg.seed)
        groups = sorted({video.group for video in dataset.videos})
        changed = {f"without-{group}": {"data__hold_out": group} for group in groups}
    return {
        name: change(cfg, workdir=f"{cfg.workdir}/{name}", **settings)
        for name, settings in changed.items()
    }


def main(cfg: RunConfig) -> None:
    """Walks every part, then pools them; or says what the walks would do."""
    cfg = pipeline.with_short_flags(cfg)
    each = parts(cfg)
    if pipeline.DRY_RUN.value:
        print("\n".join(f"# {name}\n{commands(part)}" for name, part in each.items()))
        return
    for number, (name, part) in enumerate(each.items(), 1):
        print(f"\n=== {name} ({number}/{len(each)})", flush=True)
        run(part)
    pool, localize, report = (
        importlib.import_module(f"videolstm_jax.stages.{name}")
        for name in ("pool", "localize", "report")
    )
    pooled = change(cfg, workdir=str(pool.run(cfg, tuple(each))))
    for step in plan(pooled):
        if step.stage == "localize":
            localize.run(step.cfg)
    pool.summary(cfg, tuple(each))
    print(f"\nthe page of all parts: {report.run(pooled)}")


if __name__ == "__main__":
    boot.launch(main, preset="small")
