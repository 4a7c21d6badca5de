"""Adam and the moving average of G, against values worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax.train.optimizers import Adam, Ema, update


def test_first_step_by_hand():
    """Broken: steps go uphill, ignore the learning rate, or the constants.

    At the first step Adam's corrected moments are g and g^2: the step is lr * g / (|g| + eps).
    """
    params, grads = jnp.array([1.0, 1.0, 2.0]), jnp.array([3.0, -0.5, 0.1])
    tx = Adam(eps=0.1).transform()
    new, _ = update(tx, params, tx.init(params), grads, jnp.float32(0.01))
    np.testing.assert_allclose(new, [1 - 0.01 * 3 / 3.1, 1 + 0.01 * 0.5 / 0.6, 2 - 0.01 * 0.1 / 0.2], rtol=1e-6)


def test_second_step_by_hand():
    """Broken: the moments are not kept from step to step, or b1 and b2 are swapped."""
    b1, b2, params = 0.5, 0.9, jnp.array([0.0])
    tx = Adam(b1, b2, eps=0.0).transform()
    params, opt = update(tx, params, tx.init(params), jnp.array([1.0]), jnp.float32(0.1))
    params, _ = update(tx, params, opt, jnp.array([3.0]), jnp.float32(0.2))
    m = (b1 * (1 - b1) * 1 + (1 - b1) * 3) / (1 - b1**2)
    v = (b2 * (1 - b2) * 1 + (1 - b2) * 9) / (1 - b2**2)
    np.testing.assert_allclose(params, [-0.1 - 0.2 * m / v**0.5], rtol=1e-5)


def test_what_has_no_gradient_stays():
    """Broken: heads that have faded out wander off."""
    params = jnp.ones(6)
    tx = Adam(b1=0.9).transform()
    opt = tx.init(params)
    for _ in range(3):
        params, opt = update(tx, params, opt, jnp.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]), jnp.float32(0.1))
    np.testing.assert_array_equal(params[3:], 1.0)
    assert (params[:3] < 1).all()


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
