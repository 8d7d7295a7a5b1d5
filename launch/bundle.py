"""Writes a trained run as a folder of its own, a bundle, that another machine can load.

Usage: python -m launch.bundle --run=work/demo/runs/videolstm-rgb --to=FOLDER
"""

import importlib

from absl import app, flags, logging

from launch import boot
from videolstm_jax.config import BundleConfig

_RUN = flags.DEFINE_string(
    "run", "", "The folder of a trained run, such as work/demo/runs/videolstm-rgb."
)
_TO = flags.DEFINE_string("to", "", "The folder to write; it must not exist yet.")


def main(argv: list[str]) -> None:
    """Runs the stage with the settings of the flags."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected words {argv[1:]}; settings are given as --name=value")
    logging.set_verbosity(logging.WARNING)
    cfg = BundleConfig(run=_RUN.value, to=_TO.value)
    path = importlib.import_module("videolstm_jax.stages.bundle").run(cfg)
    print(f"bundle: wrote {path}", flush=True)


if __name__ == "__main__":
    app.run(boot.guarded(main))
