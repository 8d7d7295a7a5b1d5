"""Random feature maps of three videos, as other programs store them."""

import numpy as np

LENGTHS = (3, 5, 4)
"""The number of maps of each video."""
D, N = 6, 3


def maps(seed, length):
    """[length, D, N, N] float32 of random feature maps, none below 0, as after a ReLU."""
    return np.maximum(np.random.default_rng(seed).normal(size=(length, D, N, N)), 0).astype(
        np.float32
    )
