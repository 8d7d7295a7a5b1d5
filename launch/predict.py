"""Reads a video, a camera or a pipe frame by frame with a trained run, and films what it sees.

Usage: python -m launch.predict --checkpoint=work/demo/runs/videolstm-rgb --video=FILE|NUMBER|-
"""

import importlib

from absl import app, flags, logging

from launch import boot
from videolstm_jax.config import PredictConfig

_MODEL = flags.DEFINE_string(
    "model", "", "The folder of a bundle, or of a run, such as work/demo/runs/videolstm-rgb."
)
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "", "Another name of --model, for the folder of a run."
)
_VIDEO = flags.DEFINE_string(
    "video", "", "A video file, the number of a camera, or - for standard input."
)
_FLOW = flags.DEFINE_string(
    "flow",
    "",
    "Another method of flow than the run was trained on: tvl1, or dis, which is "
    "fast and rougher (needs OpenCV).",
)
_OUTPUT = flags.DEFINE_string(
    "output",
    "",
    "The annotated film, .mp4 or .mkv; empty: predicted/<name>.mp4 in the work "
    "folder; none: no film.",
)
_SIDE = flags.DEFINE_integer(
    "side", PredictConfig.side, "Pixels of the longer edge of the film's panels."
)
_MAX_FRAMES = flags.DEFINE_integer(
    "max_frames", 0, "Stop after so many frames; 0 reads to the end."
)


def main(argv: list[str]) -> None:
    """Runs the stage with what the flags say."""
    if len(argv) > 1:
        raise app.UsageError(f"unexpected words {argv[1:]}; settings are given as --name=value")
    logging.set_verbosity(logging.WARNING)
    cfg = PredictConfig(
        model=_MODEL.value,
        checkpoint=_CHECKPOINT.value,
        video=_VIDEO.value,
        flow=_FLOW.value,
        output=_OUTPUT.value,
        side=_SIDE.value,
        max_frames=_MAX_FRAMES.value,
    )
    path = importlib.import_module("videolstm_jax.stages.predict").run(cfg)
    wrote = "no film" if path is None else f"{path} and {path.with_suffix('.png').name}"
    print(f"predict: wrote {wrote}", flush=True)


if __name__ == "__main__":
    app.run(boot.guarded(main))
