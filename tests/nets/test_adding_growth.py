"""Growth by adding (`growth="add"`): a new resolution joins what the lower ones see and say, beginning with nothing."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax import images
from fec_jax.nets.discriminator import Discriminator
from fec_jax.nets.generator import Generator

SIZES = (8, 16, 32)
G = Generator(max_px=32, base=64, cap=4, num_attrs=2, latent=8, growth="add")
D = Discriminator(max_px=32, base=64, cap=4, num_attrs=2, growth="add")


def inputs_at(px):
    x = jax.random.uniform(jax.random.key(px), (2, px, px, 3), minval=-1.0)
    return x, x[..., :1].round() ** 2, jnp.array([[0.0, 1.0], [1.0, 0.0]])


@functools.cache
def params_of(network, random):
    """As `init` makes them, or random values for all: zeros would hide mistakes."""
    inputs = inputs_at(4) if network is G else inputs_at(4)[:1]
    params = network.init(jax.random.key(0), *inputs, 1.0, resolution_px=4)["params"]
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: 0.4 * rng.normal(size=x.shape).astype(np.float32), params) if random else params


def outputs(network, px, alpha, random, inputs=None):
    inputs = inputs or inputs_at(px)
    apply = jax.jit(functools.partial(network.apply, resolution_px=px))
    found = apply({"params": params_of(network, random)}, *(inputs if network is G else inputs[:1]), alpha)
    return jax.tree.leaves(jax.device_get(found))


def below(px):
    x, mask, attrs = inputs_at(px)
    return images.pool2(x), images.pool2(mask), attrs


@pytest.mark.parametrize("px", SIZES)
@pytest.mark.parametrize(("alpha", "random"), [(0.0, True), (1.0, False)])
def test_nothing_is_lost_by_growing(px, alpha, random):
    """At alpha 0, and at alpha 1 as long as the new layers have learned nothing: the smaller network's result.

    Broken: a resolution begins worse than the one before it ended.
    """
    small = images.up2(jnp.asarray(outputs(G, px // 2, 1.0, random, below(px))[0]))
    np.testing.assert_allclose(outputs(G, px, alpha, random)[0], small, atol=1e-4)
    assert np.abs(small).mean() > 0.01
    for ours, theirs in zip(outputs(D, px, alpha, random), outputs(D, px // 2, 1.0, random, below(px)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("px", SIZES)
def test_new_layers_join(px):
    """Broken: alpha moves nothing, or what the new layers give is thrown away."""
    for network in (G, D):
        old, half, new = (outputs(network, px, alpha, True)[0] for alpha in (0.0, 0.5, 1.0))
        assert np.abs(new - old).mean() > 1e-3
        assert np.abs(half - old).mean() > 1e-4


@pytest.mark.parametrize("px", SIZES)
def test_zero_initialised_layers_learn(px):
    """Broken: zero-initialised layers have no gradient, and stay 0 for ever."""
    x, mask, attrs = inputs_at(px)

    def g_loss(params):
        return jnp.square(G.apply({"params": params}, x, mask, attrs, 1.0, resolution_px=px) - x).mean()

    def d_loss(params):
        return jnp.square(D.apply({"params": params}, x, 1.0, resolution_px=px)[0] - 1).mean()

    for network, loss, name in ((G, g_loss, f"to_rgb_{px}"), (D, d_loss, f"down_{px}")):
        # The smaller network has learned, the new layer is as `init` makes it.
        params = {**params_of(network, True), name: params_of(network, False)[name]}
        grad = jax.jit(jax.grad(loss))(params)[name]
        assert max(np.abs(leaf).max() for leaf in jax.tree.leaves(grad)) > 0


@pytest.mark.parametrize("px", SIZES)
def test_the_lower_resolutions_keep_their_say(px):
    """Broken: after the fade the old path is gone, as with `blend`."""
    params = params_of(G, True)
    name = f"to_rgb_{px // 2}"
    moved = {**params, name: jax.tree.map(lambda x: x + 0.5, params[name])}
    apply = jax.jit(functools.partial(G.apply, resolution_px=px))
    before, after = (apply({"params": p}, *inputs_at(px), 1.0) for p in (params, moved))
    assert float(jnp.abs(after - before).mean()) > 0.01
