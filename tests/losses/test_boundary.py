"""Boundary loss against hand-computed values."""

import jax
import jax.numpy as jnp
import numpy as np

from fec_jax.images import up2
from fec_jax.losses.boundary import boundary

WEIGHT = jnp.array([[0.0, 0.5], [0.25, 1.0]])[None, :, :, None]
# |fake - real| per pixel, the same in the three channels but for the sign
FAKE = jnp.array([[1.0, 0.2], [0.4, 0.1]])[None, :, :, None] * jnp.array([1.0, -1.0, 1.0])
REAL = jnp.zeros_like(FAKE)


def test_by_hand():
    """The loss is not the mean over all pixels and channels of weight * |fake - real|."""
    # (0 * 1 + 0.5 * 0.2 + 0.25 * 0.4 + 1 * 0.1) / 4 = 0.3 / 4
    np.testing.assert_allclose(boundary(FAKE, REAL, WEIGHT), [0.075], rtol=1e-6)


def test_examples_stay_apart():
    """The mean would run over the batch too."""
    loss = boundary(jnp.concatenate([FAKE, FAKE]), jnp.concatenate([REAL, FAKE]), jnp.concatenate([WEIGHT, WEIGHT]))
    np.testing.assert_allclose(loss, [0.075, 0.0], rtol=1e-6)


def test_same_at_every_resolution():
    """A sum over pixels would grow fourfold with each growth step, and lambda would change its meaning."""
    np.testing.assert_allclose(boundary(up2(FAKE), up2(REAL), up2(WEIGHT)), [0.075], rtol=1e-6)


def test_no_gradient_away_from_the_rim():
    """Pixels without weight would be pushed, or those with weight would not, by their weight."""
    gradient = jax.grad(lambda x: boundary(x, REAL, WEIGHT).sum())(FAKE)
    # weight / (4 pixels * 3 channels), with the sign of the difference
    np.testing.assert_allclose(gradient, WEIGHT * jnp.array([1.0, -1.0, 1.0]) / 12, rtol=1e-6, atol=1e-9)


def test_float32():
    """The mean over a bfloat16 image would be off in the third digit."""
    assert boundary(FAKE.astype(jnp.bfloat16), REAL.astype(jnp.bfloat16), WEIGHT).dtype == jnp.float32
