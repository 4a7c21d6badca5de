"""Real faces that flipped examples are drawn to."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from smallest_step import ATTRS, B, examples_by_hand
from test_directions import Known

from fec_jax import images
from fec_jax.masks import holes
from fec_jax.train import lookalikes

PX = 32


def flipped(flips=(True,) * B):
    """Examples whose first attribute is flipped, from 0 to 1; the second is 0."""
    ex = examples_by_hand(flips, PX)
    wanted = jnp.zeros((B, ATTRS)).at[:, 0].set(jnp.asarray(flips, jnp.float32))
    return dataclasses.replace(ex, attrs=jnp.zeros((B, ATTRS)), wanted_attrs=wanted)


def faces_of(photos, attrs):
    photos = jnp.asarray(photos)
    contexts = images.pool_to(images.to_float(photos), lookalikes.CONTEXT_PX)
    return lookalikes.Faces(photos, contexts, jnp.asarray(attrs, jnp.float32))


def strangers(ex, seed=1):
    """The context of every example round somebody else's hole."""
    rng = np.random.default_rng(seed)
    others = jnp.asarray(rng.uniform(-1, 1, ex.real.shape), jnp.float32)
    return images.to_uint8(holes.paste(others, ex.real, ex.mask))


def test_the_face_of_the_same_context_is_chosen():
    """Broken: faces are compared where the photo is cut, or with another example's context."""
    ex = flipped()
    # Last, a face that has the first photo's hole, in another context.
    decoy = images.to_uint8(holes.paste(ex.real[:1], -ex.real[:1], ex.mask[:1]))
    photos = jnp.concatenate([strangers(ex)[::-1], decoy])
    has = np.tile([1, 0], (B + 1, 1))
    np.testing.assert_array_equal(lookalikes.nearest(ex, faces_of(photos, has)), np.arange(B)[::-1])


def test_a_face_that_lacks_what_is_wanted_is_not_chosen():
    """Broken: the target of a flip is the photo itself, or a twin without the attribute."""
    ex = flipped()
    photos = jnp.concatenate([images.to_uint8(ex.real), strangers(ex, 2), images.to_uint8(-ex.real)])
    has = np.repeat([[0, 0], [0, 0], [1, 0]], B, axis=0)
    chosen = np.asarray(lookalikes.nearest(ex, faces_of(photos, has)))
    assert (chosen >= 2 * B).all()


def test_other_attributes_decide_between_equals():
    """Broken: who asks for a beard gets a man's face with glasses and grey hair as often as not."""
    ex = flipped()
    photos = jnp.concatenate([strangers(ex, 3), strangers(ex, 4)])
    for first, second in ([1, 1], [1, 0]), ([1, 0], [1, 1]):
        has = np.repeat([first, second], B, axis=0)
        own = B * (second == [1, 0])
        np.testing.assert_array_equal(lookalikes.nearest(ex, faces_of(photos, has)), np.arange(B) + own)


def test_of_flips_that_nobody_shows_together_one_is_granted():
    """Broken: with both flipped, the photo itself is the target."""
    ex = flipped()
    ex = dataclasses.replace(ex, wanted_attrs=jnp.ones((B, ATTRS)))
    photos = jnp.concatenate([images.to_uint8(ex.real), images.to_uint8(-ex.real)])
    has = np.repeat([[0, 0], [0, 1]], B, axis=0)
    assert (np.asarray(lookalikes.nearest(ex, faces_of(photos, has))) >= B).all()


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_context_counts_by_what_is_left_of_it(share):
    """Broken: a grey pixel of the mask dims the context that is compared, or what is all hole is not a number."""
    ex = flipped()
    mask = jnp.full_like(ex.mask, share)
    ex = dataclasses.replace(ex, mask=mask, masked=holes.cut(ex.real, mask))
    photos = images.to_uint8(jnp.concatenate([ex.real, 0 * ex.real]))
    chosen = np.asarray(lookalikes.nearest(ex, faces_of(photos, np.tile([1, 0], (2 * B, 1)))))
    np.testing.assert_array_equal(chosen, np.arange(B) if share < 1 else np.zeros(B))


def test_the_goal_of_a_flip_is_the_face_in_the_hole():
    """Broken: unflipped examples change, the context does, the hole shows its own edge, or half of the photo."""
    ex = flipped((True, False, True, False))
    photos = strangers(ex)
    goal = np.asarray(lookalikes.goal(ex, faces_of(photos, np.tile([1, 0], (B, 1)))))
    asked, real = np.asarray(images.to_float(photos)), np.asarray(ex.real)
    np.testing.assert_array_equal(goal[1::2], real[1::2])
    np.testing.assert_allclose(goal[::2, 10:22, 10:22], asked[::2, 10:22, 10:22], atol=1e-6)
    np.testing.assert_array_equal(goal[:, :8], real[:, :8])
    at_rim = np.abs(goal - real)[::2, 8, 8:24].mean() / np.abs(asked - real)[::2, 8, 8:24].mean()
    assert 0 < at_rim < 0.5


@pytest.mark.parametrize("size_px", [4, 8, 16])
def test_faces_of_any_size(size_px):
    """Broken: a stage of 4 px compares, or shows, faces of another size."""
    ex = examples_by_hand((True,) * B, size_px)
    wanted = 1 - ex.attrs
    ex = dataclasses.replace(ex, wanted_attrs=wanted)
    photos = images.to_uint8(jax.image.resize(ex.real, (B, PX, PX, 3), "nearest"))
    goal = lookalikes.goal(ex, faces_of(photos, wanted))
    np.testing.assert_allclose(goal, ex.real, atol=0.01)


@pytest.mark.parametrize("count", [40, 4000])
def test_faces_are_the_first_photos(count, monkeypatch):
    """Broken: shapes are not those that the step was compiled for, labels are another photo's, or all are read."""
    monkeypatch.setattr(lookalikes, "FACES", 70)
    source = Known(count)
    found = lookalikes.faces(source)
    assert jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), found) == lookalikes.shapes(8, 2)
    photos, labels = source.load(np.arange(70) % count)
    np.testing.assert_array_equal(found.photos, photos)
    np.testing.assert_array_equal(found.attrs, labels)
    pooled = images.pool_to(jnp.asarray(found.contexts), 8)
    np.testing.assert_allclose(pooled, images.to_float(photos), atol=0.12)
