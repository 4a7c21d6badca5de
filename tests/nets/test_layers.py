"""The pieces of G and D."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax.nets import layers


def test_channels_are_halved_from_the_cap_on():
    """Broken: `hq1024` has other widths than it documents."""
    widths = [layers.channels(r, 16384, 512) for r in layers.resolutions(1024)]
    assert widths == [512, 512, 512, 512, 256, 128, 64, 32, 16]


def test_resolutions():
    """Broken: a network lacks a resolution, or has one too many."""
    assert layers.resolutions(4) == (4,)
    assert layers.resolutions(64) == (4, 8, 16, 32, 64)


@pytest.mark.parametrize("max_px", [0, 1, 2, 3, 48, 100])
def test_resolutions_must_be_powers_of_two(max_px):
    """Broken: an impossible resolution fails later, somewhere in a convolution."""
    with pytest.raises(ValueError, match=f"{max_px} px is not a power of two"):
        layers.resolutions(max_px)


def test_leaky_relu_slope():
    """Broken: negative values are cut off, or let through."""
    np.testing.assert_allclose(layers.leaky_relu(jnp.array([-1.0, 0.0, 2.0])), [-0.2, 0.0, 2.0])


def test_norm_is_per_example_and_channel():
    """Broken: a photo's completion depends on the others in its batch, or levels are not normalised at all."""
    conv = layers.Conv(3, norm=True)
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 4))
    params = conv.init(jax.random.key(1), x)
    y = conv.apply(params, x)
    louder = conv.apply(params, x.at[1].mul(50.0))
    np.testing.assert_allclose(louder[0], y[0], atol=1e-6)
    np.testing.assert_allclose(louder[1], y[1], atol=1e-3)
    before = jnp.where(y < 0, y / 0.2, y)
    np.testing.assert_allclose(before.mean(axis=(1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(before.std(axis=(1, 2)), 1, atol=1e-3)


def test_without_norm_the_level_passes():
    """Broken: D and the latent cannot tell a bright photo from a dark one."""
    conv = layers.Conv(3)
    x = jax.random.normal(jax.random.key(0), (1, 8, 8, 4))
    params = conv.init(jax.random.key(1), x)
    np.testing.assert_allclose(conv.apply(params, 3 * x), 3 * conv.apply(params, x), rtol=1e-4, atol=1e-5)


def test_residual_block_adds_to_its_input():
    """Broken: what comes through a skip is not the features plus a change of them."""
    block = layers.ResidualBlock(4)
    x = jax.random.normal(jax.random.key(0), (1, 8, 8, 4))
    params = block.init(jax.random.key(1), x)
    silent = jax.tree.map(jnp.zeros_like, params)
    np.testing.assert_array_equal(block.apply(silent, x), x)
    assert float(jnp.abs(block.apply(params, x) - x).mean()) > 0.1
