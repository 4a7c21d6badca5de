"""L1, PSNR and SSIM, of the hole and of whole images, against values worked out by hand or the slow way."""

import importlib.util

import jax.numpy as jnp
import numpy as np
import pytest

from fec_jax import images
from fec_jax.masks import holes
from fec_jax.metrics import pixel

MASK = holes.center(4)[None]


def flat(value):
    return images.to_float(np.full((1, 4, 4, 3), value, np.uint8))


def test_a_difference_of_51():
    """Broken: errors are on another scale than 8-bit values over 255. 51 / 255 = 0.2; -10 log10(0.04) = 13.979 dB."""
    assert float(pixel.l1_hole(flat(100), flat(151), MASK)[0]) == pytest.approx(0.2, rel=1e-5)
    assert float(pixel.psnr_hole(flat(100), flat(151), MASK)[0]) == pytest.approx(13.9794, abs=1e-3)


def test_only_the_hole_counts():
    """Broken: the copied context makes every completion look good."""
    real = flat(100)
    outside = jnp.where(MASK > 0, real, 1.0)
    assert float(pixel.l1_hole(outside, real, MASK)[0]) == 0
    inside = jnp.where(MASK > 0, flat(151), real)
    assert float(pixel.l1_hole(inside, real, MASK)[0]) == pytest.approx(0.2, rel=1e-5)
    assert float(pixel.psnr_hole(inside, real, MASK)[0]) == pytest.approx(13.9794, abs=1e-3)


def test_psnr_is_of_the_mean_square_of_an_image():
    """Broken: PSNR is a mean of pixels' PSNR. One of 12 hole values off by 1: -10 log10(1/12) = 10.79 dB."""
    completed = flat(0).at[0, 1, 1, 0].set(1.0)
    assert float(pixel.psnr_hole(completed, flat(0), MASK)[0]) == pytest.approx(10 * np.log10(12), abs=1e-3)
    assert float(pixel.l1_hole(completed, flat(0), MASK)[0]) == pytest.approx(1 / 12, rel=1e-5)


def test_identical_images_have_100_db():
    """Broken: a perfect completion gives infinity, and spoils every mean."""
    assert float(pixel.psnr_hole(flat(7), flat(7), MASK)[0]) == pytest.approx(100, abs=1e-3)
    assert float(pixel.psnr_hole(flat(7), flat(7), 0 * MASK)[0]) == pytest.approx(100, abs=1e-3)


def test_rounded_and_clipped_as_a_file_would_be():
    """Broken: the figures are of something no one can save."""
    beyond = jnp.full((1, 4, 4, 3), 1.8)
    assert float(pixel.l1_hole(beyond, flat(255), MASK)[0]) == 0
    assert float(pixel.l1_hole(flat(100) + 0.4 / 127.5, flat(100), MASK)[0]) == 0


def test_each_image_has_its_own():
    """Broken: images of a batch are pooled."""
    completed, real = jnp.concatenate([flat(0), flat(51)]), jnp.concatenate([flat(0), flat(0)])
    mask = jnp.concatenate([MASK, MASK])
    np.testing.assert_allclose(pixel.l1_hole(completed, real, mask), [0, 0.2], atol=1e-6)


ssim = pytest.mark.skipif(importlib.util.find_spec("skimage") is None, reason="the extra eval is not installed")
RNG = np.random.default_rng(0)
REAL = RNG.integers(0, 256, (2, 16, 20, 3), np.uint8)
HOLE = np.zeros((2, 16, 20, 1), np.float32)
HOLE[0, 4:12, 4:14] = HOLE[1, 7:9, 2:5] = 1
COMPLETED = np.where(HOLE > 0, RNG.integers(0, 256, REAL.shape, np.uint8), REAL)


@pytest.mark.parametrize("name", ["l1_hole", "psnr_hole"])
def test_host_figures_equal_those_of_the_device(name):
    """Broken: a training and an evaluation mean different things by one name."""
    found = pixel.PIXEL[name](COMPLETED, REAL, HOLE)
    expected = getattr(pixel, name)(images.to_float(COMPLETED), images.to_float(REAL), jnp.asarray(HOLE))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_whole_images():
    """Broken: the context does not count where it should. It is equal: the error is thinned by the share of hole."""
    share = HOLE.mean(axis=(1, 2, 3))
    whole, hole = (pixel.PIXEL[f"l1_{part}"](COMPLETED, REAL, HOLE) for part in ("whole", "hole"))
    np.testing.assert_allclose(whole, hole * share, rtol=1e-6)
    whole, hole = (pixel.PIXEL[f"psnr_{part}"](COMPLETED, REAL, HOLE) for part in ("whole", "hole"))
    np.testing.assert_allclose(whole, hole - 10 * np.log10(share), rtol=1e-6)


def plain_ssim(a, b):
    """The map of one channel inside a border of 5 px, window by window (Wang et al. 2004, equations 13 to 16)."""
    x = np.arange(-5, 6)
    weight = np.exp(-(x[:, None] ** 2 + x[None, :] ** 2) / (2 * 1.5**2))
    weight /= weight.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = np.zeros((a.shape[0] - 10, a.shape[1] - 10))
    for i in range(found.shape[0]):
        for j in range(found.shape[1]):
            p, q = (v[i : i + 11, j : j + 11].astype(np.float64) for v in (a, b))
            mp, mq = (weight * p).sum(), (weight * q).sum()
            vp, vq = (weight * p * p).sum() - mp**2, (weight * q * q).sum() - mq**2
            cov = (weight * p * q).sum() - mp * mq
            found[i, j] = (2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2))
    return found


@ssim
def test_ssim_is_that_of_the_paper():
    """Broken: another window, another variance, another range: SSIM cannot be compared with anybody's."""
    inner = np.stack(
        [
            np.stack([plain_ssim(c[..., k], r[..., k]) for k in range(3)], -1)
            for c, r in zip(COMPLETED, REAL, strict=True)
        ]
    )
    np.testing.assert_allclose(pixel.ssim_whole(COMPLETED, REAL, HOLE), inner.mean(axis=(1, 2, 3)), atol=1e-6)
    hole = np.zeros_like(HOLE)
    hole[:, 6:9, 6:12] = 1
    expected = inner[:, 1:4, 1:7].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(pixel.ssim_hole(COMPLETED, REAL, hole), expected, atol=1e-6)


@ssim
def test_host_figures_of_equal_images():
    """Broken: a perfect completion gives infinity or less than the best."""
    found = {name: metric(REAL, REAL, HOLE) for name, metric in pixel.PIXEL.items()}
    for name, best in {"l1": 0, "psnr": 100, "ssim": 1}.items():
        np.testing.assert_allclose([found[f"{name}_hole"], found[f"{name}_whole"]], best, atol=1e-9)


@ssim
def test_no_hole_no_figure():
    """Broken: an empty hole counts as a perfect, or as the worst, completion."""
    for name, metric in pixel.PIXEL.items():
        assert np.isnan(metric(COMPLETED, REAL, 0 * HOLE)).all() == name.endswith("_hole"), name


def test_too_small_for_ssim():
    """Broken: scikit-image's own words about win_size reach the user."""
    for metric in (pixel.ssim_hole, pixel.ssim_whole):
        with pytest.raises(ValueError, match=r"windows of 11 px.*got 10 x 20"):
            metric(COMPLETED[:, :10], REAL[:, :10], HOLE[:, :10])
