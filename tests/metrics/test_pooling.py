"""Completions of a larger network, measured at a smaller size."""

import numpy as np
import pytest
from few_photos import CentrePixel, Photos, cheap_lpips, drawn

from fec_jax.masks import sets as mask_sets
from fec_jax.metrics import perceptual, pooling
from fec_jax.metrics.evaluation import Bench, Judges, completions, measure
from fec_jax.metrics.pooling import Pooled
from fec_jax.metrics.report import grid_rows
from fec_jax.types import UserError

N = 5


def halved(photos):
    """Averages of 2 x 2 pixels, in 8 bits."""
    n, h, w, _ = photos.shape
    return np.rint(photos.reshape(n, h // 2, 2, w // 2, 2, 3).mean(axis=(2, 4)) + 1e-4).astype(np.uint8)


@pytest.fixture(scope="module")
def larger():
    return drawn(N, 32, "test")


@pytest.fixture(scope="module")
def smaller(larger):
    return Photos(halved(larger.images), larger.attrs)


def stripes(real, mask, wanted):
    """A network of 32 px: the hole is 0 and 200 by turns, plus 50 where the first wish is granted."""
    assert real.shape[1] == mask.shape[1] == 32
    fill = np.array([0, 200], np.uint8)[np.arange(32) % 2][:, None] + 50 * wanted[:, 0, None, None, None]
    return np.where(mask > 0.5, fill.astype(np.uint8), real)


def test_the_hole_is_the_average_and_the_context_the_photo(smaller, larger):
    """Broken: sizes do not compare: the hole is sampled, not averaged; or rounding moves the context; or the wish is
    another photo's."""
    masks = mask_sets.make("lama-thick", N, 16, 0).masks
    rows = [3, 1, 4]
    real, attrs = smaller.load(rows)
    found = completions(Pooled(stripes, larger), rows, real, masks[rows], attrs)
    expected = np.where(masks[rows] > 0.5, 100 + 50 * attrs[:, 0, None, None, None], real)
    assert len(set(attrs[:, 0])) == 2
    np.testing.assert_array_equal(found, expected)


def test_the_network_sees_its_own_photos_and_the_same_hole(smaller, larger, monkeypatch):
    """Broken: the network completes enlarged photos, other photos, or under another mask; or a chunk of large photos
    does not fit into memory."""
    monkeypatch.setattr(pooling, "TOGETHER_BYTES", 2 * 3 * 32 * 32)
    seen = []

    def watched(real, mask, wanted):
        seen.append((real, mask))
        return real

    mask_set = mask_sets.make("paper", N, 16, 0)
    found = completions(Pooled(watched, larger), range(N), smaller.images, mask_set.masks, smaller.attrs)
    assert [len(real) for real, _ in seen] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([real for real, _ in seen]), larger.images)
    masks = np.concatenate([mask for _, mask in seen])
    np.testing.assert_array_equal(masks.reshape(N, 16, 2, 16, 2, 1).max(axis=(2, 4)), mask_set.masks)
    np.testing.assert_array_equal(masks.reshape(N, 16, 2, 16, 2, 1).min(axis=(2, 4)), mask_set.masks)
    assert np.abs(found.astype(int) - smaller.images).max() <= 1


def test_measured_as_a_small_network_is(smaller, larger, monkeypatch):
    """Broken: the same completion has other figures when a larger network made it; or its grid shows something else."""
    monkeypatch.setattr(perceptual, "lpips", cheap_lpips)

    def small(real, mask, wanted):
        return np.where(mask > 0.5, (100 + 50 * wanted[:, 0, None, None, None]).astype(np.uint8), real)

    mask_set = mask_sets.make("center", N, 16, 0)
    bench = Bench(smaller, N, Judges({"pixel": CentrePixel()}))
    found, expected = (measure(bench, subject, mask_set).per_image for subject in (Pooled(stripes, larger), small))
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    rows = [grid_rows(subject, smaller, mask_set, [2, 0]) for subject in (Pooled(stripes, larger), small)]
    np.testing.assert_array_equal(rows[0], rows[1])


@pytest.mark.parametrize(("px", "text"), [(8, "SSIM and LPIPS need 16 px"), (48, "must divide 64"), (128, "divide 64")])
def test_sizes_that_do_not_fit(px, text):
    """Broken: a traceback from deep inside, or completions enlarged."""
    with pytest.raises(UserError, match=rf"--measure-at {px}: .*{text}"):
        pooling.check(px, 64, 16)
    pooling.check(32, 64, 16)


def test_other_photos(smaller, larger):
    """Broken: completions are compared with other people's photos."""
    pooling.check_same(smaller, larger)
    order = [0, 1, 2, 4, 3]
    others = [drawn(N + 1, 32, "test"), Photos(larger.images[order], larger.attrs)]
    for other in (*others, Photos(larger.images, 1 - larger.attrs)):
        with pytest.raises(UserError, match="other photos at 16 px than at 32 px"):
            pooling.check_same(smaller, other)
