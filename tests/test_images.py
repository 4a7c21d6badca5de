"""Sizes and ranges: hand-computed values, and the inverses that the rest of the project counts on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax import images


def random(*shape):
    return jax.random.uniform(jax.random.key(0), shape, minval=-1.0)


def test_pool2_averages_blocks():
    """Broken: low-resolution photos are not the average of the large ones, or rows and columns are mixed up."""
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(images.pool2(x)[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])


def test_pool2_keeps_examples_and_channels_apart():
    """Broken: photos of a batch, or colours, leak into one another."""
    x = random(3, 6, 4, 2)
    expected = (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
    np.testing.assert_allclose(images.pool2(x), expected, atol=1e-6)


def test_pool_to_is_repeated_pool2():
    """Broken: a mask pooled from full size does not match a photo pooled step by step."""
    x = random(2, 16, 16, 3)
    np.testing.assert_allclose(images.pool_to(x, 4), images.pool2(images.pool2(x)), atol=1e-6)
    np.testing.assert_array_equal(images.pool_to(x, 16), x)


def test_pool_to_needs_a_divisor():
    """Broken: an impossible size gives garbage instead of an error."""
    with pytest.raises(ValueError, match="16 px to 3 px"):
        images.pool_to(random(1, 16, 16, 3), 3)


def test_at_pools_or_enlarges_linearly():
    """Broken: an image of another size is moved, or made of single pixels."""
    ramp = jnp.broadcast_to(jnp.arange(8.0)[None, None, :, None], (2, 8, 8, 3))
    np.testing.assert_array_equal(images.at(ramp, 8), ramp)
    np.testing.assert_allclose(images.at(ramp, 4)[0, 0, :, 0], [0.5, 2.5, 4.5, 6.5])
    np.testing.assert_allclose(images.at(ramp, 16)[1, 5, 1:-1, 2], np.arange(14) / 2 + 0.25, atol=1e-6)


def test_up2_repeats_pixels():
    """Broken: the old image of a fade is not the smaller network's image enlarged."""
    x = jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    np.testing.assert_array_equal(images.up2(x)[0, :, :, 0], expected)


def test_pool2_undoes_up2():
    """Broken: growing by one resolution changes what the lower one sees."""
    x = random(2, 4, 6, 3)
    np.testing.assert_allclose(images.pool2(images.up2(x)), x, atol=1e-6)


def test_lerp_goes_from_old_to_new():
    """Broken: the fade runs the wrong way round, a defect of public ports."""
    old, new = random(2, 3), 5 + random(2, 3)
    np.testing.assert_array_equal(images.lerp(old, new, 0.0), old)
    np.testing.assert_array_equal(images.lerp(old, new, 1.0), new)
    np.testing.assert_allclose(images.lerp(old, new, 0.25), 0.75 * old + 0.25 * new, atol=1e-6)


def test_to_float_values():
    """Broken: networks see another range than [-1, 1]."""
    x = np.array([0, 51, 255], np.uint8)
    np.testing.assert_allclose(images.to_float(x), [-1.0, -0.6, 1.0], atol=1e-6)
    assert images.to_float(x).dtype == jnp.float32


def test_every_byte_comes_back():
    """Broken: known pixels change on the way through the network's range."""
    x = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(images.to_uint8(images.to_float(x)), x)


def test_to_uint8_rounds_and_clips():
    """Broken: a completion slightly out of range wraps around, white to black."""
    x = jnp.array([-1.7, -1.0, 0.0039, 1.0, 42.0])
    np.testing.assert_array_equal(images.to_uint8(x), [0, 0, 128, 255, 255])
    np.testing.assert_array_equal(images.to_uint8(images.to_float(np.uint8([7])) + 0.4 / 127.5), [7])


def test_grid_lays_pictures_out_by_rows():
    """Broken: the pictures of a run are shown in the wrong place, or run into one another."""
    rows = np.arange(6, dtype=np.uint8).reshape(2, 3, 1, 1, 1) * np.ones((1, 1, 4, 5, 3), np.uint8)
    sheet = images.grid(rows, gap_px=2)
    assert sheet.shape == (2 * 6 + 2, 3 * 7 + 2, 3)
    for i in range(2):
        for j in range(3):
            y, x = 2 + 6 * i, 2 + 7 * j
            assert (sheet[y : y + 4, x : x + 5] == 3 * i + j).all()
    assert (sheet == 255).all(axis=2).sum() == sheet[:, :, 0].size - 6 * 20


def test_batches_of_one_size():
    """Broken: images are left out, counted twice, or a last batch of another size compiles anew."""
    found = [(index.tolist(), new) for index, new in images.batches(5, 3)]
    assert found == [([0, 1, 2], 3), ([3, 4, 3], 2)]
    assert list(images.batches(0, 3)) == []
    assert [(index.tolist(), new) for index, new in images.batches(1, 3)] == [([0, 0, 0], 1)]
