"""Grey clips of a moving texture with the flow that they have, for the tests of trajectories."""

import numpy as np
from scipy import ndimage

SIDE, FRAMES = 48, 20


def texture(height=SIDE, width=SIDE, seed=0):
    """A smooth random picture [H, W] uint8 that goes on beyond its edges."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    picture = ndimage.gaussian_filter(noise, 1.5, mode="wrap")
    return np.uint8((picture - picture.min()) / np.ptp(picture) * 255)


def translating(dx, dy, frames=FRAMES):
    """A texture that moves by whole pixels a frame: frames [L, H, W], flow [L-1, H, W, 2]."""
    picture = texture()
    clip = [np.roll(picture, (dy * number, dx * number), (0, 1)) for number in range(frames)]
    flow = np.zeros((frames - 1, SIDE, SIDE, 2), np.float32)
    flow[:] = dx, dy
    return np.stack(clip), flow


def rotation(degrees, scale=1.0, centre=(SIDE - 1) / 2):
    """The matrix [3, 3] of a turn around the middle of the picture, with a change of size."""
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.full(2, centre) - turn @ np.full(2, centre)
    return np.array([[*turn[0], shift[0]], [*turn[1], shift[1]], [0, 0, 1]])


def flow_of(matrix, side=SIDE):
    """The flow [H, W, 2] of a homography, point by point."""
    flow = np.zeros((side, side, 2), np.float32)
    for y in range(side):
        for x in range(side):
            u, v, w = matrix @ [x, y, 1]
            flow[y, x] = u / w - x, v / w - y
    return flow
