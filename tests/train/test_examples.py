"""Examples: flip statistics, and that an example depends on its number in the stream and on nothing else."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax import images
from fec_jax.masks.sampler import MaskSampler
from fec_jax.train import examples
from fec_jax.train.augment import Augment
from fec_jax.train.examples import Purpose

N = 4000
SEED = jax.random.key(7)


@functools.cache
def flips(keep_probability=0.5, most=1):
    """Random labels of 5 attributes, and what is asked for."""
    attrs = jax.random.bernoulli(jax.random.key(1), 0.3, (N, 5)).astype(jnp.float32)
    wanted = examples.flip(attrs, jax.random.split(jax.random.key(2), N), keep_probability, most)
    return np.asarray(attrs), np.asarray(wanted)


def test_half_of_the_examples_are_edited():
    """Broken: the labels are kept always or never; the paper keeps them with probability 0.5."""
    attrs, wanted = flips()
    assert (attrs != wanted).any(axis=1).mean() == pytest.approx(0.5, abs=4 * 0.5 / N**0.5)


def test_keep_probability_is_of_keeping():
    """Broken: the config's probability is taken for that of flipping."""
    attrs, wanted = flips(0.9)
    assert (attrs != wanted).any(axis=1).mean() == pytest.approx(0.1, abs=0.02)


def test_a_differing_wish_differs_in_one_attribute():
    """Broken: several attributes are flipped at once, or labels become something other than 0 and 1."""
    attrs, wanted = flips()
    assert set(np.unique((attrs != wanted).sum(axis=1))) == {0, 1}
    assert set(np.unique(wanted)) == {0.0, 1.0}


def test_up_to_so_many_attributes_are_flipped_every_number_as_often():
    """Broken: the knob is dead, keeps less than it should, or prefers few flips."""
    attrs, wanted = flips(0.25, most=3)
    share = np.bincount((attrs != wanted).sum(axis=1), minlength=6) / N
    np.testing.assert_allclose(share, [0.25, 0.25, 0.25, 0.25, 0, 0], atol=0.03)
    each = (attrs != wanted).mean(axis=0)
    np.testing.assert_allclose(each, 0.75 * 2 / 5, atol=0.03)


def test_no_more_flips_than_attributes():
    """Broken: with few attributes the numbers are drawn from a range that does not exist."""
    attrs = jnp.zeros((64, 2))
    wanted = np.asarray(examples.flip(attrs, jax.random.split(SEED, 64), 0.0, most=9))
    assert set(wanted.sum(axis=1)) == {1, 2}


def test_every_attribute_is_flipped_equally_often():
    """Broken: G never learns to change some attribute."""
    attrs, wanted = flips()
    counts = (attrs != wanted).sum(axis=0)
    np.testing.assert_allclose(counts, counts.sum() / 5, atol=4 * (counts.sum() * 0.16) ** 0.5)


def test_flips_go_both_ways():
    """Broken: attributes are only ever added, or only taken away."""
    attrs, wanted = flips()
    flipped = attrs != wanted
    assert attrs[flipped].mean() == pytest.approx(0.3, abs=0.05), "of the flipped labels, as many were 1 as of all"


def test_no_attributes_nothing_to_flip():
    """Broken: plain inpainting fails, or draws from an empty range."""
    assert examples.flip(jnp.zeros((3, 0)), jax.random.split(SEED, 3)).shape == (3, 0)


def test_keys_differ_by_purpose_and_place():
    """Broken: an example's mask tells its flip, or two examples share their masks."""
    stream = jnp.arange(3)
    data = [jax.random.key_data(examples.keys(SEED, purpose, stream)) for purpose in Purpose]
    assert len(np.unique(np.concatenate(data), axis=0)) == 3 * len(Purpose)


PHOTOS = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
LABELS = np.random.default_rng(1).integers(0, 2, (4, 3), np.uint8)
SAMPLER = MaskSampler(min_side=0.3, max_side=0.7)


@functools.cache
def maker(augment=Augment()):
    return jax.jit(functools.partial(examples.make, sampler=SAMPLER, mask_px=16, augment=augment))


def made(first=0, count=4, alpha=1.0, seed=SEED, augment=Augment()):
    part = slice(first, first + count)
    stream = 100 + jnp.arange(4)[part]
    return maker(augment)(jnp.asarray(PHOTOS[part]), jnp.asarray(LABELS[part]), stream, seed, jnp.float32(alpha))


def test_an_example_does_not_depend_on_its_batch():
    """Two halves == the whole batch. Broken: a run depends on the number of devices, or on where it was resumed."""
    augment = Augment(mirror=True, color=0.2, shift=0.2)
    whole, halves = made(augment=augment), [made(i, 2, augment=augment) for i in (0, 2)]
    joined = jax.tree.map(lambda *x: jnp.concatenate(x), *halves)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), whole, joined)


def test_examples_differ_by_place_and_by_seed():
    """Broken: every example of a batch has the same hole, or every run."""
    mask = np.asarray(made().mask)
    assert len({m.tobytes() for m in mask}) == 4
    assert (mask != np.asarray(made(seed=jax.random.key(8)).mask)).any()


def test_what_an_example_is_made_of():
    """Broken: the parts of an example do not belong together."""
    ex = made()
    np.testing.assert_array_equal(images.to_uint8(ex.real), PHOTOS)
    np.testing.assert_array_equal(ex.attrs, LABELS)
    np.testing.assert_allclose(ex.masked, ex.real * (1 - ex.mask), atol=1e-6)
    np.testing.assert_array_equal(ex.flipped, (np.asarray(ex.wanted_attrs) != LABELS).any(axis=1))


def test_masks_are_drawn_at_full_size_and_pooled():
    """Broken: the hole of an example is another one at every resolution, or without the grey rim of a pooled mask."""
    stream = 100 + jnp.arange(4)
    full = SAMPLER(examples.keys(SEED, Purpose.MASK, stream), 16)
    np.testing.assert_allclose(made().mask, images.pool2(full), atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_photos_fade_with_the_networks(alpha):
    """Broken: at the start of a fade D compares enlarged completions with sharp photos."""
    x = images.to_float(PHOTOS)
    expected = (1 - alpha) * images.up2(images.pool2(x)) + alpha * x
    np.testing.assert_allclose(made(alpha=alpha).real, expected, atol=1e-6)
