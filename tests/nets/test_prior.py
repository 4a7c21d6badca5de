"""The linear model of faces: what it says of a hole, and how the generator uses it."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax import images
from fec_jax.nets import prior
from fec_jax.nets.generator import Generator

COUNT = 24
G = Generator(max_px=64, base=64, cap=4, num_attrs=2, latent=8, growth="add", prior=COUNT)
PLAIN = G.clone(prior=0)
RNG = np.random.default_rng(3)
BASIS = (RNG.normal(size=(COUNT, 3 * prior.PX**2)) * np.geomspace(30, 0.3, COUNT)[:, None]).astype(np.float32)
MODEL = {
    "mean": RNG.normal(size=BASIS.shape[1]).astype(np.float32),
    "basis": BASIS,
    "noise": np.array([0.1], np.float32),
}


def inputs_at(px):
    x = jax.random.uniform(jax.random.key(px), (2, px, px, 3), minval=-1.0)
    mask = jnp.zeros((2, px, px, 1)).at[:, px // 4 : px // 2].set(1)
    return x * (1 - mask), mask, jnp.array([[0.0, 1.0], [1.0, 0.0]])


@functools.cache
def params(network=G):
    """As `init` makes them, with a fitted model, and with what starts at 0 moved."""
    made = network.init(jax.random.key(0), *inputs_at(4), 1.0, resolution_px=4)["params"]
    moved = jax.tree.map(lambda x: x + 0.02 * jax.random.normal(jax.random.key(x.size), x.shape), made)
    return {**moved, "prior_32": MODEL} if network is G else moved


def output(network, px, alpha=1.0, tree=None):
    apply = jax.jit(functools.partial(network.apply, resolution_px=px))
    return np.asarray(apply({"params": tree or params(network)}, *inputs_at(px), alpha))


def test_the_solution_is_that_of_ridge_regression():
    """Broken: too few iterations, a wrong gradient or preconditioner; or the mask is not in the equations."""
    seen = RNG.uniform(size=(5, BASIS.shape[1])).round() * RNG.uniform(0.5, 1, size=(5, 1))
    seen[4] = 0  # nothing at all
    values = RNG.normal(size=seen.shape)
    found = np.asarray(jax.jit(prior.solve)(BASIS, jnp.float32(seen), jnp.float32(values)))
    for c, w, y in zip(found, seen, values, strict=True):
        basis = BASIS.astype(np.float64)
        exact = np.linalg.solve((basis * w) @ basis.T + np.eye(COUNT), (basis * w) @ y)
        np.testing.assert_allclose(c, exact, atol=1e-4)
    assert not found[4].any()
    assert np.abs(found[:4]).max() > 0.01


def test_a_face_of_the_model_is_completed():
    """Broken: what is dimmed by a grey mask is taken for dark, or the context is not kept."""
    px, scores = 64, RNG.normal(size=(2, COUNT)).astype(np.float32)
    small = (MODEL["mean"] + MODEL["noise"] * scores @ BASIS).reshape(2, prior.PX, prior.PX, 3)
    face, mask = images.up2(jnp.asarray(small)), inputs_at(px)[1]
    apply = jax.jit(lambda x: prior.Prior(COUNT).apply({"params": MODEL}, x, mask))
    done = np.asarray(apply(face * (1 - mask)))
    np.testing.assert_allclose(done, small, atol=0.05 * np.abs(small).max())
    grey = jnp.full_like(mask, 0.25).at[:, :16].set(1)
    apply = jax.jit(lambda x: prior.Prior(COUNT).apply({"params": MODEL}, x, grey))
    np.testing.assert_allclose(np.asarray(apply(face * (1 - grey))), small, atol=0.05 * np.abs(small).max())
    context = np.asarray(images.pool_to(mask, prior.PX))[..., 0] == 0
    np.testing.assert_allclose(done[context], small[context], atol=1e-5)


def test_the_generator_uses_it_from_32_px_on():
    """Broken: it has no say, or a smaller resolution asks for it."""
    for px, uses in ((16, False), (32, True), (64, True)):
        other = {**params(), "prior_32": {**MODEL, "mean": MODEL["mean"] + 0.5}}
        assert (np.abs(output(G, px, tree=other) - output(G, px)).max() > 0.01) == uses


def test_it_fades_in():
    """Broken: with the first step at 32 px the image jumps to the model's."""
    plain = {name: x for name, x in params().items() if "prior" not in name and name != "share_32"}
    np.testing.assert_allclose(output(G, 32, 0.0), output(PLAIN, 32, 0.0, plain), atol=1e-5)
    assert np.abs(output(G, 32, 0.5) - output(PLAIN, 32, 0.5, plain)).max() > 0.01


def test_a_new_one_is_half_of_the_small_image():
    """Broken: where weights get a model they had not, it starts with no say, or with all."""
    made = {**G.init(jax.random.key(0), *inputs_at(4), 1.0, resolution_px=4)["params"], "prior_32": MODEL}
    plain = {name: x for name, x in made.items() if "prior" not in name and name != "share_32"}
    likely = prior.Prior(COUNT).apply({"params": MODEL}, *inputs_at(32)[:2])
    half = (output(PLAIN, 32, tree=plain) + np.asarray(likely)) / 2
    np.testing.assert_allclose(output(G, 32, tree=made), half, atol=1e-4)


def test_larger_images_are_moved_smoothly():
    """Broken: the blend at 32 px is enlarged in blocks, which show in plain parts of the photo; or it ends there."""
    made = {**G.init(jax.random.key(0), *inputs_at(4), 1.0, resolution_px=4)["params"], "prior_32": MODEL}
    plain = {name: x for name, x in made.items() if "prior" not in name and name != "share_32"}
    masked = jnp.linspace(-1, 1, 64)[None, None, :, None] * jnp.ones((1, 64, 1, 3))
    given = masked, jnp.zeros((1, 64, 64, 1)), jnp.zeros((1, 2)), 1.0
    with_it, without = (
        np.asarray(net.apply({"params": tree}, *given, resolution_px=64)) for net, tree in ((G, made), (PLAIN, plain))
    )
    moved = with_it - without
    expected = images.pool_to(masked, 32) - images.pool_to(jnp.asarray(without), 32)
    assert np.abs(images.pool_to(jnp.asarray(moved), 32) - expected / 2).mean() < 0.05 * np.abs(expected).mean()
    steps = np.abs(np.diff(moved[0, 8:56, 8:56, 0], axis=1)).mean(axis=0)
    within, between = steps[::2].mean(), steps[1::2].mean()
    assert within == pytest.approx(between, rel=0.2)


def test_training_leaves_the_model_as_it_was_fitted():
    """Broken: the model drifts, and its solution is none of a linear model any more."""

    def loss(tree):
        image: Any = G.apply({"params": tree}, *inputs_at(32), 1.0, resolution_px=32)
        return jnp.square(image).mean()

    grads = jax.jit(jax.grad(loss))(params())
    assert not any(x.any() for x in jax.tree.leaves(grads["prior_32"]))
    for name in ("from_prior_32", "share_32"):
        assert all(np.abs(x).max() > 0 for x in jax.tree.leaves(grads[name]))


@pytest.mark.parametrize("changes", [{"growth": "blend"}, {"max_px": 16}])
def test_networks_without_a_place_for_it_are_refused(changes):
    with pytest.raises(ValueError, match="a prior needs the growth 'add' and 32 px or more"):
        G.clone(**changes).init(jax.random.key(0), *inputs_at(4), 1.0, resolution_px=4)
