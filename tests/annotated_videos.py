"""The true tubes of two videos, and a maker of tubes that differ from them in one thing."""

import numpy as np

from videolstm_jax.annotations.ground_truth import GroundTruth
from videolstm_jax.types import Detection, Tube

BOX = [1.0, 2, 30, 40]


def true_tube(video="b/y", label=1, start=0, frames=2, box=BOX):
    """A tube of the class with that number that holds the same box in all of its frames."""
    return Detection(video, label, 1.0, Tube(start, np.tile(np.array(box, float), (frames, 1))))


ANNOTATED = GroundTruth(
    ("a", "b"),
    {"a/x": 9, "b/y": 6},
    {"a/x": (64, 48), "b/y": (64, 48)},
    [true_tube("a/x", 0, 3, 4), true_tube(), true_tube(start=4)],
)
