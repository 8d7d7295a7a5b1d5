"""Whole models: values, starts, streaming, precision, gradients, traces and errors."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import oracle
import pytest
import small

from videolstm_jax.core import CELLS, make_model
from videolstm_jax.errors import ConfigError
from videolstm_jax.types import Carry, LSTMState

ALL = pytest.mark.parametrize("name", CELLS)


def case(name, frames=3, **settings):
    cfg = small.config(name, **settings)
    return cfg, small.model_of(cfg), small.params_of(cfg), small.clip_of(cfg, frames=frames)


@ALL
def test_apply_is_cell_then_head_from_zeros(name):
    cfg, model, p, clip = case(name)
    out = small.jit(model.apply)(p, clip)
    side = 1 if CELLS[name].vector else cfg.map_size
    for row in range(small.B):
        motion = None if clip.inputs.motion is None else np.float64(clip.inputs.motion[row])
        zeros = [np.zeros((side, side, small.K))] * (2 if motion is None else 4)
        hidden, attention, last = oracle.run(
            name, oracle.plain(p.cell), np.float64(clip.inputs.x[row]), motion, zeros
        )
        np.testing.assert_allclose(
            out.logits[row], oracle.classify(oracle.plain(p.head), hidden), rtol=1e-4, atol=1e-4
        )
        if attention is not None:
            np.testing.assert_allclose(out.attention[row], attention, rtol=1e-4, atol=1e-6)
        small.assert_close(
            [leaf[row] for leaf in jax.tree.leaves(out.carry)], list(last), rtol=1e-4, atol=1e-5
        )
    assert (out.attention is None) == (name in ("lstm", "convlstm"))


@pytest.mark.parametrize("name", ["alstm", "videolstm"])
def test_mean_start_is_tanh_of_a_convolution_of_the_mean_over_existing_frames(name):
    _, model, p, clip = case(name, start="mean", motion_kernel=1)
    clip = clip._replace(mask=jnp.array([[True, True, False], [True, True, True]]))
    carry = small.jit(model.start)(p, clip)
    streams = [(p.start[0], carry.top, clip.inputs.x)]
    if clip.inputs.motion is not None:
        streams.append((p.start[1], carry.motion, clip.inputs.motion))
    for kernels, state, x in streams:
        for row, frames in enumerate((2, 3)):
            mean = np.float64(x[row, :frames]).mean(0)
            mean = mean.mean((0, 1), keepdims=True) if name == "alstm" else mean
            for kernel, start in zip(kernels, state, strict=True):
                np.testing.assert_allclose(
                    start[row], np.tanh(oracle.convolve(kernel, mean)), rtol=1e-4, atol=1e-5
                )
    if name == "alstm":
        small.assert_close(small.jit(model.apply)(p, clip), small.jit(model.apply)(p, clip, carry))


@pytest.mark.parametrize("start", ["zeros", "mean"])
def test_a_start_where_no_frame_exists_is_zero(start):
    _, model, p, clip = case("videolstm", start=start)
    for leaf in jax.tree.leaves(model.start(p, clip._replace(mask=jnp.zeros_like(clip.mask)))):
        np.testing.assert_array_equal(leaf, np.zeros_like(leaf))


def test_one_frame_at_a_time_is_the_whole_clip():
    _, model, p, clip = case("videolstm", start="mean")
    apply = small.jit(model.apply)
    full, carry, logits = apply(p, clip), model.start(p, clip), []
    for t in range(3):
        out = apply(p, jax.tree.map(lambda a, t=t: a[:, t : t + 1], clip), carry)
        carry = out.carry
        logits.append(out.logits)
    small.assert_close((jnp.concatenate(logits, 1), carry), (full.logits, full.carry), atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "lstm",
        "videolstm",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in CELLS
            if name not in ("lstm", "videolstm")
        ),
    ],
)
def test_every_parameter_and_every_input_gets_a_gradient(name):
    _, model, p, clip = case(name, start="mean")

    def loss(p, xs):
        return jnp.square(model.apply(p, clip._replace(inputs=xs)).logits).sum()

    for path, leaf in jax.tree_util.tree_leaves_with_path(
        small.jit(jax.grad(loss, (0, 1)))(p, clip.inputs)
    ):
        assert bool(jnp.any(leaf != 0)), jax.tree_util.keystr(path)
        assert bool(jnp.all(jnp.isfinite(leaf)))


@pytest.mark.parametrize("name", ["motion_alstm", "videolstm"])
def test_bfloat16_is_near_float32_with_float32_states(name):
    cfg, model, p, clip = case(name)
    low = small.jit(small.model_of(dataclasses.replace(cfg, dtype="bfloat16")).apply)(p, clip)
    assert {leaf.dtype for leaf in jax.tree.leaves(low)} == {jnp.dtype("float32")}
    np.testing.assert_allclose(low.attention.sum((2, 3)), 1.0, rtol=1e-6)
    high = small.jit(model.apply)(p, clip)
    small.assert_close(low, high, rtol=0, atol=0.15)
    assert float(jnp.abs(low.logits - high.logits).max()) > 0


def test_features_as_they_are_stored_need_no_cast():
    _, model, p, clip = case("videolstm")
    half = jax.tree.map(lambda a: a if a.dtype == bool else a.astype(jnp.float16), clip)
    full = jax.tree.map(lambda a: a if a.dtype == bool else a.astype(jnp.float32), half)
    apply = small.jit(model.apply)
    small.assert_close(apply(p, half), apply(p, full), rtol=1e-6)


def test_the_attention_scale_is_a_factor_on_what_the_gates_see():
    _, model, p, clip = case("videolstm")
    _, scaled, _, _ = case("videolstm", attention_scale=16.0)
    top = p.cell.top._replace(x=16 * p.cell.top.x)
    same = p._replace(cell=p.cell._replace(top=top))
    small.assert_close(
        small.jit(scaled.apply)(p, clip), small.jit(model.apply)(same, clip), rtol=1e-4, atol=1e-5
    )


def test_dropout_needs_a_key():
    _, model, p, clip = case("convlstm")
    apply = small.jit(model.apply)
    plain, a, b = (
        apply(p, clip),
        *(apply(p, clip, dropout_key=jax.random.key(seed)) for seed in (0, 1)),
    )
    assert not np.array_equal(plain.logits, a.logits)
    assert not np.array_equal(a.logits, b.logits)
    small.assert_close(plain.carry, a.carry)


def test_one_trace_per_shape():
    _, model, p, clip = case("videolstm")
    traces = []

    @small.jit
    def apply(p, clip, carry):
        traces.append(clip.mask.shape)
        return model.apply(p, clip, carry).carry

    carry = model.start(p, clip)
    for _ in range(3):
        carry = apply(p, clip, carry)
    apply(p, jax.tree.map(lambda a: a[:, :2], clip), carry)
    assert traces == [(small.B, 3), (small.B, 2)]


def test_engines_make_the_same_model():
    _, native, p, clip = case("videolstm", engine="native")
    _, patches, _, _ = case("videolstm")
    small.assert_close(
        small.jit(native.apply)(p, clip), small.jit(patches.apply)(p, clip), rtol=1e-4, atol=1e-5
    )
    texts = [str(jax.make_jaxpr(model.apply)(p, clip)) for model in (native, patches)]
    assert [text.count("conv_general_dilated[") for text in texts] == [
        1 + 4,
        1,
    ]  # W_m * M is outside the scan


def test_remat_makes_the_same_model():
    _, plain, p, clip = case("convlstm", engine="native")
    _, again, _, _ = case("convlstm", engine="native", remat=True)
    assert ["remat2[" in str(jax.make_jaxpr(model.apply)(p, clip)) for model in (plain, again)] == [
        False,
        True,
    ]
    small.assert_close(*(small.jit(model.apply)(p, clip) for model in (plain, again)))


def broken(clip, **inputs):
    return clip._replace(inputs=clip.inputs._replace(**inputs))


@pytest.mark.parametrize(
    ("damage", "fragments"),
    [
        (lambda c: broken(c, motion=None), ("clip.inputs.motion", "None", "[2, 3, 4, 4, 6]")),
        (
            lambda c: broken(c, x=c.inputs.x[..., 1:]),
            ("clip.inputs.x", "[2, 3, 4, 4, 4]", "[2, 3, 4, 4, 5]"),
        ),
        (
            lambda c: broken(c, x=c.inputs.x[:, 0]),
            ("clip.inputs.x", "[2, 4, 4, 5]", "[2, 3, 4, 4, 5]"),
        ),
        (lambda c: broken(c, x=c.inputs.x.astype(jnp.int8)), ("clip.inputs.x", "int8", "floats")),
        (
            lambda c: c._replace(mask=c.mask[:, :1]),
            ("clip.inputs.x", "[2, 3, 4, 4, 5]", "[2, 1, 4, 4, 5]"),
        ),
        (
            lambda c: c._replace(mask=jnp.ones((2, 3))),
            ("clip.mask", "float32 [2, 3]", "bool [B, T]"),
        ),
        (
            lambda c: jax.tree.map(lambda a: a[:, :0], c),
            ("clip.mask", "[2, 0]", "at least one frame"),
        ),
    ],
)
def test_clips_that_do_not_fit_are_named(damage, fragments):
    _, model, p, clip = case("videolstm")
    for call in (model.apply, model.start):
        with pytest.raises(ValueError) as error:
            call(p, damage(clip))
        for fragment in fragments:
            assert fragment in str(error.value)


def test_carries_and_parameters_that_do_not_fit_are_named():
    cfg, model, p, clip = case("videolstm")
    carry = model.start(p, clip)
    with pytest.raises(ValueError, match=r"carry.motion.*None.*\[2, 4, 4, 3\]"):
        model.apply(p, clip, Carry(carry.top))
    with pytest.raises(ValueError, match=r"carry.top.hidden.*\[2, 1, 1, 3\].*\[2, 4, 4, 3\]"):
        model.apply(
            p, clip, carry._replace(top=LSTMState(carry.top.cell, carry.top.hidden[:, :1, :1]))
        )
    with pytest.raises(ValueError, match=r"params.head.classes .*\[8, 7\].*\[8, 9\]"):
        make_model(dataclasses.replace(cfg, classes=9)).apply(p, clip)
    with pytest.raises(ValueError, match=r"params.cell.attend.* expected nothing"):
        make_model(small.config("convlstm")).apply(p, small.clip_of(small.config("convlstm")))


@pytest.mark.parametrize(
    ("name", "settings", "fragments"),
    [
        ("lstm", {"map_size": 7}, "map_size is 7; expected 1"),
        ("motion_alstm", {"motion_size": 7}, "motion_size is 7; expected 1"),
        ("videolstm", {"motion_size": 5}, "motion_size is 5; expected model.map_size, 4"),
    ],
)
def test_sides_that_a_cell_cannot_have_are_named(name, settings, fragments):
    with pytest.raises(ConfigError, match=fragments):
        make_model(small.config(name, **settings))
