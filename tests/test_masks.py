"""Masks: their statistics against what the sampler promises, and the rim that the boundary loss weighs with."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax import images, masks

PX = 64


@functools.cache
def drawn(min_side, max_side, threshold, cells=4, center_share=0.0, wide_share=0.0):
    """600 masks of a sampler, [600, PX, PX] of 0/1."""
    sampler = masks.MaskSampler(min_side, max_side, cells, threshold, center_share, wide_share)
    keys = jax.random.split(jax.random.key(3), 600)
    return np.asarray(jax.jit(lambda k: sampler(k, PX))(keys))[..., 0]


def extent(sheet):
    """Of every mask: first row, rows, first column, columns of the box around its hole."""
    result = []
    for line in (sheet.any(axis=2), sheet.any(axis=1)):
        first = line.argmax(axis=1)
        result += [first, line.shape[1] - line[:, ::-1].argmax(axis=1) - first]
    return result


def test_masks_are_binary_and_differ():
    """Broken: holes are grey at full size, or every example has the same hole."""
    sheet = drawn(0.3, 0.75, 0.35)
    assert set(np.unique(sheet)) == {0.0, 1.0}
    assert len({m.tobytes() for m in sheet}) > 590


def test_rectangle_sides_are_uniform_in_their_range():
    """Broken: holes are larger or smaller than the config says, or always square."""
    _, height, _, width = extent(drawn(0.3, 0.75, 0.0))
    for side in (height / PX, width / PX):
        assert side.min() >= 0.3 - 1.5 / PX
        assert side.max() <= 0.75 + 1.5 / PX
        assert side.mean() == pytest.approx(0.525, abs=0.02)
        assert side.std() == pytest.approx(0.45 / 12**0.5, abs=0.015)
        assert side.min() < 0.33
        assert side.max() > 0.72
    assert abs(np.corrcoef(height, width)[0, 1]) < 0.15, "the sides are not independent"


def test_rectangle_positions_are_uniform_within_the_image():
    """Broken: holes avoid the border, crowd in one corner or lie on the diagonal."""
    top, height, left, width = extent(drawn(0.3, 0.75, 0.0))
    for start, size in ((top, height), (left, width)):
        place = start / (PX - size)
        assert place.mean() == pytest.approx(0.5, abs=0.04)
        assert place.std() == pytest.approx(12**-0.5, abs=0.03)
        assert start.min() <= 1
        assert (start + size).max() >= PX - 1
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.15, "rows and columns are not independent"


def test_threshold_0_fills_the_rectangle():
    """Broken: the noise reaches only a part of its rectangle."""
    sheet = drawn(0.3, 0.75, 0.0)
    _, height, _, width = extent(sheet)
    np.testing.assert_array_equal(sheet.sum(axis=(1, 2)), height * width)


def test_threshold_1_gives_no_hole():
    """Broken: the threshold is compared the wrong way round."""
    assert not drawn(1.0, 1.0, 1.0).any()


@pytest.mark.parametrize(("threshold", "low", "high"), [(0.2, 0.88, 0.98), (0.5, 0.46, 0.54)])
def test_area_is_about_one_minus_threshold_of_the_rectangle(threshold, low, high):
    """Broken: holes cover another share of their rectangle than the config's threshold promises.

    Bilinear noise is less spread than uniform, so the share is above 1 - threshold below 1/2, and 1/2 there.
    """
    area = drawn(1.0, 1.0, threshold).mean()
    assert low < area < high


def test_noise_makes_other_shapes_than_rectangles():
    """Broken: the noise is left out, and every hole is a plain rectangle (a defect of public ports)."""
    sheet = drawn(1.0, 1.0, 0.5)
    _, height, _, width = extent(sheet)
    filled = sheet.sum(axis=(1, 2)) / (height * width)
    assert (filled < 0.95).mean() > 0.95


def test_noise_is_enlarged_smoothly():
    """Broken: the enlargement is by pixel, or noise is drawn per pixel: the hole's edge is then salt and pepper.

    With 4 cells over 64 px the sides of a hole are long: a pixel differs from its neighbour rarely.
    """
    inside = drawn(1.0, 1.0, 0.5)
    changes = np.abs(np.diff(inside, axis=2)).mean()
    assert 0.005 < changes < 0.05


def test_bilinear_values_by_hand():
    """Broken: the noise image lies shifted or stretched in its rectangle.

    One cell is constant over the rectangle: each mask is then full or empty, full with probability 1 - threshold.
    """
    sheet = drawn(1.0, 1.0, 0.3, cells=1)
    means = sheet.mean(axis=(1, 2))
    assert set(np.unique(means)) == {0.0, 1.0}
    assert means.mean() == pytest.approx(0.7, abs=0.05)


def test_center_share():
    """Broken: the centre squares never come, or nothing else does (a defect of public ports)."""

    def is_square(sheet, share):
        return (sheet == np.asarray(masks.center(PX, share))[..., 0]).all(axis=(1, 2)).mean()

    assert is_square(drawn(0.3, 0.75, 0.35), 0.5) == is_square(drawn(0.3, 0.75, 0.35), 0.75) == 0
    sheet = drawn(0.3, 0.75, 0.35, center_share=0.4, wide_share=0.2)
    assert is_square(sheet, 0.5) == pytest.approx(0.4, abs=0.06)
    assert is_square(sheet, 0.75) == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("share", ["stroke_share", "box_share"])
def test_strokes_and_boxes_have_the_area_asked_for(share):
    """Broken: training never sees small or large holes of this kind, or sees empty and full ones."""
    sampler = masks.MaskSampler(**{share: 1.0}, min_area=0.05, max_area=0.6)
    area = np.asarray(jax.jit(lambda k: sampler(k, PX))(jax.random.split(jax.random.key(3), 400))).mean(axis=(1, 2, 3))
    assert 0.03 < area.min() < 0.08
    assert 0.57 < area.max() < 0.63
    assert area.mean() == pytest.approx(0.325, abs=0.03)


def test_boxes_lie_anywhere_and_are_whole():
    """Broken: a box has holes, is cut off at the border, keeps to one place, or is always square."""
    make = jax.jit(jax.vmap(lambda key: masks.box(key, PX, 0.25)))
    sheet = np.asarray(make(jax.random.split(jax.random.key(3), 400)))[..., 0]
    top, height, left, width = extent(sheet)
    np.testing.assert_array_equal(sheet.sum(axis=(1, 2)), height * width)
    assert (np.abs(height * width / PX**2 - 0.25) < 0.03).all()
    assert (top == 0).any()
    assert (top + height == PX).any()
    assert left.std() > 5
    assert 0.45 < (height / width).min() < 0.6
    assert 1.7 < (height / width).max() < 2.2


def test_strokes_are_round_and_of_few_pieces():
    """Broken: strokes are dots all over or boxes: a stroke's hole fills its box in part, and its edge is short."""
    make = jax.jit(jax.vmap(lambda key: masks.strokes(key, PX, 0.15)))
    sheet = np.asarray(make(jax.random.split(jax.random.key(3), 100)))[..., 0]
    assert set(np.unique(sheet)) == {0.0, 1.0}
    assert np.abs(sheet.mean(axis=(1, 2)) - 0.15).max() < 0.03
    _, height, _, width = extent(sheet)
    assert (sheet.sum(axis=(1, 2)) / (height * width)).mean() < 0.7
    edge = np.abs(np.diff(sheet, axis=1)).sum(axis=(1, 2)) + np.abs(np.diff(sheet, axis=2)).sum(axis=(1, 2))
    assert edge.max() < 10 * PX
    assert len({m.tobytes() for m in sheet}) == 100


def test_all_kinds_of_masks_come_as_often_as_asked():
    """Broken: strokes or boxes take the place of centre squares, or the paper's masks never come."""
    sampler = masks.MaskSampler(center_share=0.2, wide_share=0.2, stroke_share=0.2, box_share=0.2, max_area=0.2)
    sheet = np.asarray(jax.jit(lambda k: sampler(k, PX))(jax.random.split(jax.random.key(4), 600)))[..., 0]
    assert (sheet == np.asarray(masks.center(PX))[..., 0]).all(axis=(1, 2)).mean() == pytest.approx(0.2, abs=0.06)
    assert (sheet == np.asarray(masks.center(PX, masks.WIDE))[..., 0]).all(axis=(1, 2)).mean() == pytest.approx(
        0.2, abs=0.06
    )
    _, height, _, width = extent(sheet)
    small = sheet.mean(axis=(1, 2)) < 0.205
    boxes = small & (sheet.sum(axis=(1, 2)) == height * width)
    assert boxes.mean() == pytest.approx(0.2, abs=0.06)
    others = drawn(0.3, 0.75, 0.35)
    of_paper = 0.2 * (others.mean(axis=(1, 2)) < 0.205).mean()
    assert small.mean() - boxes.mean() == pytest.approx(0.2 + of_paper, abs=0.06)


def test_wide_square_by_hand():
    """Broken: the wide square is not three quarters of the side: 2 .. 13 of 16 rows and columns."""
    expected = np.zeros((16, 16, 1))
    expected[2:14, 2:14] = 1
    np.testing.assert_array_equal(masks.center(16, masks.WIDE), expected)


def test_a_mask_depends_on_its_key_alone():
    """Broken: an example's hole changes with the batch it is in, and a resumed run differs."""
    sampler = jax.jit(lambda keys: masks.MaskSampler()(keys, 16))
    keys, others = jax.random.split(jax.random.key(1), 4), jax.random.split(jax.random.key(2), 2)
    mask, in_other_company = sampler(keys), sampler(jnp.concatenate([others, keys[:2]]))
    np.testing.assert_array_equal(in_other_company[2:], mask[:2])


@pytest.mark.parametrize("size_px", [4, 8, 32])
def test_center_square(size_px):
    """Broken: the held-out figures are of another hole than half the side, in the middle."""
    expected = np.zeros((size_px, size_px, 1))
    expected[size_px // 4 : 3 * size_px // 4, size_px // 4 : 3 * size_px // 4] = 1
    np.testing.assert_array_equal(masks.center(size_px), expected)


def box(top=10, bottom=20, left=8, right=24, size_px=32):
    return jnp.zeros((1, size_px, size_px, 1)).at[:, top:bottom, left:right].set(1.0)


def test_rim_is_zero_far_from_the_seam_on_both_sides():
    """Broken: the boundary loss pulls at pixels that have nothing to do with the seam."""
    rim = np.asarray(masks.rim(box()))[0, :, :, 0]
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
    rim = np.asarray(masks.rim(mask))[0, :, 16, 0]
    expected = np.zeros(32)
    expected[13:19] = 2 / 7
    expected[[12, 19]] = 1 / 7
    np.testing.assert_allclose(rim, expected, atol=1e-6)


def test_rim_is_the_same_for_hole_and_context():
    """Broken: only one side of the seam counts."""
    np.testing.assert_allclose(masks.rim(box()), masks.rim(1 - box()), atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_empty_and_full_masks_have_no_rim(value):
    """Broken: the image's own border counts as a seam."""
    assert not np.asarray(masks.rim(jnp.full((1, 16, 16, 1), value))).any()


def test_rim_of_a_grey_mask():
    """Broken: a pooled mask has no rim, or one of a threshold's making."""
    rim = masks.rim(jnp.zeros((1, 16, 16, 1)).at[:, 8:].set(0.5))
    assert float(rim.max()) == pytest.approx(1 / 7)


def test_cut_and_paste():
    """Broken: the network sees what it is to complete, or known pixels are not the input's own."""
    real, fake = jnp.full((1, 4, 4, 3), 0.6), jnp.full((1, 4, 4, 3), -0.2)
    mask = masks.center(4)[None]
    masked, completed = masks.cut(real, mask), masks.paste(fake, real, mask)
    hole = np.asarray(mask[0, :, :, 0]) == 1
    assert (np.asarray(masked)[0][hole] == 0).all()
    np.testing.assert_array_equal(np.asarray(masked)[0][~hole], np.float32(0.6))
    np.testing.assert_array_equal(np.asarray(completed)[0][hole], np.float32(-0.2))
    np.testing.assert_array_equal(np.asarray(completed)[0][~hole], np.float32(0.6))


def test_grey_pixels_are_mixtures():
    """Broken: what `masks` says of grey masks does not hold."""
    real, fake, grey = jnp.full((1, 4, 4, 3), 0.8), jnp.full((1, 4, 4, 3), -0.4), jnp.full((1, 4, 4, 1), 0.25)
    np.testing.assert_allclose(masks.cut(real, grey), 0.6, atol=1e-6)
    np.testing.assert_allclose(masks.paste(fake, real, grey), 0.5, atol=1e-6)


def test_pooled_masks_keep_their_area():
    """Broken: a low resolution has other holes than the final one."""
    mask = drawn(0.3, 0.75, 0.35)[:20, :, :, None]
    small = masks.pooled(jnp.asarray(mask), 8)
    np.testing.assert_allclose(small.mean(axis=(1, 2, 3)), mask.mean(axis=(1, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(small, images.pool_to(jnp.asarray(mask), 8))
    assert ((np.asarray(small) > 0) & (np.asarray(small) < 1)).any()


@pytest.mark.parametrize("width", [0, 1, 4])
def test_feathering_by_hand_on_a_straight_seam(width):
    """Broken: the softening reaches into the context, is steeper or wider than said, or has a step at its end."""
    mask = jnp.zeros((1, 32, 32, 1)).at[:, :, 10:].set(1)
    soft = np.asarray(masks.feathered(mask, width))[0, 16, : -width or None, 0]
    inside = np.arange(len(soft)) - 10
    expected = np.where(inside < 0, 0, np.minimum(1, (2 * inside + 1) / (2 * width + 1)))
    np.testing.assert_allclose(soft, expected, atol=1e-6)


def test_feathering_stays_inside_any_hole():
    """Broken: something of what a wish asks for is asked of the context."""
    mask = masks.MaskSampler()(jax.random.split(jax.random.key(0), 16), 32)
    soft = np.asarray(masks.feathered(mask, 2))
    assert (soft <= np.asarray(mask)).all()
    assert (soft >= 0).all()
    assert soft.max() == pytest.approx(1)
