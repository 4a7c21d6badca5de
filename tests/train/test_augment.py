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


def test_each_image_by_its_own_key():
    """Broken: the change depends on the batch, so a resumed run or more devices would differ."""
    augment = jax.jit(Augment(mirror=True, color=0.2, shift=0.2, noise=0.1).__call__)
    np.testing.assert_allclose(augment(MANY[:6], KEYS[:6])[2:], augment(MANY[:4], KEYS[2:6]), atol=1e-6)


def test_gradients_come_through():
    """Broken: D's verdict on a changed image does not reach G."""
    augment = Augment(mirror=True, color=0.2, shift=0.1, noise=0.1)
    grad = jax.jit(jax.grad(lambda x: jnp.square(augment(x, KEYS[:8])).sum()))(MANY[:8])
    assert (jnp.abs(grad).sum(axis=(1, 2, 3)) > 1).all()
