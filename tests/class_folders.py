"""Class folders with copies of one clip, scanned for their videos."""

import pathlib
import tempfile
from functools import cache

import numpy as np

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.scan import scan_videos
from videolstm_jax.video import encode


@cache
def clip_bytes():
    """An MP4 file of 6 frames of 48 x 32 pixels, 10 a second; encoded once a process."""
    frames = np.random.default_rng(0).integers(0, 255, (6, 32, 48, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "clip.mp4"
        encode.write_video(path, frames, 10.0)
        return path.read_bytes()


def write_copies(root, *names, place=""):
    """Writes the clip under each name, in the folder `place` of `root`; returns `root`."""
    for name in names:
        path = root / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(clip_bytes())
    return root


def scan(root, **settings):
    """The data set of a folder, and the videos that were skipped."""
    return scan_videos(DataConfig(videos=str(root), **settings))


def part_of_each(dataset):
    """The part (train, valid or test) by name of video."""
    return {video.name: video.part for video in dataset.videos}
