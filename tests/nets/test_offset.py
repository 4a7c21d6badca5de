"""Where the face lies: what looks for it sees, and how the generator moves it to its usual place and back."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax.nets import offset
from fec_jax.nets.generator import Generator

G = Generator(max_px=64, base=64, cap=4, num_attrs=2, latent=8, growth="add", offset=True)
RNG = np.random.default_rng(5)
MOST_PX = round(64 * offset.LARGEST)


def inputs(left: int = 24):
    x = jnp.asarray(RNG.uniform(-1, 1, (2, 64, 64, 3)), jnp.float32)
    mask = jnp.zeros((2, 64, 64, 1)).at[:, 20:44, left : left + 20].set(1)
    return x * (1 - mask), mask, jnp.array([[0.0, 1.0], [1.0, 0.0]])


@functools.cache
def params(right: float = 0, down: float = 0):
    """As `init` makes them, but for the offset that is found: the same number of pixels, of 64, for all."""
    x = jnp.zeros((1, 4, 4, 3))
    made = G.init(jax.random.key(0), x, x[..., :1], jnp.zeros((1, 2)), 1.0, resolution_px=4)["params"]
    made = jax.tree.map(lambda x: x + 0.02 * jax.random.normal(jax.random.key(x.size), x.shape), made)
    last = {"kernel": jnp.zeros_like(made["offset_64"]["Dense_1"]["kernel"]), "bias": jnp.array([right, down]) / 2}
    return {**made, "offset_64": {**made["offset_64"], "Dense_1": last}}


def output(tree, given, network=G) -> np.ndarray:
    image: Any = jax.jit(functools.partial(network.apply, resolution_px=64))({"params": tree}, *given, 1.0)
    return np.asarray(image)


@pytest.mark.parametrize(("right", "down"), [(0, 0), (3, -2), (-5, 4)])
def test_images_are_moved_by_whole_pixels(right, down):
    """Broken: a wrong direction or axis, pixels are blurred, or the border comes in from the other side."""
    x = RNG.normal(size=(2, 8, 8, 3)).astype(np.float32)
    by_px = jnp.array([[right, down], [0, 0]], jnp.float32)
    found = np.asarray(jax.jit(offset.moved)(x, by_px))
    padded = np.pad(x[0], ((8, 8), (8, 8), (0, 0)), mode="edge")
    np.testing.assert_array_equal(found[0], padded[8 - down : 16 - down, 8 - right : 16 - right])
    np.testing.assert_array_equal(found[1], x[1])


def test_a_hole_that_would_leave_the_photo_keeps_it_where_it_is():
    """Broken: a part of the hole is moved out and comes back as a smear of the border; or the way is not limited."""
    found = jnp.array([[0.02, -0.02], [0.4, 0.0]])
    for left, moves in ((24, True), (0, False)):
        by_px = np.asarray(offset.whole_px(found, inputs(left)[1]))
        np.testing.assert_array_equal(by_px, [[-1, 1], [-MOST_PX, 0]] if moves else np.zeros((2, 2)))


def test_a_small_offset_is_borne():
    """Broken: aligned photos are moved by what is mostly error."""
    mask = inputs()[1]
    found = jnp.array([[0.9 * offset.LEAST, -1.1 * offset.LEAST], [0.0, 1.1 * offset.LEAST]])
    np.testing.assert_array_equal(np.asarray(offset.whole_px(found, mask)), [[0, 1], [0, -1]])


def test_a_larger_hole_asks_for_a_larger_offset():
    """Broken: the hole's area plays no part, shrinks what is borne, or counts as the batch's."""
    masks = [jnp.zeros((1, 64, 64, 1)).at[:, 16 : 16 + rows, 8:56].set(1) for rows in (20, 43)]
    mask = jnp.concatenate([*masks, masks[1]])
    assert mask.mean(axis=(1, 2, 3))[0] < offset.SURE_AREA < mask.mean(axis=(1, 2, 3))[1] < 2.1 * offset.SURE_AREA
    found = offset.LEAST * jnp.array([[1.1, -1.1], [1.8, -1.8], [2.2, 0]])
    assert (np.asarray(offset.whole_px(found, mask)) != 0).tolist() == [[True, True], [False, False], [True, False]]


def test_neither_hole_nor_border_are_looked_at():
    """Broken: it learns what comes in at the border of photos moved on purpose, and fails on photos."""
    masked, mask, _ = inputs()
    net, ring = offset.Offset(), 64 // offset.PX * offset.RING
    tree = net.init(jax.random.key(0), masked, mask)["params"]
    tree["Dense_1"]["kernel"] += jax.random.normal(jax.random.key(1), tree["Dense_1"]["kernel"].shape)
    apply = jax.jit(lambda x, m: net.apply({"params": tree}, x, m))
    inner = jnp.zeros_like(mask).at[:, ring:-ring, ring:-ring].set(1)
    same = apply(masked * inner, 1 - (1 - mask) * inner)
    np.testing.assert_array_equal(same, apply(masked, mask))
    assert np.abs(apply(masked.at[:, ring, ring:-ring].add(1), mask) - same).max() > 1e-4


def test_the_generator_works_where_faces_usually_are():
    """Broken: the image is moved the wrong way, or not back; or the mask is not moved along."""
    given, plain = inputs(), {name: x for name, x in params().items() if name != "offset_64"}
    network = G.clone(offset=False)
    by_px = jnp.tile(jnp.array([-3.0, 2.0]), (2, 1))
    there = (offset.moved(given[0], by_px), offset.moved(given[1], by_px), given[2])
    expected = np.array(offset.moved(jnp.asarray(output(plain, there, network)), -by_px))
    # What left the photo on the way is the photo's.
    expected[:, -2:], expected[:, :, :3] = given[0][:, -2:], given[0][:, :, :3]
    np.testing.assert_allclose(output(params(3, -2), given), expected, atol=1e-5)
    np.testing.assert_allclose(output(params(), given), output(plain, given, network), atol=1e-5)


def test_smaller_images_are_not_moved():
    """Broken: 32 px ask for layers that are born at 64."""
    x = jnp.ones((1, 32, 32, 3))
    run = functools.partial(G.apply, resolution_px=32)
    with_it, without = (
        run({"params": tree}, x, x[..., :1], jnp.zeros((1, 2)), 1.0)
        for tree in (params(3, -2), {name: x for name, x in params().items() if name != "offset_64"})
    )
    np.testing.assert_array_equal(np.asarray(with_it), np.asarray(without))


def test_completions_do_not_train_it():
    """Broken: a gradient comes through the rounding, and moves what was learnt of moved photos."""

    def loss(tree):
        image: Any = G.apply({"params": tree}, *inputs(), 1.0, resolution_px=64)
        return jnp.square(image).mean()

    grads = jax.jit(jax.grad(loss))(params(3, -2))
    assert not any(x.any() for x in jax.tree.leaves(grads["offset_64"]))
    assert np.abs(grads["decode_64"]["Conv_0"]["Conv_0"]["kernel"]).max() > 0


def test_networks_without_a_place_for_it_are_refused():
    with pytest.raises(ValueError, match="an offset needs 64 px or more"):
        G.clone(max_px=32).init(
            jax.random.key(0), *(jnp.zeros((1, 4, 4, n)) for n in (3, 1)), jnp.zeros((1, 2)), 1.0, resolution_px=4
        )
