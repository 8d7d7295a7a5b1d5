"""Stores of features whose values name the video and the frame that they are of."""

import numpy as np

from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.types import Video

# Pairs of frames of each video: fewer than a clip of 8 has, as many, and more.
LENGTHS = (1, 3, 8, 9, 20, 41, 8)
NAMES = tuple(f"c{at % 3}/v{at}" for at in range(len(LENGTHS)))
VIDEOS = tuple(
    Video(name, "", at % 3, "train", name, length + 1, 64, 48, 25.0)
    for at, (name, length) in enumerate(zip(NAMES, LENGTHS, strict=True))
)


def store(folder, shape, about, lengths=LENGTHS):
    """A store of features [L, *shape]; the first two values are the numbers of video and frame."""
    writer = FeatureWriter(folder, shape, {"made": about})
    for at, (name, length) in enumerate(zip(NAMES, lengths, strict=True)):
        values = np.random.default_rng(at).normal(size=(length, *shape)).astype(np.float16)
        flat = values.reshape(length, -1)
        flat[:, 0], flat[:, 1] = at, np.arange(length)
        writer.write(name, values)
    return writer.finish(NAMES)
