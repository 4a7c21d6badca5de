"""Distances of sets: hand-computed ones, known formulas, other algorithms for the same."""

import numpy as np
import pytest
import scipy.linalg

from fec_jax.metrics import distribution
from fec_jax.metrics.distribution import all_figures, discriminative_scores, frechet_distance, kernel_distance
from fec_jax.metrics.extra import need
from fec_jax.types import UserError


def normal(n, d, seed=0, mean=0.0, deviation=1.0):
    return mean + deviation * np.random.default_rng(seed).normal(size=(n, d))


def exactly(n, mean, covariance, seed=0):
    """Rows whose mean and covariance are these, up to rounding."""
    x = normal(n, len(mean), seed)
    x = x - x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    return x @ np.linalg.cholesky(np.asarray(covariance, float)).T + mean


def test_by_hand():
    """Broken: any term of the formula. Here: 3^2 + 4^2 for the means, (2 - 1)^2 + (1 - 3)^2 for the deviations."""
    real, fake = exactly(50, (0, 0), np.diag([4, 1]), seed=1), exactly(40, (3, 4), np.diag([1, 9]), seed=2)
    np.testing.assert_allclose(frechet_distance(real, fake), 25 + 5)


def test_two_points_each():
    """Broken: covariances are divided by the number of images, which pytorch-fid does not do. Both lie on one line:
    variances 2 and 8, means 0 and 5."""
    real, fake = np.array([[-1.0, 0], [1, 0]]), np.array([[3.0, 0], [7, 0]])
    np.testing.assert_allclose(frechet_distance(real, fake), 25 + 2 + 8 - 2 * 4)


def test_covariances_that_do_not_commute():
    """Broken: the root of the product of covariances is taken for the product of their roots."""
    first, second = [[2, 1, 0], [1, 2, 0], [0, 0, 1]], [[1, 0, 0], [0, 3, -1], [0, -1, 2]]
    real, fake = exactly(60, (0, 0, 0), first), exactly(70, (1, 0, 0), second)
    root = scipy.linalg.sqrtm(np.asarray(first, float) @ np.asarray(second, float)).real
    np.testing.assert_allclose(frechet_distance(real, fake), 1 + 5 + 6 - 2 * np.trace(root))


@pytest.mark.parametrize(("n", "m"), [(200, 150), (200, 12), (12, 200), (9, 11), (37, 37)])
def test_against_sqrtm(n, m):
    """Broken: FID is not pytorch-fid's, of many images or of fewer than there are features."""
    real, fake = normal(n, 30, 1), normal(m, 30, 2, 0.3, 1.5) @ np.random.default_rng(3).normal(size=(30, 30))
    a, b = np.cov(real.T), np.cov(fake.T)
    # Rank-deficient products have no exact root; a hair on the diagonal gives them one.
    root = scipy.linalg.sqrtm((a + 1e-9 * np.eye(30)) @ (b + 1e-9 * np.eye(30)))
    expected = np.square(real.mean(0) - fake.mean(0)).sum() + np.trace(a) + np.trace(b) - 2 * np.trace(root).real
    np.testing.assert_allclose(frechet_distance(real, fake), expected, rtol=1e-4)


@pytest.mark.parametrize("n", [5, 400])
def test_symmetric_and_0_for_equal_sets(n):
    """Broken: the photos' distance to themselves is not 0, or below it."""
    real, fake = normal(n, 30, 1, 100.0), normal(n + 3, 30, 2, 99.0, 2.0)
    np.testing.assert_allclose(frechet_distance(real, fake), frechet_distance(fake, real), rtol=1e-10)
    assert 0 <= frechet_distance(real, real[::-1]) < 1e-10
    assert frechet_distance(real, fake) > 30


def test_kid_by_loops(monkeypatch):
    """Broken: pairs of an image with itself count, or rows of the kernel are lost between the blocks."""
    real, fake = normal(7, 5, 1), normal(4, 5, 2, 0.5)

    def kernel(x, y):
        return (sum(a * b for a, b in zip(x, y, strict=True)) / 5 + 1) ** 3

    expected = sum(kernel(x, y) for i, x in enumerate(real) for j, y in enumerate(real) if i != j) / (7 * 6)
    expected += sum(kernel(x, y) for i, x in enumerate(fake) for j, y in enumerate(fake) if i != j) / (4 * 3)
    expected -= 2 * sum(kernel(x, y) for x in real for y in fake) / (7 * 4)
    np.testing.assert_allclose(kernel_distance(real, fake), expected)
    monkeypatch.setattr(distribution, "ROWS", 3)
    np.testing.assert_allclose(kernel_distance(real, fake), expected)


def test_kid_of_one_distribution_is_0_on_average():
    """Broken: the estimate is biased."""
    found = [kernel_distance(normal(20, 8, seed), normal(30, 8, 1000 + seed)) for seed in range(200)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(200)
    assert min(found) < 0
    assert kernel_distance(normal(20, 8), normal(30, 8, 1, 1.0)) > 1


def test_sets_that_are_told_apart():
    """Broken: P-IDS and U-IDS do not see that all completions are bad."""
    assert discriminative_scores(normal(40, 4, 1), normal(40, 4, 2, 10.0)) == (0, 0)


def test_equal_sets():
    """Broken: U-IDS of completions that are the photos is not one half; or ties count as fooling."""
    real = normal(50, 4)
    assert discriminative_scores(real, real) == (0, 0.5)


def test_pairs():
    """Broken: P-IDS pairs completions with other photos, or counts who looks less real. Every third completion goes
    beyond its photo, the others fall behind it, by more than the photos differ among themselves in what counts."""
    real = normal(90, 3, 1)
    shift = np.where(np.arange(90) % 3 == 0, 1.0, -6.0)
    fake = real + shift[:, None] * [1, 0, 0]
    paired, unpaired = discriminative_scores(real, fake)
    assert paired == pytest.approx(1 / 3)
    assert 0 < unpaired < 0.5
    assert discriminative_scores(real, np.roll(fake, 1, axis=0))[0] != paired


def test_as_the_official_code():
    """Broken: U-IDS is not the error of the official SVM."""
    real, fake = normal(80, 6, 1), normal(80, 6, 2, 0.4)
    x, y = np.concatenate([real, fake]), [1] * 80 + [0] * 80
    svm = need("sklearn.svm").LinearSVC(dual=False).fit(x, y)
    paired, unpaired = discriminative_scores(real, fake)
    assert unpaired == pytest.approx(1 - svm.score(x, y))
    assert paired == np.mean(svm.decision_function(fake) > svm.decision_function(real))


def test_unequal_sets_weigh_the_same():
    """Broken: U-IDS is the larger set's error, not the mean of both."""
    real, fake = normal(30, 2, 1), normal(300, 2, 2, 0.5)
    svm = need("sklearn.svm").LinearSVC(dual=False).fit(np.concatenate([real, fake]), [1] * 30 + [0] * 300)
    expected = (np.mean(svm.predict(real) == 0) + np.mean(svm.predict(fake) == 1)) / 2
    assert discriminative_scores(real, fake) == (None, pytest.approx(expected))
    assert expected > 0.3


def test_names_and_repetition():
    """Broken: a report lacks a figure; or Frechet distances of VGG16 are called FID; or it is not the same twice."""
    real, fake = normal(37, 64, 1).astype(np.float32), normal(37, 64, 2, 0.1).astype(np.float32)
    inception, vgg16 = all_figures(real, fake, ""), all_figures(real, fake, "vgg16")
    assert set(inception) == {"fid", "kid", "p_ids", "u_ids"}
    assert set(vgg16) == {"fd_vgg16", "kid_vgg16", "p_ids_vgg16", "u_ids_vgg16"}
    assert list(inception.values()) == list(vgg16.values()) == list(all_figures(real, fake, "").values())
    assert all(type(x) is float for x in inception.values())


def test_without_pairs():
    """Broken: halves of the photos, which are nobody's completions, get a P-IDS."""
    assert set(all_figures(normal(38, 8, 1), normal(37, 8, 2), "")) == {"fid", "kid", "u_ids"}
    assert set(all_figures(normal(37, 8, 1), normal(37, 8, 2), "vgg16", paired=False)) == {
        "fd_vgg16",
        "kid_vgg16",
        "u_ids_vgg16",
    }


def test_too_few_images():
    """Broken: NaN in the report, or a traceback; or the fewest that can be measured are refused."""
    for n, m in ((0, 0), (1, 5), (5, 1)):
        with pytest.raises(UserError, match=f"^{n} photos and {m} completions: .* at least 2 of each"):
            all_figures(normal(n, 4), normal(m, 4), "")
    assert all(np.isfinite(x) for x in all_figures(normal(2, 600), normal(2, 600, 1), "").values())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_not_finite(value):
    """Broken: a figure of NaN, or scikit-learn's traceback."""
    good, bad = normal(5, 4), normal(5, 4)
    bad[[1, 3], 2] = value
    with pytest.raises(UserError, match="features of 2 of 5 completions are not finite, the first is number 1"):
        all_figures(good, bad, "")
    with pytest.raises(UserError, match="2 of 5 photos"):
        all_figures(bad, good, "")
