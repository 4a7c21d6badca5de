"""Feature loss against hand-computed values, and its way back through VGG16 to the generator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax.losses.feature import feature, of_images
from fec_jax.nets import vgg16


def test_by_hand():
    """The loss is not the mean squared difference per element, or mixes the examples of a batch."""
    # 2 x 2 cells, 2 channels: squares 1, 4, 9, 0, 0, 0, 0, 2 sum to 16 over 8 elements.
    fake = jnp.array([1.0, -2.0, 3.0, 0.0, 0.0, 0.0, 0.0, np.sqrt(2)], jnp.float32).reshape(1, 2, 2, 2)
    loss = feature(jnp.concatenate([fake, fake]), jnp.concatenate([jnp.zeros_like(fake), fake]))
    np.testing.assert_allclose(loss, [2.0, 0.0], rtol=1e-6)


def test_gradient_by_hand():
    """The gradient would be off by the normalisation or have the wrong sign."""
    gradient = jax.grad(lambda x: feature(x, jnp.zeros((1, 2, 2, 2))).sum())(jnp.full((1, 2, 2, 2), 3.0))
    np.testing.assert_allclose(gradient, jnp.full((1, 2, 2, 2), 2 * 3.0 / 8), rtol=1e-6)


def test_float32():
    """Features of a bfloat16 VGG16 would be squared and summed with three digits."""
    x = jnp.ones((1, 2, 2, 2), jnp.bfloat16)
    assert feature(x, x).dtype == jnp.float32


def test_gradient_reaches_the_fake():
    """Computed on a detached completion, as a public port does, the feature loss trains nothing."""
    params = vgg16.load_params()
    real, fake = jax.random.uniform(jax.random.key(0), (2, 2, 16, 16, 3), minval=-1, maxval=1)
    real_features = vgg16.relu2_2(params, real)

    def loss(fake):
        return feature(vgg16.relu2_2(params, fake), real_features).sum()

    gradient = jax.jit(jax.grad(loss))(fake)
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).max(axis=(1, 2, 3)) > 1e-4).all()
    # and it leads downhill: a small step against it lowers the loss by about step * |gradient|^2
    step = 1e-3
    fall = float(loss(fake) - loss(fake - step * gradient))
    np.testing.assert_allclose(fall, step * float(jnp.square(gradient).sum()), rtol=0.1)


@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_chunks_change_nothing(chunk):
    """Images would be mixed up, or cut off from the gradient, when the batch is worked through in chunks."""
    params = vgg16.load_params()
    real, fake = jax.random.uniform(jax.random.key(0), (2, 6, 8, 8, 3), minval=-1, maxval=1)
    weight = jnp.arange(1.0, 7.0)

    def both(chunk):
        loss, pull_back = jax.vjp(lambda fake, real: of_images(vgg16.relu2_2, params, fake, real, chunk), fake, real)
        return loss, *pull_back(weight)

    whole, ours = both(None), both(chunk)
    assert (np.abs(whole[1]).max(axis=(1, 2, 3)) > 1e-4).all()
    assert not np.asarray(whole[2]).any()
    for a, b in zip(ours, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
