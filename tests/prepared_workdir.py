"""A tiny prepared work folder of made-up clips, for the tests of the stages that read frames."""

import numpy as np

from videolstm_jax import files
from videolstm_jax.config import change
from videolstm_jax.dataset.prepared import video_fingerprints
from videolstm_jax.flow_images import flow_file
from videolstm_jax.presets import configured
from videolstm_jax.types import Dataset, Video
from videolstm_jax.video import encode
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.layout import Workdir

CLASSES = ("left", "right")
SIDE = 24


def _clip(label, number, frames):
    """A bright square on one side of the picture, and the flow of it going that way."""
    r = np.random.default_rng([label, number])
    images = r.integers(0, 60, (frames, SIDE, SIDE, 3)).astype(np.uint8)
    flow = r.integers(120, 136, (frames - 1, SIDE, SIDE, 2)).astype(np.uint8)
    at = 3 if label == 0 else 13
    images[:, 6:18, at : at + 8] = 230
    flow[:, 6:18, 6:18, 0] = 60 if label == 0 else 200
    return images, flow


def write_prepared(folder):
    """What `prepare` leaves: dataset.json and flow, with the videos beside."""
    videos, work = [], Workdir(str(folder / "work"))
    for label, name in enumerate(CLASSES):
        for number, part in enumerate(("train", "train", "test")):
            frames = 6 + number + 30 * (part == "test" and label)
            images, flow = _clip(label, number, frames)
            path = folder / "videos" / name / f"p{number}.mp4"
            encode.write_video(path, images)
            flow_file.write_flow(work.flow / name / f"p{number}.zip", flow, "png")
            videos.append(
                Video(
                    f"{name}/p{number}",
                    str(path),
                    label,
                    part,
                    f"p{number}",
                    frames,
                    SIDE,
                    SIDE,
                    25.0,
                )
            )
    save_dataset(work.dataset, Dataset(CLASSES, tuple(videos)))
    write_index(work, videos)
    return folder / "work"


def write_index(work, videos):
    """The record of `prepare` of how it read the videos."""
    index = {
        "method": "made up",
        "width": SIDE,
        "height": SIDE,
        "bound": 5.0,
        "image": "png",
        "fps": 0.0,
        "max_frames": 0,
        "frames": {video.name: video.frames - 1 for video in videos},
        "source": video_fingerprints(videos),
    }
    files.write_json(work.flow / "index.json", index)


def config(work, stream, **settings):
    """A backbone that fits the clips in a few steps."""
    convnet = {
        "image_size": 16,
        "widths": (6, 8),
        "depths": (1, 1),
        "dense": (10,),
        "head": "pooled",
        "norm": "group",
        "dropout": 0.1,
        "optimizer": "adam",
        "learning_rate": 1e-2,
        "batch": 8,
        "steps": 30,
        "flip": False,
        "pixel_scale": 1 / 58,
    }
    # As overrides of a preset, so that a command can be printed that gives the same settings.
    cfg = configured(
        "paper",
        workdir=str(work),
        data__stream=stream,
        train__log_every=5,
        train__save_every=10,
        **{f"convnet__{name}": value for name, value in convnet.items()},
    )
    return change(cfg, **settings)
