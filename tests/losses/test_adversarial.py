"""Adversarial loss and R1 penalty against hand-computed values, and the direction in which each player is pushed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax.losses import adversarial

LOG2, LOG3, LOG4 = np.log([2.0, 3.0, 4.0])


def test_d_loss_by_hand():
    """The discriminator's objective is not -log D(real) - log(1 - D(fake))."""
    # D = 1/2 for both: -log 1/2 - log 1/2. Then D(real) = 3/4, D(fake) = 1/4: -log 3/4 - log 3/4.
    real = jnp.array([0.0, LOG3], jnp.float32)
    loss = adversarial.d_loss(real, -real)
    np.testing.assert_allclose(loss, [2 * LOG2, 2 * (LOG4 - LOG3)], rtol=1e-6)


def test_g_loss_by_hand():
    """The generator's objective is not -log D(fake), or not log(1 - D(fake)) where the paper's form is asked for."""
    fake = jnp.array([0.0, LOG3], jnp.float32)  # D(fake) = 1/2 and 3/4
    np.testing.assert_allclose(adversarial.g_loss(fake), [LOG2, LOG4 - LOG3], rtol=1e-6)
    np.testing.assert_allclose(adversarial.g_loss(fake, "minimax"), [-LOG2, -LOG4], rtol=1e-6)


@pytest.mark.parametrize("kind", adversarial.KINDS)
def test_g_wants_its_fakes_believed(kind):
    """A wrong sign would make G help D unmask its completions (the paper's misprint, taken literally)."""
    gradient = jax.grad(lambda x: adversarial.g_loss(x, kind).sum())(jnp.array([-3.0, 0.0, 3.0]))
    assert (gradient < 0).all()


def test_d_wants_real_up_and_fake_down():
    """A wrong sign would make D call completions real or photos fake."""
    x = jnp.array([-3.0, 0.0, 3.0])
    d_real, d_fake = jax.grad(lambda r, f: adversarial.d_loss(r, f).sum(), argnums=(0, 1))(x, x)
    assert (d_real < 0).all()
    assert (d_fake > 0).all()


def test_nonsaturating_gradient_survives_a_confident_d():
    """The default would lose its point: G must still learn when D is sure that the completion is fake."""
    slope = {
        kind: float(jax.grad(lambda x, kind=kind: adversarial.g_loss(x, kind).sum())(jnp.array([-10.0]))[0])
        for kind in adversarial.KINDS
    }
    assert slope["nonsaturating"] < -0.99
    assert -1e-3 < slope["minimax"] < 0


def test_extreme_logits_stay_finite():
    """Computing from probabilities in place of logits would give log 0."""
    x = jnp.array([-1e4, 1e4])
    assert np.isfinite(adversarial.d_loss(x, -x)).all()
    for kind in adversarial.KINDS:
        assert np.isfinite(adversarial.g_loss(x, kind)).all()
    assert np.isfinite(jax.grad(lambda x: adversarial.d_loss(x, -x).sum())(x)).all()


def test_low_precision_logits_give_float32_losses():
    """The loss of a bfloat16 network would be summed in bfloat16, three digits."""
    x = jnp.zeros((2,), jnp.bfloat16)
    assert adversarial.d_loss(x, x).dtype == jnp.float32
    assert adversarial.g_loss(x).dtype == jnp.float32


def test_unknown_kind_is_refused():
    """A misspelt kind in a config would silently train with another loss."""
    with pytest.raises(ValueError, match="hinge"):
        adversarial.g_loss.__wrapped__(jnp.zeros((1,)), "hinge")  # without the shape checker, which knows the kinds too


def test_r1_by_hand():
    """The penalty is not half the squared gradient, summed over the pixels of each example."""
    # logit = sum of k * x over 2 x 2 x 3 pixels: the gradient is k everywhere, 0.5 * 12 k^2 = 6 k^2.
    k = jnp.array([1.0, 2.0])
    images = jnp.ones((2, 2, 2, 3))
    penalty = adversarial.r1(lambda x: k * x.sum(axis=(1, 2, 3)), images)
    np.testing.assert_allclose(penalty, [6.0, 24.0], rtol=1e-6)


def test_r1_trains_d():
    """The penalty would not reach the discriminator's weights (a second derivative is needed)."""
    images = jnp.ones((1, 2, 2, 3))
    slope = jax.grad(lambda k: adversarial.r1(lambda x: k * x.sum(axis=(1, 2, 3)), images).sum())(jnp.array(2.0))
    np.testing.assert_allclose(slope, 24.0, rtol=1e-6)  # d 6 k^2 / dk = 12 k
