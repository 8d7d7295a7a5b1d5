"""Batches of random clips that a small model learns, and the configuration of that model."""

import numpy as np

from videolstm_jax.config import ModelConfig
from videolstm_jax.types import Batch, Clip, Inputs

# A model of attention that fits these clips.
CFG = ModelConfig(
    cell="alstm", map_size=3, depth=4, classes=3, hidden=5, attention=4, head=6, dropout=0.5
)


def clips(seed=0, batch=4, frames=3):
    """A batch of random clips; the number of a clip's class is added to its values."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 3, batch).astype(np.int32)
    x = random.normal(0, 1, (batch, frames, 3, 3, 4)) + label[:, None, None, None, None]
    inputs = Inputs(x.astype(np.float32))
    return Batch(Clip(inputs, np.ones((batch, frames), bool)), label, np.ones(batch, np.float32))
