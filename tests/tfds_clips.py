"""The clips of the sets of tensorflow-datasets that tests build, and how a set is asked for."""

import numpy as np
from small_films import smooth

from videolstm_jax.config import DataConfig

SIZE = (24, 33)  # H, W


def frames(number):
    """The frames [L, H, W, 3] of the clip with this number: 4, 5 or 6 of them."""
    return smooth(4 + number % 3, *SIZE, seed=number)


def grey(rgb):
    """The luma of colours, which JPEG keeps finer than colour itself."""
    return rgb @ np.array([0.299, 0.587, 0.114])


def config(name, data_dir="", **settings):
    """The configuration of data from the set called `name`, prepared in `data_dir`."""
    return DataConfig(source=f"tfds:{name}", videos=str(data_dir), **settings)
