"""A sample of a video's trajectories, drawn while they are read or computed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np

from videolstm_jax.trajectories.layout import Trajectories, no_trajectories


def trajectory_generator(name: str, seed: int) -> np.random.Generator:
    """The generator of a video's sample, by its name: no other video changes it."""
    # Not `hash`, which differs from one process to the next.
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def sampled_trajectories(
    blocks: Iterable[Trajectories], length: int, count: int, generator: np.random.Generator
) -> Trajectories:
    """At most `count` trajectories, each with the same chance, in their order.

    Args:
      blocks: all trajectories; memory holds a block and the sample.
      length: L.
      count: of the sample.
      generator: chooses them.
    """
    sample, priority = no_trajectories(length), np.zeros(0)
    for block in blocks:
        # The rows with the largest random numbers, of all blocks so far.
        priority = np.concatenate([priority, generator.random(len(block.hog))])
        # Sorted, so that rows stay in their order.
        best = np.sort(np.argsort(-priority)[:count])
        fields = []
        for chosen, more in zip(sample, block, strict=True):
            fields.append(np.concatenate([chosen, more])[best])
        sample, priority = Trajectories(*fields), priority[best]
    return sample
