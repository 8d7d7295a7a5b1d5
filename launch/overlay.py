"""Films and strips of what a run saw in videos of its walk.

Usage: python -m launch.overlay --run=work/demo/runs/videolstm-rgb --video=Class/stem,..
"""

import importlib

from absl import app, flags

from launch import boot
from videolstm_jax.config import OverlayConfig

_RUN = flags.DEFINE_string(
    "run", "", "The folder of an evaluated run, such as work/demo/runs/videolstm-rgb."
)
_VIDEO = flags.DEFINE_list(
    "video",
    [],
    'Names of test videos, "Class/stem", separated by commas; empty takes some, '
    "by the rule of the report.",
)
_EXAMPLES = flags.DEFINE_integer(
    "examples", OverlayConfig.examples, "How many videos, where none is named."
)
_SIDE = flags.DEFINE_integer(
    "side", OverlayConfig.side, "Pixels of the longer edge of the film's panels."
)


def main(argv: list[str]) -> None:
    """Runs the stage with what the flags say."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected words {argv[1:]}; settings are given as --name=value")
    cfg = OverlayConfig(
        run=_RUN.value, videos=tuple(_VIDEO.value), examples=_EXAMPLES.value, side=_SIDE.value
    )
    print(
        f"overlay: wrote {importlib.import_module('videolstm_jax.stages.overlay').run(cfg)}",
        flush=True,
    )


if __name__ == "__main__":
    app.run(boot.guarded(main))
