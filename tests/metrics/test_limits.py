"""Seam, symmetry and texture of hand-made completions, whose figures are known beforehand."""

import numpy as np
import pytest

from fec_jax.data.synthetic.source import SyntheticFaces
from fec_jax.masks import holes
from fec_jax.metrics import limits

ndimage = pytest.importorskip("scipy.ndimage", reason="the extra eval is not installed")
pytest.importorskip("skimage", reason="the extra eval is not installed")

PX = 64
FACES, _ = SyntheticFaces(3, PX, split="train").load(range(3))
MASK = np.broadcast_to(np.asarray(holes.center(PX)), (3, PX, PX, 1))
FLAT = np.full((1, PX, PX, 3), 100, np.uint8)
EYES = {"left": (slice(26, 32), slice(21, 28)), "right": (slice(26, 32), slice(36, 43))}
LEFT, RIGHT = EYES["left"], EYES["right"]


def painted(photos, place, colour):
    result = photos.copy()
    result[:, *place] = colour
    return result


def pasted(fake, real, mask=MASK):
    return np.where(mask[: len(real)] > 0, fake, real).astype(np.uint8)


@pytest.mark.parametrize("metric", limits.LIMITS.values(), ids=limits.LIMITS)
def test_the_photo_itself_has_0(metric):
    """Broken: what photos have anyway is held against completions."""
    found = metric(FACES, FACES, MASK)
    assert (found.shape, found.dtype) == ((3,), np.float64)
    np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize("metric", limits.LIMITS.values(), ids=limits.LIMITS)
def test_each_image_has_its_own_mask(metric):
    """Broken: images or masks of a batch are mixed up."""
    completed = pasted(np.clip(FACES * 0.9 + np.indices((3, PX, PX, 3)).sum(axis=0) % 9, 0, 255), FACES)
    mask = MASK.copy()
    mask[1, :40] = 0
    together = metric(completed, FACES, mask)
    alone = [metric(completed[i : i + 1], FACES[i : i + 1], mask[i : i + 1])[0] for i in range(3)]
    np.testing.assert_array_equal(together, alone)


def test_seam_of_an_offset():
    """Broken: the seam is not in grey levels, or pairs away from the rim count."""
    np.testing.assert_allclose(limits.seam(pasted(FLAT + 7, FLAT), FLAT, MASK[:1]), 7)
    np.testing.assert_allclose(limits.seam(pasted(FLAT - 7, FLAT), FLAT, MASK[:1]), 7)
    inner = painted(FLAT, (slice(20, 30), slice(20, 30)), 250)
    np.testing.assert_array_equal(limits.seam(inner, FLAT, MASK[:1]), 0)


def test_seam_by_hand():
    """Broken: pairs are missing or counted twice. One pixel of hole has 4 neighbours outside, in a corner 2."""
    mask = np.zeros((2, PX, PX, 1), np.float32)
    mask[0, 5, 5] = mask[1, 0, 0] = 1
    real = np.zeros((2, PX, PX, 3), np.uint8)
    real[0, 5, 6] = 30  # one of its 4 steps was there before: (10 + 10 + 10 + 20 - 30) / 4
    completed = pasted(real + 10, real, mask)
    np.testing.assert_allclose(limits.seam(completed, real, mask), [5, 10])


def test_a_smoother_rim_is_below_0():
    """Broken: a completion that loses contours seems to have a seam."""
    x = np.indices((1, PX, PX, 3))
    stripes = (100 + 50 * ((x[1] + x[2]) % 2)).astype(np.uint8)
    np.testing.assert_allclose(limits.seam(pasted(FLAT + 25, stripes), stripes, MASK[:1]), -25)


def test_no_rim_no_seam():
    """Broken: 0, the best there is, where nothing can be seen."""
    mask = np.concatenate([np.zeros((1, PX, PX, 1), np.float32), np.ones((1, PX, PX, 1), np.float32)])
    assert np.isnan(limits.seam(FACES[:2], FACES[:2], mask)).all()


def test_symmetry_of_recoloured_eyes():
    """Broken: the irises are looked for elsewhere, or the difference is no delta E. Greys of sRGB 119 and 185 have the
    lightness 50.03 and 75.14."""
    grey = painted(painted(FLAT, LEFT, 119), RIGHT, 119)
    np.testing.assert_allclose(limits.symmetry(painted(grey, RIGHT, 185), grey, MASK[:1]), 75.14 - 50.03, atol=0.02)
    np.testing.assert_allclose(limits.symmetry(painted(grey, LEFT, 185), grey, MASK[:1]), 75.14 - 50.03, atol=0.02)
    both = painted(painted(grey, LEFT, 185), RIGHT, 185)
    np.testing.assert_allclose(limits.symmetry(both, grey, MASK[:1]), 0, atol=1e-6)


def test_eyes_more_alike_than_the_photos_are_below_0():
    """Broken: unlike eyes of the photo are blamed on a completion that has alike ones."""
    odd = painted(FLAT, LEFT, (40, 60, 120))
    assert limits.symmetry(FLAT, odd, MASK[:1])[0] == pytest.approx(-limits.symmetry(odd, FLAT, MASK[:1])[0])
    assert limits.symmetry(FLAT, odd, MASK[:1])[0] < -20


@pytest.mark.parametrize("px", [32, 64, 128])
def test_one_recoloured_eye_of_drawn_faces(px):
    """Broken: the alignment is read wrongly at other resolutions: irises there are not what is measured."""
    faces, _ = SyntheticFaces(2, px, split="train").load(range(2))
    mask = np.ones((2, px, px, 1), np.float32)
    reach = px // 32
    y, x = round(0.45 * px), round(0.62 * px)
    eye = (slice(y - 2 * reach, y + 2 * reach), slice(x - 2 * reach, x + 2 * reach))
    assert (limits.symmetry(painted(faces, eye, (0, 200, 0)), faces, mask) > 30).all()
    mouth = (slice(int(0.65 * px), int(0.8 * px)), slice(int(0.3 * px), int(0.7 * px)))
    np.testing.assert_array_equal(limits.symmetry(painted(faces, mouth, (0, 200, 0)), faces, mask), 0)


@pytest.mark.parametrize("eye", EYES.values(), ids=EYES)
def test_no_symmetry_unless_both_eyes_are_made(eye):
    """Broken: an eye of the photo is measured, or half of one."""
    mask = MASK.copy()
    mask[:, eye[0].start + 3 : eye[0].stop, *eye[1:]] = 0
    assert np.isnan(limits.symmetry(FACES, FACES, mask)).all()


def speckled(deviation):
    noise = np.random.default_rng(0).normal(0, deviation, (1, PX, PX, 3))
    return np.clip(np.rint(FLAT + noise), 0, 255).astype(np.uint8)


def test_texture_of_more_and_less_grain():
    """Broken: texture is no log2 of energies. Twice the deviation is four times the energy."""
    np.testing.assert_allclose(limits.texture(speckled(20), speckled(10), MASK[:1]), 2, atol=0.05)
    np.testing.assert_allclose(limits.texture(speckled(10), speckled(20), MASK[:1]), -2, atol=0.05)


def test_texture_lost():
    """Broken: blurred skin passes, or smooth skin is minus infinity and spoils every mean."""
    real = speckled(10)
    blurred = pasted(ndimage.gaussian_filter(real.astype(float), (0, 1, 1, 0)), real)
    smooth = limits.texture(pasted(FLAT, real), real, MASK[:1])
    assert smooth[0] < limits.texture(blurred, real, MASK[:1])[0] < -2
    assert np.isfinite(smooth).all()


def test_texture_is_of_skin_in_the_hole():
    """Broken: eyes, mouth, backdrop, or a seam count as texture."""
    real = speckled(10)
    for place in ((slice(40, 48), slice(25, 39)), LEFT, RIGHT, (slice(0, 16), slice(0, PX))):
        np.testing.assert_allclose(limits.texture(painted(real, place, 0), real, MASK[:1]), 0, atol=1e-3)
    np.testing.assert_allclose(limits.texture(pasted(real + 40, real), real, MASK[:1]), 0, atol=1e-9)
    for place in ((slice(17, 20), slice(25, 39)), (slice(35, 38), slice(18, 22)), (slice(35, 38), slice(42, 46))):
        assert limits.texture(painted(real, place, 0), real, MASK[:1])[0] > 0.5


def test_no_texture_without_skin():
    """Broken: a figure of nothing, or of a few pixels."""
    mask = np.zeros((2, PX, PX, 1), np.float32)
    mask[0, 42:50, 24:40] = 1
    mask[1, 18:20, 30:34] = 1
    assert np.isnan(limits.texture(FACES[:2], FACES[:2], mask)).all()
