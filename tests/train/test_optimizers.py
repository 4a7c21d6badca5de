"""Adam, Muon and the moving average of G, against values worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax.train.flat import Layout
from fec_jax.train.optimizers import Adam, Ema, update


def test_first_step_by_hand():
    """Broken: steps go uphill, ignore the learning rate, or the constants.

    At the first step Adam's corrected moments are g and g^2: the step is lr * g / (|g| + eps).
    """
    params, grads = jnp.array([1.0, 1.0, 2.0]), jnp.array([3.0, -0.5, 0.1])
    adam = Adam(eps=0.1)
    new, _ = update(adam, params, adam.transform().init(params), grads, jnp.float32(0.01))
    np.testing.assert_allclose(new, [1 - 0.01 * 3 / 3.1, 1 + 0.01 * 0.5 / 0.6, 2 - 0.01 * 0.1 / 0.2], rtol=1e-6)


def test_second_step_by_hand():
    """Broken: the moments are not kept from step to step, or b1 and b2 are swapped."""
    b1, b2, params = 0.5, 0.9, jnp.array([0.0])
    adam = Adam(b1, b2, eps=0.0)
    params, opt = update(adam, params, adam.transform().init(params), jnp.array([1.0]), jnp.float32(0.1))
    params, _ = update(adam, params, opt, jnp.array([3.0]), jnp.float32(0.2))
    m = (b1 * (1 - b1) * 1 + (1 - b1) * 3) / (1 - b1**2)
    v = (b2 * (1 - b2) * 1 + (1 - b2) * 9) / (1 - b2**2)
    np.testing.assert_allclose(params, [-0.1 - 0.2 * m / v**0.5], rtol=1e-5)


def test_what_has_no_gradient_stays():
    """Broken: heads that have faded out wander off."""
    params = jnp.ones(6)
    adam = Adam(b1=0.9)
    opt = adam.transform().init(params)
    for _ in range(3):
        params, opt = update(adam, params, opt, jnp.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]), jnp.float32(0.1))
    np.testing.assert_array_equal(params[3:], 1.0)
    assert (params[:3] < 1).all()


@pytest.mark.parametrize("kernels", ["hwio", "ohwi"])
def test_muon_moves_kernels_in_all_directions_alike(kernels):
    """Broken: Muon moves nothing, all that Adam moves too, kernels of RGB, or in another order of axes or at another
    rate; or its momentum is not Nesterov's.
    """
    shapes = {"conv": (3, 3, 16, 40), "dense": (30, 40), "bias": (20,), "to_rgb": (1, 1, 20, 3)}
    layout = Layout.of({name: jax.ShapeDtypeStruct(shape, jnp.float32) for name, shape in shapes.items()}, 4, kernels)
    rng, adam, lr = np.random.default_rng(0), Adam(b1=0.5), 0.01
    params = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    steps = [{name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()} for _ in range(2)]
    by = {}
    for muon_of in (None, layout):
        vector = jnp.asarray(layout.vector(params))
        opt = adam.transform().init(vector)
        for grads in steps:
            before = vector
            vector, opt = update(adam, before, opt, jnp.asarray(layout.vector(grads)), jnp.float32(lr), muon_of)
        by[muon_of] = layout.named(vector), layout.named(np.asarray(vector - before))
    for name in ("dense", "bias", "to_rgb"):
        np.testing.assert_array_equal(by[layout][0][name], by[None][0][name])
    moved = -by[layout][1]["conv"].reshape(-1, 40) / lr
    assert np.sqrt(np.mean(moved**2)) == pytest.approx(0.2, rel=0.25), "as large as Adam's"
    values = np.linalg.svd(moved, compute_uv=False)
    assert values.max() < 2 * values.min(), "of the momentum it is more"
    first, second = (grads["conv"].reshape(-1, 40) for grads in steps)
    ahead = 0.5 * (0.25 * first + 0.5 * second) + 0.5 * second
    u, _, v = np.linalg.svd(ahead, full_matrices=False)
    towards = np.sum(moved * (u @ v)) / np.linalg.norm(moved) / np.linalg.norm(u @ v)
    assert towards > 0.97, "not the nearest such matrix to the momentum"


def test_after_the_half_life_the_old_weighs_half():
    """Broken: the average is faster or slower than the config says, or depends on the batch size."""
    ema = Ema(halflife_kimg=1.0, rampup=1e9)
    for batch in (10, 50):
        average, nimg = jnp.array([1.0]), 100_000
        for _ in range(1000 // batch):
            nimg += batch
            average = ema.update(average, jnp.array([0.0]), jnp.float32(nimg), batch)
        np.testing.assert_allclose(average, 0.5, rtol=1e-3)


def test_ramp_up_at_the_start():
    """Broken: the random start stays in the average for a whole half-life."""
    ema = Ema(halflife_kimg=10.0, rampup=0.05)
    assert float(ema.decay(jnp.float32(1000), 50)) == pytest.approx(0.5)  # half-life 0.05 * 1000 = one batch
    assert float(ema.decay(jnp.float32(16), 16)) == pytest.approx(2.0**-20)
    assert float(ema.decay(jnp.float32(200_000), 100)) == pytest.approx(2.0**-0.01)
    assert float(ema.decay(jnp.float32(900_000), 100)) == pytest.approx(2.0**-0.01), "at most the half-life"


def test_no_average():
    """Broken: with a half-life of 0 the average is not the network itself, or not a number."""
    for ema in (Ema(halflife_kimg=0.0), Ema(rampup=0.0)):
        average = ema.update(jnp.array([1.0]), jnp.array([5.0]), jnp.float32(16), 16)
        np.testing.assert_array_equal(average, 5.0)
