"""Completion: the hole is the network's, everything else is the photo's, and nothing under the mask leaks."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax import images
from fec_jax.complete import centred
from fec_jax.complete.completer import Completer
from fec_jax.types import UserError
from fec_jax.weights.format import Meta, Weights

NAMES = ("Smiling", "Eyeglasses", "Male")
R = 16
RNG = np.random.default_rng(0)


def random_like(shapes):
    """Parameters of the given shapes (`init` would compile for many seconds)."""
    return jax.tree.map(lambda x: 0.3 * RNG.normal(size=x.shape).astype(np.float32), shapes)


@pytest.fixture(scope="module")
def weights():
    meta = Meta(NAMES, R, {"base": 64, "cap": 8, "latent": 8, "skip": "residual"}, {"base": 64, "cap": 8})
    return Weights(random_like(meta.g_shapes()), random_like(meta.d_shapes()), meta)


class Off(Completer):
    """Noise has no face to search for: the photo's centred square is what the network sees."""

    def complete(self, *args, **options):
        return super().complete(*args, align="off", **options)


@pytest.fixture(scope="module")
def ready(weights):
    return Off(weights)


def example(h, w):
    """A noisy photo and a hole near the middle, not aligned to anything."""
    photo = RNG.integers(0, 256, (h, w, 3), np.uint8)
    hole = np.zeros((h, w), bool)
    hole[h // 3 : h // 3 * 2 + 1, w // 2 - 3 : w // 2 + 4] = True
    return photo, hole


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (50, 50), (11, 11), (40, 61), (90, 33)])
def test_context_is_byte_exact_at_any_size(ready, size):
    """Broken: known pixels change for some photo size."""
    photo, hole = example(*size)
    before = photo.copy()
    result = ready.complete(photo, hole)
    np.testing.assert_array_equal(result.completed[~hole], photo[~hole])
    np.testing.assert_array_equal(result.completed[hole], result.fake[hole])
    assert (result.completed[hole] != photo[hole]).any()
    np.testing.assert_array_equal(photo, before)


def test_hole_is_the_generators_output(ready, weights):
    """Broken: the hole holds something else than G(masked, mask, attrs) at alpha 1 (wrong range, order or fade)."""
    photo, hole = example(R, R)
    values = {"Male": 1, "Smiling": 0, "Eyeglasses": 1}
    result = ready.complete(photo, hole, values)
    mask = jnp.asarray(hole, jnp.float32)[None, ..., None]
    masked = images.to_float(photo)[None] * (1 - mask)
    attrs = jnp.asarray([[0.0, 1.0, 1.0]])
    fake = weights.meta.build_generator().apply({"params": weights.g_params}, masked, mask, attrs, 1.0, resolution_px=R)
    assert np.abs(np.asarray(images.to_uint8(fake[0])).astype(int) - result.fake).max() <= 1
    assert result.attrs == values
    assert list(result.attrs) == list(NAMES)


def test_attributes_change_the_hole(ready):
    """Broken: what the user sets does not reach the generator."""
    photo, hole = example(R, R)
    values = dict.fromkeys(NAMES, 0)
    fakes = [ready.complete(photo, hole, {**values, **change}).fake for change in ({}, {"Smiling": 1}, {"Male": 1})]
    assert (fakes[0] != fakes[1]).any()
    assert (fakes[1] != fakes[2]).any()


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (50, 50), (11, 11)])
def test_nothing_under_the_mask_leaks(ready, size):
    """Broken: the network sees part of what it should invent, through rim pixels that are only partly hole."""
    photo, hole = example(*size)
    other = photo.copy()
    other[hole] = 255 - other[hole]
    values = dict.fromkeys(NAMES, 1)
    np.testing.assert_array_equal(
        ready.complete(photo, hole, values).completed, ready.complete(other, hole, values).completed
    )


def test_network_input_by_hand():
    """Broken: a pixel at the rim is grey, which the network never met in training, or context pixels are cut too."""
    photo = np.full((6, 6, 3), 255, np.uint8)
    photo[:, 4] = 0
    hole = np.zeros((6, 6), bool)
    hole[:3, :3] = True
    masked, mask = centred.network_input(photo, hole, 3)
    np.testing.assert_array_equal(mask[..., 0], [[1, 1, 0], [1, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(masked[..., 1], [[0, 0, 0], [0, 0, 0], [1, 1, 0]], atol=1e-6)


@pytest.mark.parametrize("sizes", [(6, 4), (50, 16), (11, 16), (178, 64), (64, 64)])
def test_touched_is_every_pixel_that_shares_area_with_the_hole(sizes):
    """Broken: rounding turns context pixels into hole, or lets a sliver of the hole be called context."""
    s, size_px = sizes
    for y, x in ((0, 0), (s // 2, s // 3), (s - 1, s - 2)):
        hole = np.zeros((s, s), bool)
        hole[y, x] = True
        new = range(size_px)  # all in units of 1 / (s * size_px)
        rows, columns = ([n * s < (at + 1) * size_px and (n + 1) * s > at * size_px for n in new] for at in (y, x))
        np.testing.assert_array_equal(centred.touched(hole, size_px), np.outer(rows, columns))


def test_area_is_average_pooling_and_keeps_the_mean():
    """Broken: photos are shrunk by another rule than in training."""
    x = RNG.random((24, 24)).astype(np.float32)
    pooled = images.pool_to(jnp.asarray(x)[None, ..., None], 8)[0, ..., 0]
    np.testing.assert_allclose(centred.area(x, 8), pooled, atol=1e-6)
    np.testing.assert_allclose(centred.area(np.array([[3.0, 0, 9]] * 3), 2), [[2, 6]] * 2, atol=1e-6)
    for size in (5, 7, 24, 31):
        np.testing.assert_allclose(centred.area(x, size).mean(), x.mean(), atol=1e-6)


def test_photo_outside_the_square_stays(ready):
    """Broken: the network's image is pasted off centre, or stretched over a photo that is not square."""
    photo, hole = example(40, 61)
    result = ready.complete(photo, hole)
    np.testing.assert_array_equal(result.fake[:, :10], photo[:, :10])
    np.testing.assert_array_equal(result.fake[:, 50:], photo[:, 50:])
    square = ready.complete(np.ascontiguousarray(photo[:, 10:50]), np.ascontiguousarray(hole[:, 10:50]))
    np.testing.assert_array_equal(result.fake[:, 10:50], square.fake)


def test_unset_attributes_are_read_from_the_whole_photo(ready, weights):
    """Broken: an edit changes attributes that nobody asked to change, or the head reads the cut photo."""
    photo, hole = example(R, R)
    result = ready.complete(photo, hole, {"Smiling": 1})
    logits = weights.meta.build_discriminator().apply(
        {"params": weights.d_params}, images.to_float(photo)[None], 1.0, resolution_px=R
    )[1]
    probability = dict(zip(NAMES, np.asarray(jax.nn.sigmoid(logits))[0].tolist(), strict=True))
    assert set(result.read_from_photo) == {"Eyeglasses", "Male"}
    for name, p in result.read_from_photo.items():
        assert p == pytest.approx(probability[name], abs=1e-5)
        assert result.attrs[name] == int(p >= 0.5)
    assert result.attrs["Smiling"] == 1


def test_unset_attributes_that_cannot_be_read(ready, weights):
    """Broken: the network gets made-up attributes instead of the user getting a list of those to set."""
    photo, hole = example(R, R)
    with pytest.raises(UserError, match="not set: Eyeglasses, Male; give"):
        ready.complete(photo, hole, {"Smiling": 1}, unset="ask")
    blind = Off(Weights(weights.g_params, None, weights.meta))
    with pytest.raises(UserError, match=r"not set: Eyeglasses, Male; .* no discriminator"):
        blind.complete(photo, hole, {"Smiling": 1})
    values = dict.fromkeys(NAMES, 1)
    np.testing.assert_array_equal(
        blind.complete(photo, hole, values, unset="ask").fake, ready.complete(photo, hole, values).fake
    )


@pytest.mark.parametrize(
    ("attrs", "text"),
    [
        ({"smilling": 1}, r"unknown attribute smilling: did you mean Smiling\? .*Smiling, Eyeglasses, Male"),
        ({"Zebra": 1}, "unknown attribute Zebra: These weights know Smiling, Eyeglasses, Male"),
        ({"Smiling": 2}, "Smiling=2"),
    ],
)
def test_wrong_attributes(ready, attrs, text):
    """Broken: a misspelt name is ignored, or a value outside [0, 1] reaches the network."""
    with pytest.raises(UserError, match=text):
        ready.complete(*example(R, R), attrs)


def test_wrong_masks(ready):
    """Broken: a hole that the network cannot see, no hole, or another photo's mask is accepted."""
    photo, hole = example(40, 61)
    hole[0, 0] = True
    with pytest.raises(UserError, match=r"leaves the centred 40 x 40 square.*61 x 40 photo \(1 px outside\).*crop"):
        ready.complete(photo, hole)
    with pytest.raises(UserError, match="nothing to complete"):
        ready.complete(photo, np.zeros_like(hole))
    with pytest.raises(UserError, match="differ"):
        ready.complete(photo, hole[1:])


def test_without_attributes():
    """Broken: plain inpainting weights (no attributes, copied skips) cannot be used."""
    meta = Meta((), 8, {"base": 64, "cap": 8, "latent": 8, "skip": "concat"}, {"base": 64, "cap": 8})
    photo, hole = example(20, 20)
    result = Off(Weights(random_like(meta.g_shapes()), None, meta)).complete(photo, hole)
    assert result.attrs == {}
    assert (result.completed[hole] != photo[hole]).any()


@pytest.mark.parametrize(("part", "what"), [("g_params", "images"), ("d_params", "attributes")])
def test_weights_whose_products_overflow(weights, part, what):
    """Broken: damaged weights complete a photo with black or white, or with attributes and a score that are NaN."""
    huge = jax.tree.map(lambda x: np.full_like(x, 1e20), getattr(weights, part))
    photo, hole = example(R, R)
    with pytest.raises(UserError, match=f"the network's {what} have values that are not finite"):
        Off(dataclasses.replace(weights, **{part: huge})).complete(photo, hole)


def test_a_hole_that_leaves_the_network_nothing(ready):
    """Broken: a face from nowhere is written, with the best score there is: it differs nowhere from its context."""
    photo, _ = example(60, 40)
    for hole in (np.ones((60, 40), bool), np.pad(np.ones((39, 39), bool), ((10, 11), (0, 1)))):
        hole[:10], hole[50:] = False, False
        with pytest.raises(UserError, match="no context is left"):
            ready.complete(photo, hole, dict.fromkeys(NAMES, 1))
