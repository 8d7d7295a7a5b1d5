"""The upper part of a backbone as a part of a model: its function, its gradients, its refusals."""

import dataclasses

import jax
import jax.numpy as jnp
import lite0_oracle
import numpy as np
import optax
import pytest
from small import assert_close, jit, shaken

from videolstm_jax.backbone.block import (
    TrainedBlock,
    trained_block_of_record,
    trained_block_params_like,
)
from videolstm_jax.config import ConvNetConfig, ModelConfig, OptimConfig
from videolstm_jax.core.cells import find_cell
from videolstm_jax.errors import ConfigError
from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.hook import hook_network
from videolstm_jax.nn.lite0_weights import installed_lite0_path
from videolstm_jax.nn.network import find_network_block, network_tap_layer, tapped_network
from videolstm_jax.nn.weight_files import read_weights
from videolstm_jax.train.optim import optimizer, optimizer_with_block_rate
from videolstm_jax.train.state import new_training_state
from videolstm_jax.train.step import make_step, model_loss
from videolstm_jax.trained.functions import Scales, functions_of_model
from videolstm_jax.types import Batch, Clip, Inputs, JointParams

VGG = ConvNetConfig(image_size=12, widths=(3, 4), depths=(1, 2), dense=(5,), head="pooled")
LITE0 = ConvNetConfig(backbone="lite0", image_size=32, preprocessing="lite0")
BLOCK = TrainedBlock(VGG, 3, 2, "block2", "pool5")
MODEL = ModelConfig(
    cell="convalstm", map_size=3, depth=4, classes=2, hidden=3, attention=2, head=4, dropout=0.0
)
B, T = 2, 3


def oracle_block(params, x):
    """Block 2 of VGG in NumPy: two 3 x 3 convolutions with ReLUs, and the max of 2 x 2 places."""
    x = np.asarray(x, np.float64)
    for layer in ("block2_conv1", "block2_conv2"):
        kernel = np.asarray(params[layer]["kernel"], np.float64)
        padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        total = np.asarray(params[layer]["bias"], np.float64)
        for row in range(3):
            for column in range(3):
                shifted = padded[:, row : row + x.shape[1], column : column + x.shape[2]]
                total = total + shifted @ kernel[row, column]
        x = np.maximum(total, 0)
    frames, side, _, depth = x.shape
    return x.reshape(frames, side // 2, 2, side // 2, 2, depth).max((2, 4))


@pytest.fixture(scope="module")
def params():
    return shaken(trained_block_params_like(MODEL, BLOCK), seed=4, size=0.4)


@pytest.fixture(scope="module")
def clip():
    shape = BLOCK.network.cuts["block2"].shape
    # Of ReLUs: nothing below zero. The second clip is shorter.
    x = np.abs(np.random.default_rng(5).normal(0, 1, (B, T, *shape))).astype(np.float16)
    return Clip(Inputs(x), np.array([[True] * T, [True, True, False]]))


def read(params, clip):
    """The clip with the features of the oracle's block."""
    x = oracle_block(params.block, clip.inputs.x.reshape(-1, *clip.inputs.x.shape[2:]))
    return clip._replace(inputs=Inputs(x.reshape(B, T, *x.shape[1:]).astype(np.float32)))


def loss_of(block):
    cell = find_cell(MODEL.cell)
    return model_loss(functions_of_model(MODEL, cell, Scales(x=0.7), block).apply)


def batch_of(clip):
    return Batch(clip, np.array([0, 1], np.int32), np.ones(B, np.float32))


# ---- the function --------------------------------------------------------------------------------


def test_a_network_in_two_parts_is_the_network():
    network = image_network(VGG, 3, 2)
    params = shaken(jax.eval_shape(network.init, jax.random.key(0)), size=0.3)
    x = np.random.default_rng(0).normal(0, 1, (2, 12, 12, 3)).astype(np.float32)
    with_tap = tapped_network(network, "last_block")
    output, expected = jit(with_tap.apply)(params, x), jit(network.apply)(params, x)
    tap = output.pop("below_block2")
    assert_close(output, expected)
    assert tap.shape[1:] == with_tap.layers["below_block2"] == (6, 6, 3)
    for layer in ("pool5", "fc7"):
        block = BLOCK._replace(layer=layer)
        part = block.params_of(params)
        assert "block1_conv1" not in part and "logits" not in part
        assert_close(block.apply(part, tap[None])[0], expected[layer])
    assert (
        trained_block_of_record(BLOCK.record()) == BLOCK and trained_block_of_record(None) is None
    )


def test_the_block_is_the_oracles(params, clip):
    functions = functions_of_model(MODEL, find_cell(MODEL.cell), Scales(), BLOCK)
    assert_close(functions.read(params, clip), read(params, clip))


def test_the_last_block_of_lite0_is_the_oracles():
    network = image_network(LITE0, 3, 4)
    tensors = read_weights(installed_lite0_path())
    # The statistics of ImageNet stay in the kernels.
    leaves = network.weights.convert(tensors).leaves
    part = {}
    for name in ("expand", "depthwise", "project"):
        layer = f"block16_{name}"
        part[layer] = {kind: leaves[f"{layer}.{kind}"] for kind in ("kernel", "bias")}
    block = TrainedBlock(LITE0, 3, 4, find_network_block(network, "last_block"), "pool5")
    assert set(block.params_of(jax.eval_shape(network.init, jax.random.key(0)))) == set(part)
    x = np.random.default_rng(1).normal(0, 1, (1, 2, *network.cuts["block16"].shape))
    features = jit(block.apply)(part, x.astype(np.float32))
    tensors = {name: value.astype(np.float64) for name, value in tensors.items()}
    for frame in range(2):
        expected = lite0_oracle.mobile_block(tensors, "_blocks.15.", x[0, frame], 3, 1)
        np.testing.assert_allclose(features[0, frame], expected, atol=1e-4)


def test_the_declared_cuts_are_those_of_lite0():
    of_stage5 = image_network(dataclasses.replace(LITE0, map_layer="stage5"), 3, 4)
    # A later block would train nothing that the cell reads.
    assert list(of_stage5.cuts)[-1] == "block11"
    network = tapped_network(image_network(LITE0, 3, 4), "block7")
    params = jax.eval_shape(network.init, jax.random.key(0))
    image = jax.ShapeDtypeStruct((1, *network.input_shape), jnp.float32)
    output = jax.eval_shape(network.apply, params, image)
    assert {layer: value.shape[1:] for layer, value in output.items()} == network.layers
    for name in ("block7", "block16"):
        # With the needed layers and no others.
        cut = network.cuts[name]
        needed = {layer: params[layer] for layer in cut.needs & params.keys()}
        assert jax.eval_shape(cut.below, needed, image).shape[1:] == cut.shape


# ---- training ------------------------------------------------------------------------------------


def test_at_rate_0_it_trains_as_on_frozen_features(params, clip):
    """Three steps: the block stays as it is, and the cell becomes that of the frozen path."""
    rule = optax.sgd(0.1)
    joint = new_training_state(params, optimizer_with_block_rate(rule, 0.0))
    frozen = new_training_state(JointParams(*params[:3], block={}), rule)
    joint_step = make_step(loss_of(BLOCK), optimizer_with_block_rate(rule, 0.0), 0)
    frozen_step = make_step(loss_of(None), rule, 0)
    features = read(params, clip)
    for _ in range(3):
        joint, metrics = joint_step(joint, batch_of(clip))
        frozen, expected = frozen_step(frozen, batch_of(features))
        assert_close(metrics.loss, expected.loss)
    assert_close(joint.params[:3], frozen.params[:3], atol=1e-5)
    pairs = zip(jax.tree.leaves(joint.params.block), jax.tree.leaves(params.block), strict=True)
    for moved, fitted in pairs:
        np.testing.assert_array_equal(moved, fitted)
    # The cell has learned, so that the comparison is of more than the start.
    assert np.abs(joint.params.head.dense - params.head.dense).max() > 1e-3


def test_the_rate_scales_the_step_of_the_block_alone(params, clip):
    moved = {}
    for factor in (1.0, 0.1):
        tx = optimizer_with_block_rate(optimizer(OptimConfig(name="adam", clip=1.0), 1), factor)
        state, _ = make_step(loss_of(BLOCK), tx, 0)(new_training_state(params, tx), batch_of(clip))
        moved[factor] = jax.tree.map(np.subtract, jax.device_get(state.params), params)
    assert_close(moved[0.1].head, moved[1.0].head)
    tenth = jax.tree.map(lambda leaf: leaf * np.float32(0.1), moved[1.0].block)
    assert_close(moved[0.1].block, tenth, rtol=1e-3, atol=1e-6)


def test_gradients_of_the_block_are_those_of_finite_differences(params, clip):
    loss, key, batch = loss_of(BLOCK), jax.random.key(0), batch_of(clip)

    def loss_of_block(block):
        return loss(params._replace(block=block), batch, key)[0]

    value, gradient = jit(loss_of_block), jit(jax.grad(loss_of_block))(params.block)
    for layer, part in gradient.items():
        for name, leaf in part.items():
            norm = np.linalg.norm(leaf)
            assert norm > 1e-2
            # Along the gradient, where the difference is largest beside the rounding of float32.
            step = 2e-3 * np.asarray(leaf) / norm
            sides = []
            for sign in (1, -1):
                moved = {**params.block[layer], name: params.block[layer][name] + sign * step}
                sides.append(float(value({**params.block, layer: moved})))
            np.testing.assert_allclose((sides[0] - sides[1]) / 4e-3, norm, rtol=1e-2)


# ---- refusals ------------------------------------------------------------------------------------


def own_function(frames):
    return np.zeros((len(frames), 2, 2, 3), np.float32)


def test_other_blocks_are_refused():
    network = image_network(VGG, 3, 2)
    assert tapped_network(network, "") is network
    assert network_tap_layer(find_network_block(network, "last_block")) == BLOCK.tap
    # The first block reads the images, which are no features.
    for name in ("block1", "block3"):
        with pytest.raises(ConfigError, match=f"'{name}'; the backbone vgg can be .* block2 on"):
            tapped_network(network, name)
    cfg = ConvNetConfig(backbone=f"{__name__}:own_function", image_size=8)
    with pytest.raises(ConfigError, match="has no blocks; expected vgg or lite0"):
        tapped_network(hook_network(cfg, 3, 2), "last_block")
