"""Augmentation: what it changes, by how much, and that gradients come through."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax.train.augment import Augment

KEYS = jax.random.split(jax.random.key(0), 400)
X = jax.random.uniform(jax.random.key(1), (1, 8, 8, 3), minval=-1.0)
MANY = jnp.broadcast_to(X, (400, 8, 8, 3))


def test_strength_0_changes_nothing():
    """Broken: configs without augmentation have some."""
    np.testing.assert_array_equal(Augment()(MANY, KEYS), MANY)


def test_mirror_half_of_the_time():
    """Broken: photos are mirrored always, never, or upside down."""
    y = np.asarray(Augment(mirror=True)(MANY, KEYS))
    mirrored = (y == np.asarray(X)[:, :, ::-1]).all(axis=(1, 2, 3))
    same = (y == np.asarray(X)).all(axis=(1, 2, 3))
    assert (mirrored ^ same).all()
    assert mirrored.mean() == pytest.approx(0.5, abs=0.1)


def test_shift_stays_within_its_range_and_repeats_the_border():
    """Broken: photos are shifted too far, in one direction only, or filled with black."""
    padded = np.pad(np.asarray(X[0]), ((2, 2), (2, 2), (0, 0)), mode="edge")
    windows = {padded[i : i + 8, j : j + 8].tobytes(): (i - 2, j - 2) for i in range(5) for j in range(5)}
    seen = [windows[y.tobytes()] for y in np.asarray(Augment(shift=0.25)(MANY, KEYS))]
    assert set(seen) == set(windows.values()), "all 25 shifts, and no other"
    counts = np.unique(np.array(seen)[:, 0], return_counts=True)[1]
    assert counts.min() > 400 / 5 / 2


def test_noise_says_nothing_of_the_colours():
    """Broken: D reads from the noise of a few pixels how an image was recoloured."""
    grey = jnp.zeros_like(MANY)
    recoloured = np.asarray(Augment(color=0.5)(grey, KEYS))
    noise = np.asarray(Augment(color=0.5, noise=0.2)(grey, KEYS)) - recoloured
    draws = np.concatenate([recoloured[:, 0, 0], noise.reshape(len(KEYS), -1)], axis=1)
    between = np.corrcoef(draws.T)[:3, 3:]
    assert np.abs(between).max() < 0.25


def place_of_blob(images):
    """Of a bright blob: its centre, [b, 2], and its width, [b], in pixels."""
    weight = np.clip(np.asarray(images)[..., 0], 0, None)
    weight = weight / weight.sum(axis=(1, 2), keepdims=True)
    grid = np.mgrid[: weight.shape[1], : weight.shape[2]] + 0.5
    centre = np.einsum("bhw,chw->bc", weight, grid)
    spread = (weight[:, None] * (grid[None] - centre[:, :, None, None]) ** 2).sum(axis=(1, 2, 3))
    return centre, np.sqrt(spread)


def test_scale_magnifies_about_the_centre_and_shift_moves_by_parts_of_pixels():
    """Broken: photos are moved or magnified further than asked, by whole pixels only, or not at all."""
    axis = jnp.arange(32) + 0.5
    blob = jnp.exp(-((axis[:, None] - 16) ** 2 + (axis[None, :] - 16) ** 2) / 18)[None, :, :, None]
    many = jnp.broadcast_to(blob, (400, 32, 32, 3))
    _, (width,) = place_of_blob(blob)
    centres, widths = place_of_blob(Augment(scale=0.1)(many, KEYS))
    np.testing.assert_allclose(centres, 16, atol=0.05)
    assert (widths / width).min() == pytest.approx(0.9, abs=0.015)
    assert (widths / width).max() == pytest.approx(1.1, abs=0.015)
    centres, _ = place_of_blob(Augment(scale=1e-6, shift=0.05)(many, KEYS))
    assert np.abs(centres - 16).max() == pytest.approx(1.6, abs=0.05)
    assert abs((centres - 16).mean()) < 0.15
    assert np.abs(centres - 16 - np.round(centres - 16)).max() > 0.4


def test_scale_keeps_texture_and_repeats_the_border():
    """Broken: resampling softens the photos, and with them what D takes for real; or a grey frame comes in."""
    stripes = jnp.broadcast_to(jnp.sin(jnp.arange(32) * 2.0)[None, None, :, None], (100, 32, 32, 3))
    y = np.asarray(Augment(scale=0.02, shift=0.02)(stripes, KEYS[:100]))
    assert y[:, :, 8:-8].std() > 0.95 * float(stripes.std())
    flat = Augment(scale=0.1, shift=0.1)(jnp.full((100, 16, 16, 3), 0.7), KEYS[:100])
    np.testing.assert_allclose(flat, 0.7, atol=1e-4)
    far = Augment(scale=0.5, shift=0.25)(jnp.full((100, 64, 64, 3), 0.7), KEYS[:100])
    np.testing.assert_allclose(far, 0.7, atol=1e-4)


def test_cutout_is_a_grey_square_anywhere():
    """Broken: nothing is cut out, too much is, or always the same part."""
    y = np.asarray(Augment(cutout=0.25)(jnp.ones((400, 16, 16, 3)), KEYS))[..., 0] == 0
    assert y.sum(axis=(1, 2)).max() == 16
    assert y.sum(axis=(1, 2)).min() >= 4
    assert y.mean(axis=0).min() > 0.008
    assert y.mean(axis=0).max() < 0.12


def test_color_changes_within_its_strength():
    """Broken: colours change more than the config says, or all images alike.

    On a grey image contrast and saturation do nothing: every channel moves by at most strength + strength / 2.
    """
    grey = jnp.full((400, 4, 4, 3), 0.1)
    moved = np.asarray(Augment(color=0.2)(grey, KEYS) - grey)
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:, :1, :1], moved.shape), atol=1e-5)
    assert np.abs(moved).max() <= 0.3 + 1e-5
    assert np.abs(moved).max() > 0.2
    assert abs(moved.mean()) < 0.03
    assert moved.mean(axis=(1, 2, 3)).std() > 0.08
    assert (moved[:, 0, 0].max(axis=1) - moved[:, 0, 0].min(axis=1)).mean() > 0.03, "the channels move apart"


def test_contrast_and_saturation_are_scaled():
    """Broken: they are not, or beyond 1 +- strength."""
    black_white = jnp.zeros((400, 2, 2, 3)).at[:, 0].set(1.0)
    y = np.asarray(Augment(color=0.2)(black_white, KEYS))
    contrast = y[:, 0].mean(axis=(1, 2)) - y[:, 1].mean(axis=(1, 2))
    assert contrast.min() == pytest.approx(0.8, abs=0.02)
    assert contrast.max() == pytest.approx(1.2, abs=0.02)
    red = jnp.zeros((400, 2, 2, 3)).at[:, 0, :, 0].set(1.0)
    y = np.asarray(Augment(color=0.2)(red, KEYS))
    saturation = (y[:, 0, 0, 0] - y[:, 0, 0, 1]) - (y[:, 1, 0, 0] - y[:, 1, 0, 1])
    assert 0.8 * 0.8 - 1e-4 <= saturation.min() < 0.72
    assert 1.28 < saturation.max() <= 1.2 * 1.2 + 1e-4


def test_noise_has_the_strength_asked_for_and_no_mean():
    """Broken: the knob is dead, every pixel or channel gets the same, or images come out brighter."""
    noise = np.asarray(Augment(noise=0.3)(MANY, KEYS) - MANY)
    assert noise.std() == pytest.approx(0.3, abs=0.01)
    assert abs(noise.mean()) < 0.01
    assert noise.std(axis=(1, 2, 3)).min() > 0.1
    assert np.abs(noise[:-1] - noise[1:]).max() > 0.1


def test_some_images_have_no_noise():
    """Broken: D sees all images under noise and cannot learn fine texture, or none and is fooled by faint patterns."""
    noise = np.asarray(Augment(noise=0.3, clean=0.25)(MANY, KEYS) - MANY).std(axis=(1, 2, 3))
    assert (noise == 0).mean() == pytest.approx(0.25, abs=0.06)
    assert noise[noise > 0].mean() == pytest.approx(0.3, abs=0.02)


def test_each_image_by_its_own_key():
    """Broken: the change depends on the batch, so a resumed run or more devices would differ."""
    augment = jax.jit(Augment(mirror=True, color=0.2, shift=0.2, noise=0.1, scale=0.1, cutout=0.2).__call__)
    np.testing.assert_allclose(augment(MANY[:6], KEYS[:6])[2:], augment(MANY[:4], KEYS[2:6]), atol=1e-6)


def test_gradients_come_through():
    """Broken: D's verdict on a changed image does not reach G."""
    augment = Augment(mirror=True, color=0.2, shift=0.1, noise=0.1, scale=0.1, cutout=0.2)
    grad = jax.jit(jax.grad(lambda x: jnp.square(augment(x, KEYS[:8])).sum()))(MANY[:8])
    assert (jnp.abs(grad).sum(axis=(1, 2, 3)) > 1).all()
