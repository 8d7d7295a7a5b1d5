"""A prepared work folder of small videos in which a texture moves across or down, for the SVMs."""

import numpy as np
from moving_textures import SIDE, texture

from videolstm_jax import files
from videolstm_jax.config import RunConfig, change
from videolstm_jax.dataset.prepared import video_fingerprints
from videolstm_jax.types import Dataset, Video
from videolstm_jax.video import encode
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.layout import Workdir

CLASSES = ("Across", "Down")
FRAMES = 18
PARTS = ("train", "train", "valid", "test", "test")
FLOW = {"Across": (2.0, 0.0), "Down": (0.0, 2.0)}


def write_textured(folder):
    """Ten videos of two classes: five groups, of which one validates and two are tested."""
    videos, work = [], Workdir(str(folder / "work"))
    for label, name in enumerate(CLASSES):
        for number, part in enumerate(PARTS):
            picture = texture(seed=number)
            clip = []
            for frame in range(FRAMES):
                shift = [round(frame * step) for step in reversed(FLOW[name])]
                clip.append(np.roll(picture, shift, (0, 1)))
            frames = np.repeat(np.stack(clip)[..., None], 3, -1)
            path = folder / "videos" / name / f"g{number}.mp4"
            encode.write_video(path, frames)
            videos.append(
                Video(
                    f"{name}/g{number}",
                    str(path),
                    label,
                    part,
                    f"g{number}",
                    FRAMES,
                    SIDE,
                    SIDE,
                    25.0,
                )
            )
    save_dataset(work.dataset, Dataset(CLASSES, tuple(videos)))
    index = {
        "fps": 0.0,
        "max_frames": 0,
        "frames": {video.name: video.frames - 1 for video in videos},
        "source": video_fingerprints(videos),
    }
    files.write_json(work.flow / "index.json", index)
    return work


def config(work, **settings):
    """Settings for clips as small as these."""
    sizes = {
        "idt__side": 0,
        "idt__camera": False,
        "idt__components": 2,
        "idt__samples": 200,
        "data__workers": 1,
    }
    return change(RunConfig(workdir=work.root), **{**sizes, **settings})


def known_flow(frames, next_frames):
    """A method of flow that takes the direction from the pictures: right or down by two pixels.

    TV-L1 takes seconds to compile, and this needs no more than to tell two directions apart.
    """
    across = np.abs(next_frames[:, :, 2:].astype(int) - frames[:, :, :-2]).mean((1, 2))
    down = np.abs(next_frames[:, 2:].astype(int) - frames[:, :-2]).mean((1, 2))
    flow = np.zeros((*frames.shape, 2), np.float32)
    flow[across < down, ..., 0] = 2
    flow[across >= down, ..., 1] = 2
    return flow
