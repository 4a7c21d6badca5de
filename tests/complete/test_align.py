"""Between photo and crop: nothing moves, nothing leaks, nothing aliases."""

import numpy as np
import pytest

from fec_jax.complete import align
from fec_jax.complete.align import Alignment, Square, around_eyes

RNG = np.random.default_rng(0)


def smooth(h, w):
    """A photo without fine detail: resampling loses almost nothing of it."""
    y, x = np.mgrid[:h, :w]
    waves = [127 + 60 * np.sin(x / a) + 50 * np.cos(y / b) for a, b in ((19, 23), (29, 17), (13, 31))]
    return np.stack(waves, -1).astype(np.uint8)


def turned(side, degrees, x, y):
    t = np.radians(degrees)
    return Square(np.array([[np.cos(t) * side, -np.sin(t) * side, x], [np.sin(t) * side, np.cos(t) * side, y]]))


def test_eyes_come_to_where_the_alignment_wants_them():
    """Broken: crops are turned or shifted against the training photos."""
    eyes = np.array([[310.0, 205.0], [370.0, 230.0]])
    square = around_eyes(eyes, Alignment(0.3, (0.45, 0.4)))
    np.testing.assert_allclose(square.to_crop(eyes), [[0.3, 0.4], [0.6, 0.4]], atol=1e-12)
    np.testing.assert_allclose(square.to_photo(square.to_crop(eyes)), eyes)
    assert square.side_px == pytest.approx(65 / 0.3)
    assert square.degrees == pytest.approx(np.degrees(np.arctan2(25, 60)))


def test_upright_square_is_area_averaging():
    """Broken: an aligned photo reaches the network shifted, or by another filter than in training."""
    photo = RNG.integers(0, 256, (96, 96, 3), np.uint8)
    masked, mask = align.network_input(photo, np.zeros((96, 96), bool), align.whole(slice(0, 96), slice(0, 96)), 16)
    pooled = photo.reshape(16, 6, 16, 6, 3).mean(axis=(1, 3)) / 127.5 - 1
    assert not mask.any()
    np.testing.assert_allclose(masked, pooled, atol=1.01 / 127.5)


@pytest.mark.parametrize(("side", "degrees"), [(60, 0), (200, 25), (173.3, -90), (400, 160), (20, 40)])
def test_there_and_back(side, degrees):
    """Broken: what the network sees at one place is put back at another."""
    photo = smooth(500, 600)
    t = np.radians(degrees)
    corner = np.array([300.0, 250.0]) - side / 2 * np.array([np.cos(t) - np.sin(t), np.sin(t) + np.cos(t)])
    square = turned(side, degrees, *corner)
    masked, _ = align.network_input(photo, np.zeros((500, 600), bool), square, 64)
    rows, columns = square.bounds(500, 600)
    back = (align.to_photo(masked, square, rows, columns) + 1) * 127.5
    u, v = square.coordinates(rows, columns)
    inside = (np.abs(u - 0.5) < 0.4) & (np.abs(v - 0.5) < 0.4)
    assert np.abs(back - photo[rows, columns])[inside].mean() < 2.5


def test_shrinking_does_not_alias():
    """Broken: fine stripes of a large photo reach the network as coarse ones."""
    photo = np.zeros((900, 900, 3), np.uint8)
    photo[:, ::2] = 255
    masked, _ = align.network_input(photo, np.zeros((900, 900), bool), turned(600, 17, 250, 100), 32)
    assert np.abs(masked).max() < 0.06


@pytest.mark.parametrize("degrees", [0, 30])
def test_a_face_that_is_far_larger_is_shrunk_first(degrees, monkeypatch):
    """Broken: eyes that are thousands of pixels apart take gigabytes; or the crop is another one for that."""
    photo = smooth(325, 300).repeat(4, axis=0).repeat(4, axis=1)
    square = turned(1000, degrees, 300, 100)
    monkeypatch.setattr(align, "FINE", 100)
    plain = align.cut_out(photo, square, 32).astype(int)
    turns, warp = [], align._warp
    monkeypatch.setattr(align, "_warp", lambda x, s, size, **more: turns.append(size) or warp(x, s, size, **more))
    monkeypatch.setattr(align, "FINE", 4)
    shrunk = align.cut_out(photo, square, 32)
    assert np.abs(shrunk - plain).max() <= 6
    assert np.abs(shrunk - plain).mean() < 0.6
    assert turns[0] <= 5 * 32
    align.cut_out(photo, turned(40_000, degrees, -9_000, -20_000), 32)
    assert max(turns) <= 5 * 32


@pytest.mark.parametrize("shape", [(4000, 7), (7, 4000)])
def test_a_strip_of_a_photo(shape):
    """Broken: a photo that is a few pixels wide ends in OpenCV's error, since none of them would be left."""
    square = turned(16_000, 0, -100, -100)
    photo = np.full((*shape, 3), 200, np.uint8)
    assert (align.cut_out(photo, square, 32) == 200).all()
    _, mask = align.network_input(photo, np.zeros(shape, bool), square, 32)
    assert mask.shape == (32, 32, 1)


@pytest.mark.parametrize(("side", "degrees"), [(40, 0), (200, 25), (333, -70)])
def test_nothing_under_the_mask_leaks(side, degrees):
    """Broken: interpolation carries what the mask hides into the network, or calls a half-known pixel known."""
    photo = RNG.integers(0, 256, (400, 400, 3), np.uint8)
    hole = np.zeros((400, 400), bool)
    hole[190:230, 180:215] = True
    other = np.where(hole[..., None], 255 - photo, photo)
    square = turned(side, degrees, 200, 150)
    (a, mask), (b, _) = (align.network_input(x, hole, square, 64) for x in (photo, other))
    np.testing.assert_array_equal(a, b)
    assert 0 < mask.mean() < 1
    assert not a[mask[..., 0] > 0].any()
    white = np.where(hole[..., None], np.uint8(0), np.uint8(255)).repeat(3, axis=2)
    masked, mask = align.network_input(white, hole, square, 64)
    np.testing.assert_allclose(masked[(mask[..., 0] == 0)], 1, atol=1e-6)


def test_beyond_the_photo_is_hole():
    """Broken: the network is shown an invented border as if it were the photo."""
    photo = np.full((100, 100, 3), 200, np.uint8)
    square = turned(100, 0, -50, -25)
    _, mask = align.network_input(photo, np.zeros((100, 100), bool), square, 16)
    assert mask[:, :8].all()
    assert mask[:4].all()
    assert not mask[5:, 9:].any()


def test_covers_and_bounds():
    """Broken: pixels that the network does not see count as seen."""
    square = turned(10, 0, 5, 3)
    seen = square.covers(slice(0, 20), slice(0, 20))
    assert seen.sum() == 100
    assert seen[3:13, 5:15].all()
    assert square.bounds(20, 20) == (slice(3, 13), slice(5, 15))
    assert turned(10, 0, 18, -4).bounds(20, 20) == (slice(0, 6), slice(18, 20))
