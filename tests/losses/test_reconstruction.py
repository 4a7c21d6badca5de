"""Reconstruction loss against hand-computed values, with grey and degenerate masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax.images import up2
from fec_jax.losses.reconstruction import reconstruction

# |fake - real| per pixel of the one 2 x 2 image, the same in the three channels.
DIFFERENCE = np.array([[0.1, 0.2], [0.3, 0.8]], np.float32)


def pair(difference=DIFFERENCE):
    """(fake, real) [1, h, w, 3]; the sign of the difference alternates over the channels."""
    fake = jnp.asarray(difference)[None, :, :, None] * jnp.array([1.0, -1.0, 1.0])
    return fake, jnp.zeros_like(fake)


def mask_of(rows):
    return jnp.asarray(rows, jnp.float32)[None, :, :, None]


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        # hole: 0.8; context: (0.1 + 0.2 + 0.3) / 3 = 0.2; 0.7 * 0.8 + 0.3 * 0.2
        ([[0, 0], [0, 1]], 0.62),
        # hole: (0.5 * 0.3 + 1 * 0.8) / 1.5 = 0.95 / 1.5; context: (0.1 + 0.2 + 0.5 * 0.3) / 2.5 = 0.18
        ([[0, 0], [0.5, 1]], 0.7 * 0.95 / 1.5 + 0.3 * 0.18),
        # grey everywhere: both means are the plain mean 0.35
        ([[0.25, 0.25], [0.25, 0.25]], 0.35),
        # no hole: context alone, 0.3 * 0.35
        ([[0, 0], [0, 0]], 0.105),
        # no context: hole alone, 0.7 * 0.35
        ([[1, 1], [1, 1]], 0.245),
    ],
)
def test_by_hand(mask, expected):
    """The two masked means or their weights are wrong, or a grey pixel does not count by its grey on both sides."""
    fake, real = pair()
    np.testing.assert_allclose(reconstruction(fake, real, mask_of(mask)), [expected], rtol=1e-6)


def test_alpha_weighs_the_hole():
    """Alpha and 1 - alpha are swapped, or alpha is ignored."""
    fake, real = pair()
    mask = mask_of([[0, 0], [0, 1]])
    np.testing.assert_allclose(reconstruction(fake, real, mask, alpha=1.0), [0.8], rtol=1e-6)
    np.testing.assert_allclose(reconstruction(fake, real, mask, alpha=0.0), [0.2], rtol=1e-6)


def test_examples_stay_apart():
    """One example's hole would be normalised by another's."""
    fake, real = (jnp.concatenate([x, 2 * x]) for x in pair())
    mask = jnp.concatenate([mask_of([[0, 0], [0, 1]]), mask_of([[1, 1], [1, 1]])])
    np.testing.assert_allclose(reconstruction(fake, real, mask), [0.62, 0.49], rtol=1e-6)


def test_same_at_every_resolution():
    """A sum over pixels would grow fourfold with each growth step, and lambda would change its meaning."""
    fake, real = pair()
    mask = mask_of([[0, 0.25], [0.5, 1]])
    small, large = reconstruction(fake, real, mask), reconstruction(up2(fake), up2(real), up2(mask))
    np.testing.assert_allclose(small, large, rtol=1e-6)


@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_gradient_without_hole_or_context_is_finite(fill):
    """An empty region would put 0 / 0 into the gradient of a whole batch."""
    fake, real = pair()
    gradient = jax.grad(lambda x: reconstruction(x, real, jnp.full((1, 2, 2, 1), fill)).sum())(fake)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).sum() > 0


def test_float32():
    """The mean over a bfloat16 image would be off in the third digit."""
    fake, real = (x.astype(jnp.bfloat16) for x in pair())
    assert reconstruction(fake, real, mask_of([[0, 0], [0, 1]])).dtype == jnp.float32
