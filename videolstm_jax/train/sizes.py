"""The sizes of a model, read off the features that it will be trained on."""

from __future__ import annotations

import dataclasses

from videolstm_jax.config import ModelConfig
from videolstm_jax.errors import ConfigError


def model_sized_for_training(
    model: ModelConfig, x: tuple[int, ...], motion: tuple[int, ...] | None, classes: int
) -> ModelConfig:
    """The same settings with the sides, the depths and the classes that the features have.

    Args:
      model: the settings.
      x: the shape of one frame's features, [N, N, D], or [D] for a vector, which is a 1 x 1 map.
      motion: the same of the flow features, or None for a cell without.
      classes: C.

    Raises:
      ConfigError: a shape that is neither a square map nor a vector.
    """
    map_size, depth = _side_and_depth(x)
    model = dataclasses.replace(model, map_size=map_size, depth=depth, classes=classes)
    if motion is None:
        return model
    motion_size, motion_depth = _side_and_depth(motion)
    return dataclasses.replace(model, motion_size=motion_size, motion_depth=motion_depth)


def _side_and_depth(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) == 1:
        return 1, shape[0]
    # Cells read square maps: the network squashed, padded or cut the frame to a square.
    if len(shape) != 3 or shape[0] != shape[1]:
        raise ConfigError(f"the features of a frame are {list(shape)}; expected [N, N, D] or [D]")
    return shape[0], shape[2]
