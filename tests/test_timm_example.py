"""The example of a backbone of timm, with stand-ins for timm and PyTorch, which are not needed."""

import contextlib
import importlib
import sys
import types

import numpy as np
import pytest

from videolstm_jax.config import ConvNetConfig
from videolstm_jax.nn.backbones import image_network

CFG = ConvNetConfig(backbone="examples.timm_backbone:BACKBONE", image_size=56)


class Batch(np.ndarray):
    """An array with the one method of a tensor that is used."""

    def numpy(self):
        return np.asarray(self)


class Network:
    """Means of patches of 14 pixels as tokens, behind one token of the class."""

    num_prefix_tokens = 1

    def eval(self):
        return self

    def forward_features(self, batch):
        n, channels, side, _ = batch.shape
        blocks = batch.reshape(n, channels, side // 14, 14, side // 14, 14).mean((3, 5))
        tokens = blocks.reshape(n, channels, -1).transpose(0, 2, 1)
        return np.concatenate([np.full((n, 1, channels), 9.0), tokens], 1).view(Batch)


@pytest.fixture
def backbone(monkeypatch):
    options = {}

    def create_model(name, **given):
        options.update(given, name=name)
        return Network()

    pixels = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
    timm = types.SimpleNamespace(
        create_model=create_model,
        data=types.SimpleNamespace(resolve_model_data_config=lambda network: pixels),
    )

    def interpolate(batch, size, mode):
        assert mode == "bilinear"
        return np.repeat(np.repeat(batch, size[0] // 56 + 1, 2), size[1] // 56 + 1, 3)[
            :, :, : size[0], : size[1]
        ]

    torch = types.SimpleNamespace(
        inference_mode=contextlib.nullcontext,
        from_numpy=lambda array: array.view(Batch),
        nn=types.SimpleNamespace(functional=types.SimpleNamespace(interpolate=interpolate)),
    )
    module = importlib.import_module("examples.timm_backbone")
    module._network.cache_clear()
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setitem(sys.modules, "torch", torch)
    yield module, options
    module._network.cache_clear()


def test_maps_of_a_transformer(backbone):
    module, options = backbone
    frames = np.zeros((2, 196, 196, 3), np.uint8)
    frames[1, :28, 28:56] = 255
    maps = module.BACKBONE(frames)
    assert maps.shape == (2, 7, 7, 3) and maps.dtype == np.float32
    expected = np.full((2, 7, 7, 3), -2.0)  # (0 - .5) / .25
    expected[1, 0, 1] = 2.0
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    assert options == {
        "name": module.NAME,
        "pretrained": True,
        "num_classes": 0,
        "global_pool": "",
        "img_size": 196,
    }


def test_it_keeps_the_contract(backbone):
    network = image_network(CFG, 3, 4)
    assert network.layers["pool5"] == (7, 7, 3)
    assert network.identity == f"examples.timm_backbone:BACKBONE {backbone[0].NAME}"
    assert network.prepare(np.zeros((5, 56, 56, 3), np.uint8)).shape == (5, 7, 7, 3)


def test_maps_of_a_convnet_and_odd_sides(backbone):
    module, _ = backbone
    maps = module.as_maps(np.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).astype(np.float32), 0)
    assert maps.shape == (2, 4, 4, 3) and maps[0, 0, 1].tolist() == [1, 17, 33]
    assert module.averaged(maps, 2)[0, 0, 0].tolist() == [2.5, 18.5, 34.5]
    assert module.averaged(maps, 3).shape == (2, 3, 3, 3)
