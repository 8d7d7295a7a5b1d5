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
    """Means of patches as tokens, behind one token of the class."""

    num_prefix_tokens = 1
    patch = 16

    def eval(self):
        return self

    def forward_features(self, batch):
        n, channels, side, _ = batch.shape
        # As the first convolution of a transformer, which leaves out pixels that fill no patch.
        places = side // self.patch
        whole = batch[:, :, : places * self.patch, : places * self.patch]
        blocks = whole.reshape(n, channels, places, self.patch, places, self.patch).mean((3, 5))
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


@pytest.mark.parametrize("patch", [14, 16, 32])
def test_maps_of_a_transformer(backbone, monkeypatch, patch):
    """The whole frame counts, whatever the patch: 16 x 16, 14 x 14 or 7 x 7 tokens."""
    module, options = backbone
    monkeypatch.setattr(Network, "patch", patch)
    frames = np.zeros((3, 224, 224, 3), np.uint8)
    frames[1, :32, 32:64] = 255
    frames[2, 192:, 192:] = 255
    maps = module.BACKBONE(frames)
    assert maps.shape == (3, 7, 7, 3) and maps.dtype == np.float32
    np.testing.assert_allclose(maps[0], -2.0, atol=1e-6)  # (0 - .5) / .25
    # The means of the frames: no pixel is left out, and each counts as much as any other.
    white = 32 * 32 / 224**2
    np.testing.assert_allclose(maps.mean((1, 2))[1:], 4 * white - 2, atol=1e-5)
    # Patches of 14 pixels do not end where the places do.
    if patch != 14:
        assert maps[1, 0, 1].tolist() == maps[2, 6, 6].tolist() == [2.0, 2.0, 2.0]
    assert np.unravel_index(maps[1, :, :, 0].argmax(), (7, 7)) == (0, 1)
    assert np.unravel_index(maps[2, :, :, 0].argmax(), (7, 7)) == (6, 6)
    assert options == {
        "name": module.NAME,
        "pretrained": True,
        "num_classes": 0,
        "global_pool": "",
        "img_size": 224,
    }


def test_it_keeps_the_contract(backbone):
    module, _ = backbone
    network = image_network(CFG, 3, 4)
    assert network.layers["pool5"] == (7, 7, 3)
    # Features of another network, or of frames of another size, are refused.
    version = f"{module.NAME} at 224 pixels, 7x7"
    assert network.identity == f"examples.timm_backbone:BACKBONE {version}"
    assert network.prepare(np.zeros((5, 56, 56, 3), np.uint8)).shape == (5, 7, 7, 3)


def test_maps_of_a_convnet(backbone):
    module, _ = backbone
    first = np.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4).astype(np.float32)
    maps = module.as_maps(first, 0)
    assert maps.shape == (2, 4, 4, 3) and maps[0, 0, 1].tolist() == [1, 17, 33]
    np.testing.assert_array_equal(module.as_maps(maps, 0, "NHWC"), maps)
    assert module.averaged(maps, 2)[0, 0, 0].tolist() == [2.5, 18.5, 34.5]


@pytest.mark.parametrize(
    ("cells", "side"), [(12, 7), (16, 7), (14, 7), (7, 7), (27, 7), (4, 3), (5, 7)]
)
def test_any_side_is_averaged_by_areas(backbone, cells, side):
    """Against plain means: each cell is cut into side x side pieces, each place has cells of them.

    Cells beside those of a multiple of `side` were left out before: 12 x 12 gave the means of the
    first 7 x 7.
    """
    module, _ = backbone
    maps = np.random.default_rng(cells).normal(size=(2, cells, cells, 3)).astype(np.float32)
    pieces = maps.repeat(side, axis=1).repeat(side, axis=2).astype(np.float64)
    expected = pieces.reshape(2, side, cells, side, cells, 3).mean((2, 4))
    averaged = module.averaged(maps, side)
    assert averaged.dtype == np.float32
    np.testing.assert_allclose(averaged, expected, atol=1e-6)
    np.testing.assert_allclose(averaged.mean((1, 2)), maps.mean((1, 2)), atol=1e-6)
