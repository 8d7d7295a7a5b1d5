"""Small films of moving blobs for tests, and the frames of a film as PyAV decodes them."""

import av
import numpy as np
from scipy import ndimage


def smooth(length, height, width, seed=0):
    """[L, H, W, 3] uint8 of moving coloured blobs."""
    blobs = np.random.default_rng(seed).normal(size=(length, height, width, 3))
    blobs = ndimage.gaussian_filter(blobs, (1, 4, 4, 0))
    return np.uint8((blobs - blobs.min()) / np.ptp(blobs) * 255)


def decoded(path):
    """The frames [L, H, W, 3] of a film, and its frames a second."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return np.stack(frames), float(container.streams.video[0].average_rate)
