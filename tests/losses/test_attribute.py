"""Attribute loss against hand-computed values."""

import jax
import jax.numpy as jnp
import numpy as np

from fec_jax.losses.attribute import attribute

LOG2, LOG3, LOG4 = np.log([2.0, 3.0, 4.0])


def test_by_hand():
    """The loss is not the mean over attributes of the sigmoid cross-entropy, or mixes the examples of a batch."""
    # logit log 3 is a probability of 3/4: right costs log 4/3, wrong costs log 4. Logit 0 costs log 2 either way.
    logits = jnp.array([[0.0, 0.0], [LOG3, LOG3]], jnp.float32)
    labels = jnp.array([[1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_allclose(attribute(logits, labels), [LOG2, (LOG4 - LOG3 + LOG4) / 2], rtol=1e-6)


def test_a_mean_over_attributes():
    """A sum would make lambda_attr depend on how many attributes the data set has."""
    one, seven = attribute(jnp.zeros((1, 1)), jnp.ones((1, 1))), attribute(jnp.zeros((1, 7)), jnp.ones((1, 7)))
    np.testing.assert_allclose(one, seven, rtol=1e-6)


def test_pushes_logits_towards_the_labels():
    """A missing minus sign (the paper's print) would teach every attribute the wrong way round."""
    gradient = jax.grad(lambda x: attribute(x, jnp.array([[1.0, 0.0]])).sum())(jnp.zeros((1, 2)))
    np.testing.assert_allclose(gradient, [[-0.25, 0.25]], rtol=1e-6)  # (sigmoid - label) / n


def test_float32_and_finite():
    """Large logits of a bfloat16 network would give inf, NaN or a loss of three digits."""
    loss = attribute(jnp.array([[300.0, -300.0]], jnp.bfloat16), jnp.array([[0.0, 1.0]]))
    assert loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, [300.0], rtol=1e-6)
