"""The settings of the shortest pipeline that trains all of its parts, its videos and its files."""

import json

from tiny_pipeline import SIZES

from videolstm_jax.presets import configured
from videolstm_jax.synthetic import stick_actions
from videolstm_jax.train.checkpoints.checkpoint import Checkpoints

SHORT = {
    "convnet__backbone": "vgg",
    **SIZES,
    "data__frames": 6,
    "data__batch": 4,
    "convnet__batch": 4,
    "convnet__steps": 6,
    "train__steps": 6,
    "train__save_every": 3,
    "train__log_every": 2,
    "eval__segments": 3,
    "eval__batch": 4,
    "eval__chunk": 16,
    "report__examples": 1,
}


def write_videos(folder):
    """Six synthetic videos of two classes; returns their folder."""
    return stick_actions.generate_stick_actions(
        folder,
        classes=("SitDown", "StandUp"),
        clips_per_class=2,
        test_clips_per_class=1,
        seed=3,
    )


def tiny(videos, **settings):
    """The configuration of the pipeline on a folder of videos, in the work folder `work`."""
    return configured("small", data__videos=str(videos), workdir="work", **{**SHORT, **settings})


def contents(folder):
    """Every file's bytes by its relative path.

    The files of checkpoints carry times, so for those it is the digests of their arrays.
    """
    files_by_name = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and "ckpt" not in place.parts:
            files_by_name[str(place)] = path.read_bytes()
        elif path.name == "ckpt":
            with Checkpoints(path) as checkpoints:
                files_by_name[str(place)] = json.dumps(checkpoints.meta(), sort_keys=True)
    return files_by_name
