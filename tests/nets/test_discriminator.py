"""D: what growing must leave unchanged, and what its two heads depend on."""

import functools

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax import images
from fec_jax.nets.discriminator import Discriminator

ATTRS = 3


def discriminator(max_px=64):
    return Discriminator(max_px=max_px, base=max(64, max_px), cap=4, num_attrs=ATTRS)


def shapes_of(net):
    init = functools.partial(net.init, resolution_px=4)
    return jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 4, 4, 3)), 1.0)["params"]


@functools.cache
def params_of(max_px=64):
    """Random values for all parameters: `init` leaves biases at 0, which would hide mistakes with them."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda x: (0.4 * rng.normal(size=x.shape)).astype(np.float32), shapes_of(discriminator(max_px)))


@functools.cache
def applied(resolution_px, max_px=64):
    return jax.jit(functools.partial(discriminator(max_px).apply, resolution_px=resolution_px))


def run(resolution_px, params, x, alpha, max_px=64):
    """Both heads side by side, [b, 1 + ATTRS]."""
    logit, attr_logits = applied(resolution_px, max_px)({"params": params}, x, jnp.float32(alpha))
    return np.concatenate([np.asarray(logit)[:, None], attr_logits], axis=1)


def photos(resolution_px, b=2):
    return jax.random.uniform(jax.random.key(resolution_px), (b, resolution_px, resolution_px, 3), minval=-1.0)


def changed(params, *path):
    """`params` with everything below a path moved."""
    flat = flax.traverse_util.flatten_dict(params)
    hit = [key for key in flat if key[: len(path)] == path]
    assert hit, f"no parameters below {path}"
    return flax.traverse_util.unflatten_dict({k: v + 0.7 if k in hit else v for k, v in flat.items()})


@pytest.mark.parametrize("px", [8, 16, 32, 64, 1024])
def test_growth_begins_where_the_smaller_discriminator_ended(px):
    """D(r, alpha=0)(x) == D(r/2, alpha=1)(pool2(x)), both heads. Broken: growing throws away what D has learned."""
    max_px = max(64, px)
    params, x = params_of(max_px), photos(px)
    small = run(px // 2, params, images.pool2(x), 1.0, max_px)
    np.testing.assert_allclose(run(px, params, x, 0.0, max_px), small, atol=2e-4, rtol=1e-4)
    assert np.abs(small).min() > 0
    assert not np.allclose(run(px, params, x, 1.0, max_px), small, rtol=0.01)


@pytest.mark.parametrize("px", [8, 32])
def test_at_alpha_1_the_old_head_has_no_say(px):
    """Broken: the input layer of the resolution before stays in for good."""
    params, x = params_of(), photos(px)
    other = changed(params, f"from_rgb_{px // 2}")
    np.testing.assert_array_equal(run(px, other, x, 1.0), run(px, params, x, 1.0))
    assert not np.allclose(run(px, other, x, 0.5), run(px, params, x, 0.5), rtol=0.01)


def test_new_layers_gain_influence_with_alpha():
    """Broken: D's fade is inverted, a step, or can never run (defects of public ports)."""
    params, x = params_of(), photos(16)
    for path in ("from_rgb_16", "down_16"):
        other = changed(params, path)
        moved = [np.abs(run(16, other, x, a) - run(16, params, x, a)).mean() for a in (0.0, 0.001, 0.1, 1.0)]
        assert moved[0] == 0, path
        assert 0 < moved[1] < 0.2 * min(moved[2:]), path


def test_unborn_layers_have_no_say_and_no_gradient():
    """Broken: layers of resolutions to come are trained before they are born."""

    def loss(params):
        logit, attr_logits = discriminator().apply({"params": params}, photos(8), jnp.float32(0.5), resolution_px=8)
        return jnp.square(logit).sum() + jnp.square(attr_logits).sum()

    flat = flax.traverse_util.flatten_dict(jax.jit(jax.grad(loss))(params_of()), sep="/")
    unborn = {name for name in flat if any(str(r) in name.replace("/", "_").split("_") for r in (16, 32, 64))}
    assert len(unborn) > 8
    for name, grad in flat.items():
        assert bool(jnp.any(grad != 0)) == (name not in unborn), name


def test_a_smaller_discriminator_is_a_part_of_a_larger_one():
    """Broken: a config with one more resolution starts the others from other values, or renames them."""
    small, large = (
        flax.traverse_util.flatten_dict(
            jax.jit(functools.partial(discriminator(m).clone(base=64).init, resolution_px=4))(
                jax.random.key(5, impl="unsafe_rbg"), jnp.zeros((1, 4, 4, 3)), 1.0
            )["params"],
            sep="/",
        )
        for m in (4, 8)
    )
    assert small.keys() < large.keys()
    for name, value in small.items():
        np.testing.assert_array_equal(value, large[name], err_msg=name)


def test_examples_do_not_mix():
    """Broken: D judges a batch as a whole; the gradient penalty and the pairing with G's batch would be wrong."""
    x = photos(8)
    both, other = run(8, params_of(), x, 1.0), run(8, params_of(), x.at[1].set(0.3), 1.0)
    np.testing.assert_allclose(other[0], both[0], rtol=1e-5)
    assert not np.allclose(other[1], both[1], rtol=0.01)


def test_d_sees_the_level_of_the_photo():
    """Broken: a norm in D hides brightness and contrast, which G could then get wrong unpunished."""
    x = photos(8)
    assert not np.allclose(run(8, params_of(), 0.5 * x, 1.0), run(8, params_of(), x, 1.0), rtol=0.05)


def test_without_attributes():
    """Broken: plain inpainting (no attributes) cannot be built."""
    net = discriminator(4).clone(num_attrs=0)
    logit, attr_logits = jax.eval_shape(
        functools.partial(net.apply, resolution_px=4), {"params": shapes_of(net)}, photos(4), 1.0
    )
    assert logit.shape == (2,)
    assert attr_logits.shape == (2, 0)


def test_wrong_sizes_are_named():
    """Broken: a photo of another size gives an error from deep inside a convolution."""
    with pytest.raises(ValueError, match="for resolution 16"):
        discriminator().apply({"params": params_of()}, photos(8), 1.0, resolution_px=16)
    with pytest.raises(ValueError, match="of a 64 px discriminator"):
        discriminator().apply({"params": params_of()}, jnp.zeros((1, 128, 128, 3)), 1.0, resolution_px=128)


def test_computing_again_changes_nothing():
    """Broken: a run that saves memory has other weights' names, or another gradient of D's gradient penalty."""
    px, kept = 16, discriminator()
    again = kept.clone(remat_min_px=8)
    assert jax.tree.map(jnp.shape, shapes_of(again)) == jax.tree.map(jnp.shape, shapes_of(kept))
    x = jax.random.normal(jax.random.key(0), (2, px, px, 3))

    def learned(net):
        def penalty(params):
            logit = lambda x: net.apply({"params": params}, x, 0.5, resolution_px=px)[0].sum()  # noqa: E731
            return jnp.square(jax.grad(logit)(x)).mean()

        assert ("remat" in str(jax.make_jaxpr(jax.grad(penalty))(params_of()))) == (net is again)
        return jax.jit(jax.value_and_grad(penalty))(params_of())

    for a, b in zip(*(jax.tree.leaves(learned(net)) for net in (again, kept)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6 * float(jnp.abs(b).max()) + 1e-9)
