"""The rows beside a network's."""

import numpy as np
import pytest
from few_photos import CentrePixel, Photos, cheap_lpips, drawn, mean_colours

from fec_jax.masks import sets as mask_sets
from fec_jax.metrics import controls, evaluation, perceptual, subjects
from fec_jax.metrics.distribution import frechet_distance
from fec_jax.metrics.evaluation import Bench, Judges

N = 4
JUDGES = Judges({"pixel": CentrePixel()}, {"colour": mean_colours})


@pytest.fixture(scope="module", autouse=True)
def less_to_compute():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(perceptual, "lpips", cheap_lpips)
        yield


@pytest.fixture(scope="module")
def photos():
    return drawn(12), drawn(N, split="test")


@pytest.fixture(scope="module")
def sets():
    return [mask_sets.make(name, N, 16, 0) for name in ("center", "lama-thick")]


@pytest.fixture(scope="module")
def rows(photos, sets):
    train, test = photos
    ticks, skipped = [], {}
    found = controls.control_rows(Bench(test, N, JUDGES, ticks.append), train, sets, skipped)
    return found, ticks, skipped


def test_every_control_under_every_mask_set(rows):
    """Broken: a report lacks a row, or a progress bar ends before or after the work."""
    found, ticks, skipped = rows
    assert set(found) == {"real", *controls.FORMULAS, "granted", "real_halves"}
    for name in ("real", *controls.FORMULAS):
        assert set(found[name]) == {"center", "lama-thick"}
        assert {"psnr_hole", "lpips", "fd_colour"} <= found[name]["center"].keys()
    assert sum(ticks) == 2 * N * (1 + len(controls.FORMULAS) + 2)
    assert not skipped


def test_steps(photos, sets):
    """Broken: the progress bar is of another length than the work."""
    ticks = []
    bench = Bench(photos[1], N, JUDGES, ticks.append)
    for masks in sets:
        evaluation.measure(bench, subjects.itself, masks)
    assert sum(ticks) == controls.steps(sets, 2, False)
    assert controls.steps(sets, 2, True) == sum(ticks) + 2 * N * (1 + len(controls.FORMULAS) + 2)


def test_real_is_perfect_and_the_ceiling(rows):
    """Broken: a network is compared with a ceiling that is none."""
    found = rows[0]["real"]["lama-thick"]
    assert (found["psnr_hole"]["mean"], found["l1_hole"]["mean"], found["lpips"]["mean"]) == (100, 0, 0)
    assert found["attribute_flipped_pixel/Smiling"]["mean"] == 1 - found["attribute_kept_pixel/Smiling"]["mean"]
    assert "flip_change/Smiling" not in found


def test_baselines_are_not_classified(rows):
    """Broken: minutes are spent on what nobody asks a baseline."""
    assert not any("attribute" in name for name in rows[0]["mean_face"]["center"])


def test_granted_is_a_real_face_with_the_wanted_value():
    """Broken: the ceiling of flips is of faces that lack the wanted value, or not of the nearest one.

    Of two faces red in the middle, one fits the context; if no red is wanted, the only black one is taken. The second
    attribute, green, is none of a real face's: the classifier never sees it.
    """
    faces = np.zeros((3, 16, 16, 3), np.uint8)
    faces[:2, 8, 8, 0] = 255, 200
    faces[0, :4], faces[1, 5:7, 5:7] = 100, 50
    labels = np.array([[1, 1], [1, 0], [0, 0]], np.uint8)
    test = Photos(faces[[2, 0]].copy(), np.array([[0, 0], [1, 1]], np.uint8))
    mask_set = mask_sets.make("center", 2, 16, 0)
    seen = []

    class Watched(CentrePixel):
        def logits(self, photos):
            seen.append(photos)
            return super().logits(photos)

    found = controls.granted(Bench(test, 2, Judges({"pixel": Watched()})), faces, labels, mask_set)
    assert found["attribute_flipped_pixel/Eyeglasses"] == {"mean": 1.0, "std": 0.0, "n": 2}
    assert found["attribute_flipped_pixel/Smiling"] == {"mean": 0.5, "std": 0.5, "n": 2}
    assert found["attribute_flipped_pixel/mean"]["mean"] == 0.75
    np.testing.assert_array_equal(seen[0][0], faces[1])
    assert (seen[0][1, :4] == 100).all()
    assert (seen[0][1, 4:12, 4:12] == 0).all()


def test_the_mean_face_is_of_the_training_photos(rows, photos):
    """Broken: baselines are fitted on the photos that they are measured on."""
    train, test = photos
    mean = np.rint(train.images.mean(axis=0))[4:12, 4:12]
    expected = (np.abs(mean - test.images[:, 4:12, 4:12]) / 255).mean()
    assert rows[0]["mean_face"]["center"]["l1_hole"]["mean"] == pytest.approx(expected)


def test_halves(rows, photos):
    """Broken: nobody can tell what distance real photos have from real photos; or rows that are no pairs are paired."""
    found = rows[0]["real_halves"]["none"]
    features = mean_colours(photos[1].images).astype(np.float64)
    assert found["fd_colour"]["mean"] == pytest.approx(frechet_distance(features[0::2], features[1::2]))
    assert "p_ids_colour" not in found


def test_too_few_photos_for_halves(photos, monkeypatch):
    """Broken: three photos are a traceback, or a report does not say why a row is empty."""
    train, test = photos
    monkeypatch.setattr(controls, "formulas", lambda train: {"real": subjects.itself})
    skipped = {}
    bench = Bench(test, 3, Judges({}, JUDGES.features))
    found = controls.control_rows(bench, train, [mask_sets.make("center", 3, 16, 0)], skipped)
    assert found["real_halves"]["none"] == {}
    assert "fd_colour" in found["real"]["center"]
    assert list(skipped) == ["distribution metrics (colour) between halves of the photos"]
