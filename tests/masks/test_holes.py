"""What a hole is: cutting, pasting, pooling, and the rim that the boundary loss weighs with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax import images
from fec_jax.masks import holes
from fec_jax.masks.sampler import MaskSampler

PX = 64


@pytest.mark.parametrize("size_px", [4, 8, 32])
def test_center_square(size_px):
    """Broken: the held-out figures are of another hole than half the side, in the middle."""
    expected = np.zeros((size_px, size_px, 1))
    expected[size_px // 4 : 3 * size_px // 4, size_px // 4 : 3 * size_px // 4] = 1
    np.testing.assert_array_equal(holes.center(size_px), expected)


def box(top=10, bottom=20, left=8, right=24, size_px=32):
    return jnp.zeros((1, size_px, size_px, 1)).at[:, top:bottom, left:right].set(1.0)


def test_rim_is_zero_far_from_the_seam_on_both_sides():
    """Broken: the boundary loss pulls at pixels that have nothing to do with the seam."""
    rim = np.asarray(holes.rim(box()))[0, :, :, 0]
    # Distance of a pixel to the nearest one on the other side of the seam, in steps of a king.
    inside = np.asarray(box())[0, :, :, 0] > 0.5
    points = np.argwhere(np.ones_like(inside))
    distance = np.zeros(inside.shape, int)
    for y, x in points:
        others = np.argwhere(inside != inside[y, x])
        distance[y, x] = np.abs(others - (y, x)).max(axis=1).min()
    far = distance > 4  # the edge is one pixel wide on each side, the blur reaches 3 further
    assert (far & inside).any()
    assert (far & ~inside).any()
    assert (rim[far] == 0).all()
    assert (rim[~far] > 0).all()
    assert rim.min() >= 0
    assert rim.max() <= 1


def test_rim_by_hand_on_a_straight_seam():
    """Broken: the edge is thicker, weaker or off to one side, or the blur is not a mean over 7.

    Far from corners the edge is 2 px wide, so the mean over 7 x 7 is 2/7 near the seam and falls to 1/7 and 0.
    """
    mask = jnp.zeros((1, 32, 32, 1)).at[:, 16:].set(1.0)
    rim = np.asarray(holes.rim(mask))[0, :, 16, 0]
    expected = np.zeros(32)
    expected[13:19] = 2 / 7
    expected[[12, 19]] = 1 / 7
    np.testing.assert_allclose(rim, expected, atol=1e-6)


@pytest.mark.parametrize("size_px", [32, 128])
def test_a_rim_of_a_share_of_the_side(size_px):
    """Broken: the boundary loss sees a thinner part of the image at every larger size, whatever the config asks for."""
    mask = jnp.zeros((1, size_px, size_px, 1)).at[:, size_px // 2 :].set(1.0)
    rim = np.asarray(holes.rim(mask, 1 / 8))[0, :, size_px // 2, 0]
    reach = size_px // 8
    inside = np.arange(size_px // 2 - reach, size_px // 2 + reach)
    assert set(np.flatnonzero(rim)) == set(inside)
    assert rim.max() == pytest.approx(reach / (reach + 1))
    assert rim.mean() == pytest.approx(1 / 8, abs=1e-6)


def test_rim_is_the_same_for_hole_and_context():
    """Broken: only one side of the seam counts."""
    np.testing.assert_allclose(holes.rim(box()), holes.rim(1 - box()), atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_and_full_masks_have_no_rim(value):
    """Broken: the image's own border counts as a seam."""
    assert not np.asarray(holes.rim(jnp.full((1, 16, 16, 1), value))).any()


def test_rim_of_a_grey_mask():
    """Broken: a pooled mask has no rim, or one of a threshold's making."""
    rim = holes.rim(jnp.zeros((1, 16, 16, 1)).at[:, 8:].set(0.5))
    assert float(rim.max()) == pytest.approx(1 / 7)


def test_cut_and_paste():
    """Broken: the network sees what it is to complete, or known pixels are not the input's own."""
    real, fake = jnp.full((1, 4, 4, 3), 0.6), jnp.full((1, 4, 4, 3), -0.2)
    mask = holes.center(4)[None]
    masked, completed = holes.cut(real, mask), holes.paste(fake, real, mask)
    hole = np.asarray(mask[0, :, :, 0]) == 1
    assert (np.asarray(masked)[0][hole] == 0).all()
    np.testing.assert_array_equal(np.asarray(masked)[0][~hole], np.float32(0.6))
    np.testing.assert_array_equal(np.asarray(completed)[0][hole], np.float32(-0.2))
    np.testing.assert_array_equal(np.asarray(completed)[0][~hole], np.float32(0.6))


def test_grey_pixels_are_mixtures():
    """Broken: what `holes` says of grey masks does not hold."""
    real, fake, grey = jnp.full((1, 4, 4, 3), 0.8), jnp.full((1, 4, 4, 3), -0.4), jnp.full((1, 4, 4, 1), 0.25)
    np.testing.assert_allclose(holes.cut(real, grey), 0.6, atol=1e-6)
    np.testing.assert_allclose(holes.paste(fake, real, grey), 0.5, atol=1e-6)


def test_pooled_masks_keep_their_area():
    """Broken: a low resolution has other holes than the final one."""
    mask = np.asarray(MaskSampler()(jax.random.split(jax.random.key(3), 20), PX))
    small = holes.pooled(jnp.asarray(mask), 8)
    np.testing.assert_allclose(small.mean(axis=(1, 2, 3)), mask.mean(axis=(1, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(small, images.pool_to(jnp.asarray(mask), 8))
    assert ((np.asarray(small) > 0) & (np.asarray(small) < 1)).any()


@pytest.mark.parametrize("width", [0, 1, 4])
def test_feathering_by_hand_on_a_straight_seam(width):
    """Broken: the softening reaches into the context, is steeper or wider than said, or has a step at its end."""
    mask = jnp.zeros((1, 32, 32, 1)).at[:, :, 10:].set(1)
    soft = np.asarray(holes.feathered(mask, width))[0, 16, : -width or None, 0]
    inside = np.arange(len(soft)) - 10
    expected = np.where(inside < 0, 0, np.minimum(1, (2 * inside + 1) / (2 * width + 1)))
    np.testing.assert_allclose(soft, expected, atol=1e-6)


def test_feathering_stays_inside_any_hole():
    """Broken: the shift of a flipped attribute reaches into the context."""
    mask = MaskSampler()(jax.random.split(jax.random.key(0), 16), 32)
    soft = np.asarray(holes.feathered(mask, 2))
    assert (soft <= np.asarray(mask)).all()
    assert (soft >= 0).all()
    assert soft.max() == pytest.approx(1)
