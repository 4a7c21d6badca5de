"""What layers compute against plain JAX and Flax: values, gradients, and gradients of gradients."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from fec_jax import images
from fec_jax.nets import ops


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def textbook(x, kernel):
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def close(ours, theirs, tolerance=2e-5):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance * float(jnp.abs(b).max()))


CHANNELS = [(16, 16), (16, 3), (32, 4), (4, 4), (8, 4), (4, 8), (3, 16), (8, 8), (12, 6)]


@pytest.mark.parametrize(("c", "d"), CHANNELS)
@pytest.mark.parametrize("size", [(6, 8), (5, 7), (3, 6)])
def test_conv3x3(c, d, size):
    """A form for few channels, or the hand-written gradient, is another function than the convolution."""
    x, kernel, g = normal(0, 2, *size, c), normal(1, 3, 3, c, d), normal(2, 2, *size, d)
    ours, theirs = (jax.vjp(f, x, kernel) for f in (ops.conv3x3, textbook))
    close((ours[0], ours[1](g)), (theirs[0], theirs[1](g)))


@pytest.mark.parametrize(("c", "d"), [(16, 16), (4, 4), (16, 3)])
def test_conv3x3_twice(c, d):
    """D's gradient penalty, a gradient of a gradient, is wrong or cannot be computed."""
    x, kernel = normal(0, 2, 4, 4, c), normal(1, 3, 3, c, d)

    def penalty(conv, kernel):
        def score(x):
            return jnp.square(jnp.tanh(ops.add_bias(conv(x, kernel), jnp.ones(d)))).sum()

        return jnp.square(jax.grad(score)(x)).sum()

    ours, theirs = (
        jax.jit(jax.grad(lambda k, conv=conv: penalty(conv, k)))(kernel) for conv in (ops.conv3x3, textbook)
    )
    close(ours, theirs, 1e-4)


@pytest.mark.parametrize(("c", "d"), [(6, 5), (8, 4), (1, 1)])
@pytest.mark.parametrize("size", [(3, 4), (1, 1)])
@pytest.mark.parametrize("least", [0, ops.MANY_PIXELS])
def test_up2_conv3x3(c, d, size, least, monkeypatch):
    """Pixels of a block see the wrong neighbours, or the border is another than that of the enlarged image."""
    monkeypatch.setattr(ops, "MANY_PIXELS", least)
    x, kernel, g = normal(0, 2, *size, c), normal(1, 3, 3, c, d), normal(2, 2, 2 * size[0], 2 * size[1], d)
    ours, theirs = (jax.vjp(f, x, kernel) for f in (ops.up2_conv3x3, lambda x, kernel: textbook(images.up2(x), kernel)))
    close((ours[0], ours[1](g)), (theirs[0], theirs[1](g)))


@pytest.mark.parametrize("slope", [1.0, 0.2])
@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (3, 5, 7, 4), (1, 96, 64, 2)])
def test_instance_norm(slope, shape):
    """Values or the hand-written gradient differ from Flax's instance norm and JAX's leaky ReLU."""
    x, g = 3 + 2 * normal(0, *shape), normal(1, *shape)
    scale, bias = 1 + 0.3 * normal(2, shape[-1]), normal(3, shape[-1])
    flax = nn.InstanceNorm(epsilon=1e-5)

    def theirs(x, scale, bias):
        return jax.nn.leaky_relu(flax.apply({"params": {"scale": scale, "bias": bias}}, x), slope)

    (y, pull), (as_flax, pull_flax) = (
        jax.vjp(f, x, scale, bias) for f in (lambda *args: ops.instance_norm(*args, slope), theirs)
    )
    close((y, pull(g)), (as_flax, pull_flax(g)), 1e-4)


def test_a_flat_channel_stays_finite():
    """A channel without any contrast divides by zero, and the run is lost."""
    x = jnp.full((1, 8, 8, 2), 1e3)
    y, pull = jax.vjp(lambda x: ops.instance_norm(x, jnp.ones(2), jnp.zeros(2), 0.2), x)
    assert np.isfinite(y).all()
    assert np.isfinite(pull(jnp.ones_like(y))[0]).all()


def test_instance_norm_in_bfloat16():
    """Statistics are computed with three digits, or the result is silently float32 and fills the memory."""
    x = (5 + normal(0, 2, 32, 32, 4)).astype(jnp.bfloat16)
    y, pull = jax.vjp(lambda x: ops.instance_norm(x, jnp.ones(4), jnp.zeros(4), 0.2), x)
    assert y.dtype == pull(y)[0].dtype == jnp.bfloat16
    exact = ops.instance_norm(x.astype(jnp.float32), jnp.ones(4), jnp.zeros(4), 0.2)
    np.testing.assert_allclose(y.astype(jnp.float32), exact, atol=0.06)


@pytest.mark.parametrize("side", [3, 64, 512])
def test_sums_are_as_exact_as_short_ones(side):
    """Adding up a million pixels one after the other loses half of the digits."""
    x = 1 + normal(0, 1, side, side, 2)
    exact = np.asarray(x, np.float64).sum(axis=(1, 2))
    np.testing.assert_allclose(ops.pixel_sum(x), exact, rtol=2e-6)


def test_taps_are_added_up_in_full(monkeypatch):
    """Broken: in bfloat16 the enlarging convolution rounds its kernel's taps before it adds them up."""
    monkeypatch.setattr(ops, "MANY_PIXELS", 0)
    kernel = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1).at[1, 2].set(2**-8).at[2, 1].set(2**-8)
    y = ops.up2_conv3x3(jnp.ones((1, 2, 2, 1), jnp.bfloat16), kernel)
    assert y.dtype == jnp.bfloat16
    assert float(y[0, 0, 0, 0]) == 1 + 2**-7  # in bfloat16 1 + 2 ** -8 is 1
