"""How subjects are measured: subjects whose figures are known beforehand."""

import jax.numpy as jnp
import numpy as np
import pytest
from few_photos import CentrePixel, Photos, cheap_lpips, drawn, mean_colours

from fec_jax import images
from fec_jax.masks import sets as mask_sets
from fec_jax.metrics import evaluation, perceptual, subjects
from fec_jax.metrics.evaluation import Bench, Judges, figures, measure

N = 6
REAL_LPIPS = perceptual.lpips
JUDGES = Judges({"pixel": CentrePixel()}, {"colour": mean_colours})


@pytest.fixture(scope="module")
def test_photos():
    return drawn(N, split="test")


@pytest.fixture(scope="module")
def center():
    return mask_sets.make("center", N, 16, 0)


@pytest.fixture(autouse=True)
def less_to_compute(monkeypatch):
    monkeypatch.setattr(perceptual, "lpips", cheap_lpips)


def obliging(real, mask, wanted):
    """Fills the hole with red and green as `CentrePixel` wants to see them."""
    colour = np.concatenate([wanted, np.zeros_like(wanted[:, :1])], axis=1)[:, None, None] * np.uint8(255)
    return np.where(mask > 0.5, colour, real)


def means(found):
    return {name: figure["mean"] for name, figure in found.items()}


def test_the_photo_itself(test_photos, center, monkeypatch):
    """Broken: the best that a figure can be is not what a perfect completion gets; or the ceiling is not the share of
    photos that the classifier sees rightly."""
    monkeypatch.setattr(perceptual, "lpips", REAL_LPIPS)
    bench = Bench(test_photos, N, JUDGES)
    found = means(figures(bench, measure(bench, subjects.itself, center, "ignored")))
    perfect = {"psnr_hole": 100, "psnr_whole": 100, "l1_hole": 0, "l1_whole": 0, "ssim_hole": 1, "ssim_whole": 1}
    perfect |= {"lpips": 0, "seam": 0, "symmetry": 0, "texture": 0, "unflipped_change_pixel/mean": 0, "fd_colour": 0}
    assert {name: found[name] for name in perfect} == pytest.approx(perfect, abs=1e-5)
    ceiling = ((test_photos.images[:, 8, 8, :2] > 127.5) == test_photos.attrs).mean(axis=0)
    assert [found["attribute_kept_pixel/Eyeglasses"], found["attribute_kept_pixel/Smiling"]] == pytest.approx(ceiling)
    assert found["attribute_kept_pixel/mean"] == pytest.approx(ceiling.mean())


def test_edits_succeed(test_photos, center):
    """Broken: another attribute is flipped than the one classified, or flips are compared with the old label."""
    bench = Bench(test_photos, N, JUDGES)
    found = means(figures(bench, measure(bench, obliging, center)))
    for name in ("Eyeglasses", "Smiling", "mean"):
        assert found[f"attribute_kept_pixel/{name}"] == 1
        assert found[f"attribute_flipped_pixel/{name}"] == 1
        assert found[f"flip_change/{name}"] == pytest.approx(1 / 3)  # one channel of three, from 0 to 255
    changed = (test_photos.images[:, 8, 8, :2] > 127.5) != test_photos.attrs
    assert found["unflipped_change_pixel/Smiling"] == pytest.approx(changed[:, 1].mean())


@pytest.mark.parametrize("edits", ["flipped", "ignored"])
def test_edits_ignored(test_photos, center, edits):
    """Broken: who does not listen looks as if it did; or the short cut for such subjects gives other figures."""
    red = subjects.ignoring_attributes(lambda real, mask: np.where(mask > 0.5, np.uint8([255, 0, 0]), real))
    bench = Bench(test_photos, N, JUDGES)
    found = means(figures(bench, measure(bench, red, center, edits)))
    for name, column in zip(("Eyeglasses", "Smiling"), test_photos.attrs.T == [[1], [0]], strict=True):
        assert found[f"attribute_kept_pixel/{name}"] == pytest.approx(column.mean())
        assert found[f"attribute_flipped_pixel/{name}"] == pytest.approx(1 - column.mean())
    assert found.get("flip_change/mean", 0) == 0


def test_unclassified(test_photos, center):
    """Broken: the classifier, the dearest part of all, is asked about baselines."""
    bench = Bench(test_photos, N, JUDGES)
    found = figures(bench, measure(bench, subjects.itself, center, "unclassified"))
    assert not any("attribute" in name for name in found)
    assert "fd_colour" in found


def test_chunks_make_no_difference(test_photos, center, monkeypatch):
    """Broken: a data set that does not fit into memory gets other figures, or masks of other photos."""
    sets = [center, mask_sets.make("lama-thick", N, 16, 0)]
    bench = Bench(test_photos, N, JUDGES)
    whole = [figures(bench, measure(bench, obliging, masks)) for masks in sets]
    monkeypatch.setattr(evaluation, "CHUNK_BYTES", 4 * 16 * 16 * 3)
    bench = Bench(test_photos, N, JUDGES)
    assert [len(rows) for rows in bench.chunks()] == [4, 2]
    for masks, expected in zip(sets, whole, strict=True):
        found = figures(bench, measure(bench, obliging, masks))
        for name, figure in expected.items():
            assert found[name]["n"] == figure["n"]
            if figure["n"]:
                assert found[name]["mean"] == pytest.approx(figure["mean"], rel=1e-4, abs=1e-6), name


def test_photos_are_looked_at_once(test_photos, center):
    """Broken: features of the photos, minutes of work, are computed for every subject and mask set again."""
    calls = []

    def features(photos):
        calls.append(len(photos))
        return mean_colours(photos)

    bench = Bench(test_photos, N, Judges({}, {"colour": features}))
    for _ in range(2):
        figures(bench, measure(bench, subjects.itself, center))
    assert calls == [N] * 3


def test_only_the_first_photos(test_photos):
    """Broken: --limit measures others than the first photos."""
    bench = Bench(test_photos, 3, JUDGES)
    found = measure(bench, obliging, mask_sets.make("center", 3, 16, 0))
    first = Photos(test_photos.images[:3], test_photos.attrs[:3])
    expected = measure(Bench(first, 3, JUDGES), obliging, mask_sets.make("center", 3, 16, 0))
    for name, values in expected.per_image.items():
        np.testing.assert_array_equal(found.per_image[name], values, err_msg=name)


def test_by_hole_area_adds_up(test_photos):
    """Broken: photos are lost between the bins, counted twice, or put into the bin of another one's mask."""
    masks = mask_sets.make("mat-large", N, 16, 0)
    bench = Bench(test_photos, N, JUDGES)
    measured = measure(bench, obliging, masks)
    whole, areas = figures(bench, measured), evaluation.by_hole_area(measured, masks)
    assert len(areas) > 1
    assert list(areas) == sorted(set(masks.bins))
    for name in ("psnr_hole", "lpips", "attribute_kept_pixel/Smiling"):
        assert sum(found[name]["n"] for found in areas.values()) == N
        total = sum(found[name]["n"] * found[name]["mean"] for found in areas.values())
        assert total / N == pytest.approx(whole[name]["mean"])


def test_summary():
    """Broken: images that a figure does not apply to count as 0, or the deviation is that of the mean."""
    assert evaluation.summary(np.array([1.0, np.nan, 3.0])) == {"mean": 2.0, "std": 1.0, "n": 2}
    assert evaluation.summary(np.array([np.nan])) == {"mean": None, "std": None, "n": 0}


def test_too_few_images(test_photos):
    """Broken: one photo is a traceback, or a distance is missing from a report that does not say why."""
    bench = Bench(test_photos, 1, JUDGES)
    skipped = {}
    found = figures(bench, measure(bench, obliging, mask_sets.make("center", 1, 16, 0)), skipped)
    assert "fd_colour" not in found
    assert "psnr_hole" in found
    assert list(skipped) == ["distribution metrics (colour)"]
    assert "at least 2" in skipped["distribution metrics (colour)"]


@pytest.mark.parametrize("batch", [4, 16])
def test_a_network_sees_the_masked_photo_only(test_photos, center, batch):
    """Broken: the hole is left in what is to be completed; the context is not the photo's own; or the last batch's
    filling gets into the figures."""
    seen = []

    def predict(masked, mask, attrs):
        seen.append((np.asarray(masked), np.asarray(attrs)))
        return jnp.zeros_like(masked) + attrs[:, :1, None, None]

    real, attrs = test_photos.load(range(N))
    completed = subjects.network(predict, batch)(real, center.masks, attrs)
    hole = center.masks[..., 0] > 0.5
    masked = np.concatenate([x for x, _ in seen])[:N]
    assert not masked[hole].any()
    np.testing.assert_array_equal(images.to_uint8(jnp.asarray(masked))[~hole], real[~hole])
    np.testing.assert_array_equal(completed[~hole], real[~hole])
    np.testing.assert_array_equal(completed[:, 8, 8, 0], np.where(attrs[:, 0] == 1, 255, 128))
    assert {len(x) for x, _ in seen} == {batch}


def test_in_training(test_photos, center):
    """Broken: what a training shows is not what `fec evaluate` measures of the same masks, or fails at 8 px."""
    found = evaluation.in_training(lambda masked, mask, attrs: masked, test_photos, [center])
    bench = Bench(test_photos, N)
    expected = means(figures(bench, measure(bench, subjects.network(lambda masked, mask, attrs: masked), center)))
    assert found == {f"center/{name}": value for name, value in expected.items() if value is not None}
    assert evaluation.in_training(lambda masked, mask, attrs: masked, drawn(2, 8), []) == {}
