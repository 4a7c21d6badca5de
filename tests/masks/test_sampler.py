"""Random masks: their statistics against what the sampler promises."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax.masks import holes
from fec_jax.masks.sampler import MaskSampler, box, strokes

PX = 64


@functools.cache
def drawn(min_side, max_side, threshold, cells=4, center_share=0.0, wide_share=0.0):
    """600 masks of a sampler, [600, PX, PX] of 0/1."""
    sampler = MaskSampler(min_side, max_side, cells, threshold, center_share, wide_share)
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
        return (sheet == np.asarray(holes.center(PX, share))[..., 0]).all(axis=(1, 2)).mean()

    assert is_square(drawn(0.3, 0.75, 0.35), 0.5) == is_square(drawn(0.3, 0.75, 0.35), 0.75) == 0
    sheet = drawn(0.3, 0.75, 0.35, center_share=0.4, wide_share=0.2)
    assert is_square(sheet, 0.5) == pytest.approx(0.4, abs=0.06)
    assert is_square(sheet, 0.75) == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("share", ["stroke_share", "box_share"])
def test_strokes_and_boxes_have_the_area_asked_for(share):
    """Broken: training never sees small or large holes of this kind, or sees empty and full ones."""
    sampler = MaskSampler(**{share: 1.0}, min_area=0.05, max_area=0.6)
    area = np.asarray(jax.jit(lambda k: sampler(k, PX))(jax.random.split(jax.random.key(3), 400))).mean(axis=(1, 2, 3))
    assert 0.03 < area.min() < 0.08
    assert 0.57 < area.max() < 0.63
    assert area.mean() == pytest.approx(0.325, abs=0.03)


@pytest.mark.parametrize("share", ["stroke_share", "box_share"])
def test_the_area_does_not_depend_on_what_chose_the_kind(share):
    """Broken: in a mix of kinds, strokes and boxes are all of nearly the same size, as the share of their kind is."""
    sampler = MaskSampler(center_share=0.4, wide_share=0.4, **{share: 0.2}, min_area=0.05, max_area=0.6)
    sheet = np.asarray(jax.jit(lambda k: sampler(k, PX))(jax.random.split(jax.random.key(3), 1500)))[..., 0]
    squares = [np.asarray(holes.center(PX, side))[..., 0] for side in (0.5, 0.75)]
    area = sheet[~np.any([(sheet == square).all(axis=(1, 2)) for square in squares], axis=0)].mean(axis=(1, 2))
    assert len(area) > 200
    quarters = np.histogram(area, bins=4, range=(0.03, 0.62))[0] / len(area)
    assert (np.abs(quarters - 0.25) < 0.1).all()


def test_boxes_lie_anywhere_and_are_whole():
    """Broken: a box has holes, is cut off at the border, keeps to one place, or is always square."""
    make = jax.jit(jax.vmap(lambda key: box(key, PX, 0.25)))
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
    make = jax.jit(jax.vmap(lambda key: strokes(key, PX, 0.15)))
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
    sampler = MaskSampler(center_share=0.2, wide_share=0.2, stroke_share=0.2, box_share=0.2, max_area=0.2)
    sheet = np.asarray(jax.jit(lambda k: sampler(k, PX))(jax.random.split(jax.random.key(4), 600)))[..., 0]
    assert (sheet == np.asarray(holes.center(PX))[..., 0]).all(axis=(1, 2)).mean() == pytest.approx(0.2, abs=0.06)
    assert (sheet == np.asarray(holes.center(PX, holes.WIDE))[..., 0]).all(axis=(1, 2)).mean() == pytest.approx(
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
    np.testing.assert_array_equal(holes.center(16, holes.WIDE), expected)


def test_a_mask_depends_on_its_key_alone():
    """Broken: an example's hole changes with the batch it is in, and a resumed run differs."""
    sampler = jax.jit(lambda keys: MaskSampler()(keys, 16))
    keys, others = jax.random.split(jax.random.key(1), 4), jax.random.split(jax.random.key(2), 2)
    mask, in_other_company = sampler(keys), sampler(jnp.concatenate([others, keys[:2]]))
    np.testing.assert_array_equal(in_other_company[2:], mask[:2])
