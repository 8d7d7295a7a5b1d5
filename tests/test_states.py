"""Maps of an LSTM's state: the mean of all channels, and those single channels that differ most."""

import numpy as np
import pytest

from videolstm_jax.measure.states import state_maps


def test_the_mean_of_absolute_values_and_the_channels_that_vary():
    states = np.zeros((2, 3, 3, 5), np.float32)
    states[..., 1] = 0.9  # large everywhere: nothing to see
    states[0, 0, 0, 3] = -0.8
    states[1, 2, 2, 4] = 0.5
    maps = state_maps(states, channels=2)
    assert maps.channel.tolist() == [3, 4] and maps.maps.shape == (2, 2, 3, 3)
    assert maps.maps[0, 0, 0, 0] == np.float16(-0.8) and np.count_nonzero(maps.maps[0]) == 1
    assert maps.mean[0, 0, 0] == pytest.approx(1.7 / 5, rel=1e-3)
    assert maps.mean[1, 0, 0] == pytest.approx(0.18, rel=1e-3)
    assert maps.mean.dtype == maps.maps.dtype == np.float16


def test_fewer_channels_than_asked_for():
    assert state_maps(np.ones((1, 2, 2, 2)), channels=3).channel.tolist() == [0, 1]


@pytest.mark.parametrize("shape", [(2, 3, 3), (0, 3, 3, 4)])
def test_refuses(shape):
    with pytest.raises(ValueError, match="expected \\[T, N, N, K\\]"):
        state_maps(np.zeros(shape))
