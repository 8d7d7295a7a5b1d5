"""Folders of small videos in which something moves, for the tests of `prepare`."""

import numpy as np
from small_films import smooth

from videolstm_jax.config import RunConfig, change
from videolstm_jax.video import encode


def _clip_path(folder, number):
    """The first two clips are of `jump`, the next two of `run`, each with clips of two groups."""
    label = "jump" if number < 2 else "run"
    return folder / label / f"v_x_g0{number % 2 + 1}_c01_{number}.mp4"


def made(folder, lengths=(5, 9, 6, 12), side=(24, 32)):
    """A folder of two classes with two clips each, of the lengths given."""
    for number, length in enumerate(lengths):
        encode.write_video(_clip_path(folder, number), smooth(length, *side, seed=number))
    return folder


def drifting(folder, steps):
    """Two classes with two clips each, of a texture that moves right by `steps` pixels a frame."""
    texture = smooth(1, 24, 32, seed=3)[0]
    for number, step in enumerate(steps):
        frames = np.stack([np.roll(texture, step * t, 1) for t in range(4)])
        encode.write_video(_clip_path(folder, number), frames)
    return folder


def settings(tmp_path, videos, **more):
    """The configuration that prepares `videos` in the folder `work` beside them."""
    return change(
        RunConfig(workdir=str(tmp_path / "work")),
        data__videos=str(videos),
        data__test_fraction=0.5,
        **{"flow__width": 0, "flow__height": 0, "flow__bound": 2.0, "flow__image": "png", **more},
    )


def written(folder):
    """The bytes of every file by its relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
