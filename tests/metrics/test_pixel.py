"""L1 and PSNR of the hole, against values worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax import images, masks
from fec_jax.metrics import pixel

MASK = masks.center(4)[None]


def flat(value):
    return images.to_float(np.full((1, 4, 4, 3), value, np.uint8))


def test_a_difference_of_51():
    """Broken: errors are on another scale than 8-bit values over 255. 51 / 255 = 0.2; -10 log10(0.04) = 13.979 dB."""
    assert float(pixel.l1_hole(flat(100), flat(151), MASK)[0]) == pytest.approx(0.2, rel=1e-5)
    assert float(pixel.psnr_hole(flat(100), flat(151), MASK)[0]) == pytest.approx(13.9794, abs=1e-3)


def test_only_the_hole_counts():
    """Broken: the copied context makes every completion look good."""
    real = flat(100)
    outside = jnp.where(MASK > 0, real, 1.0)
    assert float(pixel.l1_hole(outside, real, MASK)[0]) == 0
    inside = jnp.where(MASK > 0, flat(151), real)
    assert float(pixel.l1_hole(inside, real, MASK)[0]) == pytest.approx(0.2, rel=1e-5)
    assert float(pixel.psnr_hole(inside, real, MASK)[0]) == pytest.approx(13.9794, abs=1e-3)


def test_psnr_is_of_the_mean_square_of_an_image():
    """Broken: PSNR is a mean of pixels' PSNR. One of 12 hole values off by 1: -10 log10(1/12) = 10.79 dB."""
    completed = flat(0).at[0, 1, 1, 0].set(1.0)
    assert float(pixel.psnr_hole(completed, flat(0), MASK)[0]) == pytest.approx(10 * np.log10(12), abs=1e-3)
    assert float(pixel.l1_hole(completed, flat(0), MASK)[0]) == pytest.approx(1 / 12, rel=1e-5)


def test_identical_images_have_100_db():
    """Broken: a perfect completion gives infinity, and spoils every mean."""
    assert float(pixel.psnr_hole(flat(7), flat(7), MASK)[0]) == pytest.approx(100, abs=1e-3)
    assert float(pixel.psnr_hole(flat(7), flat(7), 0 * MASK)[0]) == pytest.approx(100, abs=1e-3)


def test_rounded_and_clipped_as_a_file_would_be():
    """Broken: the figures are of something no one can save."""
    beyond = jnp.full((1, 4, 4, 3), 1.8)
    assert float(pixel.l1_hole(beyond, flat(255), MASK)[0]) == 0
    assert float(pixel.l1_hole(flat(100) + 0.4 / 127.5, flat(100), MASK)[0]) == 0


def test_each_image_has_its_own():
    """Broken: images of a batch are pooled."""
    completed, real = jnp.concatenate([flat(0), flat(51)]), jnp.concatenate([flat(0), flat(0)])
    mask = jnp.concatenate([MASK, MASK])
    np.testing.assert_allclose(pixel.l1_hole(completed, real, mask), [0, 0.2], atol=1e-6)
