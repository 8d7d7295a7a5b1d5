"""Both convolutions against SciPy and each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import small
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from videolstm_jax.core import engines
from videolstm_jax.core.engines import (
    ENGINES,
    convolution_in_scan,
    convolution_of_places,
    im2col_convolution,
    native_convolution,
)

BOTH = pytest.mark.parametrize("conv", ENGINES.values(), ids=ENGINES)


def scipy_convolve(kernel, x):
    """One map [N, N, D], channel by channel."""
    return np.stack(
        [
            sum(
                correlate(np.float64(x[..., d]), np.float64(kernel[..., d, o]), mode="same")
                for d in range(x.shape[-1])
            )
            for o in range(kernel.shape[-1])
        ],
        axis=-1,
    )


@BOTH
@given(k=st.sampled_from([1, 3, 5]), n=st.integers(1, 6), d=st.integers(1, 3), o=st.integers(1, 3))
@settings(max_examples=8, deadline=None)
def test_is_scipys_correlation(conv, k, n, d, o):
    kernel, x = small.shaken((np.zeros((k, k, d, o)), np.zeros((n, n, d))), seed=k + n)
    if k > n:
        return  # SciPy's "same" would then be the kernel's size
    np.testing.assert_allclose(
        conv(kernel, x[None])[0], scipy_convolve(kernel, x), rtol=1e-4, atol=1e-5
    )


@BOTH
def test_a_kernel_wider_than_the_map_sees_zeros_outside(conv):
    kernel, x = small.shaken((np.zeros((3, 3, 4, 5)), np.zeros((2, 1, 1, 4))))
    np.testing.assert_allclose(
        conv(kernel, x)[:, 0, 0], x[:, 0, 0] @ kernel[1, 1], rtol=1e-5, atol=1e-6
    )


@BOTH
def test_leading_axes_are_free(conv):
    kernel, x = small.shaken((np.zeros((3, 3, 4, 5)), np.zeros((3, 2, 6, 6, 4))))
    by_frame = jnp.stack([conv(kernel, frame) for frame in x])
    np.testing.assert_allclose(conv(kernel, x), by_frame, rtol=1e-5, atol=1e-6)


@BOTH
def test_a_kernel_of_one_place_is_a_matrix_product(conv):
    kernel, x = small.shaken((np.zeros((4, 5)), np.zeros((2, 6, 6, 4))))
    products = [conv(kernel, x), conv(kernel[None, None], x), convolution_of_places(kernel, x)]
    for other in products:
        np.testing.assert_array_equal(other, products[0])
    assert "conv_general" not in str(jax.make_jaxpr(conv)(kernel[None, None], x))


def test_im2col_holds_no_convolution_and_native_nothing_else():
    kernel, x = small.shaken((np.zeros((3, 3, 4, 5)), np.zeros((2, 6, 6, 4))))
    grad = jax.grad(lambda conv, k, x: conv(k, x).sum(), argnums=(1, 2))
    assert "conv_general" not in str(
        jax.make_jaxpr(lambda k, x: grad(im2col_convolution, k, x))(kernel, x)
    )
    assert "dot_general" not in str(
        jax.make_jaxpr(lambda k, x: grad(native_convolution, k, x))(kernel, x)
    )


def test_engines_agree_in_value_and_gradient():
    kernel, x = small.shaken((np.zeros((3, 3, 4, 5)), np.zeros((2, 6, 6, 4))))

    def loss(conv, k, x):
        return jnp.sin(conv(k, x)).sum()

    a, b = (
        small.jit(jax.value_and_grad(loss, (1, 2)), static_argnums=0)(conv, kernel, x)
        for conv in ENGINES.values()
    )
    small.assert_close(a, b, rtol=1e-4, atol=1e-5)


@BOTH
def test_products_are_in_the_dtype_asked_for(conv):
    kernel, x = small.shaken((np.zeros((3, 3, 4, 5)), np.zeros((2, 6, 6, 4))))
    low = conv(kernel, x, dtype=jnp.bfloat16)
    assert low.dtype == jnp.bfloat16
    assert conv(kernel, x.astype(jnp.float16)).dtype == jnp.float32
    np.testing.assert_allclose(low.astype(jnp.float32), conv(kernel, x), atol=0.1)
    gradient = jax.grad(lambda k: conv(k, x, dtype=jnp.bfloat16).astype(jnp.float32).sum())(kernel)
    assert gradient.dtype == jnp.float32


def test_auto_is_im2col_on_a_cpu_and_native_elsewhere(monkeypatch):
    assert convolution_in_scan("auto") is im2col_convolution
    assert convolution_in_scan("native") is native_convolution
    monkeypatch.setattr(engines.jax, "default_backend", lambda: "gpu")
    assert convolution_in_scan("auto") is native_convolution
