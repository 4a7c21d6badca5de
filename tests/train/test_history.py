"""The history buffer: earlier completions really come back, in D's batch, at their own position."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax import images
from fec_jax.train import history

BATCH, DEPTH, PX = 64, 3, 4


def level(number, batch=BATCH):
    """A batch whose example i has all pixels at a byte that tells the batch's number and i."""
    code = np.arange(batch) % 64 + 64 * number
    return images.to_float(np.broadcast_to(code[:, None, None, None], (batch, PX, PX, 3)).astype(np.uint8))


def codes(shown):
    """The bytes of `level`."""
    return np.asarray(images.to_uint8(shown))[:, 0, 0, 0].astype(int)


def keys(step, batch=BATCH):
    return jax.random.split(jax.random.key(step), batch)


mix = jax.jit(history.mix, static_argnums=3)


def filled(depth=DEPTH, batch=BATCH):
    """A buffer that has seen batches 0 .. depth - 1."""
    buffer = history.empty(batch, depth, PX)
    for step in range(depth):
        _, buffer, _ = mix(buffer, level(step, batch), keys(step, batch), 0.5)
    return buffer


def test_fresh_images_are_shown_while_there_is_room():
    """Broken: D is shown empty slots, black images, at the start."""
    buffer = history.empty(BATCH, DEPTH, PX)
    for step in range(DEPTH):
        shown, buffer, used = mix(buffer, level(step), keys(step), 1.0)
        np.testing.assert_array_equal(shown, level(step))
        assert used == 0
        assert (np.asarray(buffer.filled) == step + 1).all()
    for slot in range(DEPTH):
        np.testing.assert_array_equal(codes(images.to_float(buffer.images[:, slot])), codes(level(slot)))


def test_earlier_images_come_back():
    """Broken: the buffer is filled and never mixed in, a defect of public ports."""
    shown, _, used = mix(filled(), level(3), keys(9), 1.0)
    assert used == 1
    batch_numbers = codes(shown) // 64
    assert set(batch_numbers) == {0, 1, 2}, "all of the earlier ones, and never the fresh one"


def test_an_image_comes_back_at_its_own_position():
    """Broken: rings leak into one another, and a run depends on how the batch is split over devices."""
    shown, buffer, _ = mix(filled(), level(3), keys(9), 0.5)
    np.testing.assert_array_equal(codes(shown) % 64, np.arange(BATCH))
    for slot in range(DEPTH):
        np.testing.assert_array_equal(codes(images.to_float(buffer.images[:, slot])) % 64, np.arange(BATCH))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5])
def test_share_of_the_batch_that_is_old(share):
    """Broken: D sees more or fewer earlier completions than the config says."""
    buffer, count = filled(), []
    for step in range(30):
        shown, buffer, used = mix(buffer, level(3), keys(100 + step), share)
        count.append(float(used))
        if step == 0:
            assert (codes(shown) // 64 != 3).mean() == pytest.approx(float(used))
    assert np.mean(count) == pytest.approx(share, abs=0.04)


def test_a_shown_image_gives_its_place_to_the_fresh_one():
    """Broken: the buffer never changes once full, and D sees ever older completions."""
    before = filled()
    shown, after, _ = mix(before, level(3), keys(9), 0.5)
    was_old = codes(shown) // 64 != 3
    assert was_old.any()
    assert not was_old.all()
    changed = np.asarray((before.images != after.images).any(axis=(2, 3, 4)))
    np.testing.assert_array_equal(changed.sum(axis=1), was_old.astype(int))
    for i in np.flatnonzero(was_old):
        (slot,) = np.flatnonzero(changed[i])
        assert int(before.images[i, slot, 0, 0, 0]) == codes(shown)[i]
        assert int(after.images[i, slot, 0, 0, 0]) == codes(level(3))[i]
    np.testing.assert_array_equal(after.filled, DEPTH)


def test_positions_are_independent_of_the_batch():
    """Broken: the run depends on the number of devices: a half of the rings must do what it does within the whole."""
    whole = mix(filled(), level(3), keys(9), 0.5)
    buffer = jax.tree.map(lambda x: x[32:], filled())
    half = mix(buffer, level(3)[32:], keys(9)[32:], 0.5)
    np.testing.assert_array_equal(half[0], whole[0][32:])
    np.testing.assert_array_equal(half[1].images, whole[1].images[32:])


def test_images_come_back_within_half_a_byte():
    """Broken: keeping them as uint8 shifts or wraps values."""
    fresh = jax.random.uniform(jax.random.key(0), (4, PX, PX, 3), minval=-1.1, maxval=1.1)
    _, buffer, _ = mix(history.empty(4, 1, PX), fresh, keys(0, 4), 1.0)
    shown, _, used = mix(buffer, jnp.zeros_like(fresh), keys(1, 4), 1.0)
    assert used == 1
    np.testing.assert_allclose(shown, jnp.clip(fresh, -1, 1), atol=0.5 / 127.5 + 1e-6)


def test_depth_0_is_no_buffer():
    """Broken: the buffer cannot be turned off."""
    buffer = history.empty(4, 0, PX)
    shown, after, used = history.mix(buffer, level(1, 4), keys(0, 4), 0.5)
    np.testing.assert_array_equal(shown, level(1, 4))
    assert after is buffer
    assert used == 0
