"""Baselines, on photos whose completions are known beforehand."""

import numpy as np
import pytest

from fec_jax.masks import holes
from fec_jax.metrics import baselines
from fec_jax.metrics.baselines import MeanFace, NearestFace, PcaRegression

RNG = np.random.default_rng(0)
PX = 16
TRAIN = RNG.integers(0, 256, (12, PX, PX, 3), np.uint8)
REAL = RNG.integers(0, 256, (5, PX, PX, 3), np.uint8)
CENTER = np.broadcast_to(np.asarray(holes.center(PX)), (5, PX, PX, 1))
MIXED = (RNG.random((5, PX, PX, 1)) < np.array([0.1, 0.3, 0.5, 0.7, 0.9]).reshape(5, 1, 1, 1)).astype(np.float32)
MIXED[1] = MIXED[3]

BASELINES = {
    "telea": baselines.telea,
    "navier_stokes": baselines.navier_stokes,
    "mean_face": MeanFace.fit(TRAIN),
    "nearest_face": NearestFace.fit(TRAIN),
    "pca_regression": PcaRegression.fit(TRAIN),
}


@pytest.fixture(params=BASELINES)
def baseline(request):
    return BASELINES[request.param]


@pytest.mark.parametrize("mask", [CENTER, MIXED], ids=["center", "mixed"])
def test_context_is_the_photos_own(baseline, mask):
    """Broken: figures of whole images are not of the hole's completion alone."""
    before = REAL.copy()
    done = baseline(REAL, mask)
    assert (done.shape, done.dtype) == (REAL.shape, np.uint8)
    np.testing.assert_array_equal(np.where(mask > 0, 0, done), np.where(mask > 0, 0, REAL))
    np.testing.assert_array_equal(REAL, before)


@pytest.mark.parametrize("mask", [CENTER, MIXED], ids=["center", "mixed"])
def test_nothing_under_the_hole_is_used(baseline, mask):
    """Broken: the baseline peeks, and its figures are a dream."""
    other = np.where(mask > 0, 255 - REAL, REAL).astype(np.uint8)
    np.testing.assert_array_equal(baseline(other, mask), baseline(REAL, mask))


def test_opencv_is_no_extra(monkeypatch):
    """Broken: where OpenCV fails, the advice is to install the extra `eval`, which does not bring it."""
    monkeypatch.setattr(baselines, "need", lambda name: pytest.fail(f"{name} is taken for a part of the extra"))
    assert len(baselines.telea(REAL, CENTER)) == len(baselines.navier_stokes(REAL, CENTER)) == len(REAL)


def test_each_photo_has_its_own_mask(baseline):
    """Broken: photos of a batch are completed with one another's holes or contexts."""
    together = baseline(REAL, MIXED)
    for i in range(5):
        one = baseline(REAL[i : i + 1], MIXED[i : i + 1])[0]
        # Products of other shapes may be rounded otherwise.
        assert np.abs(one.astype(int) - together[i]).max() <= 1


def test_small_blocks_give_the_same(monkeypatch):
    """Broken: a large data set, which goes through in blocks, gives other figures; the first, the last one."""
    expected = {name: of(REAL, MIXED) for name, of in BASELINES.items()}
    monkeypatch.setattr(baselines, "BLOCK_BYTES", 1)
    pca = PcaRegression.fit(TRAIN)
    for name, of in (BASELINES | {"pca_regression": pca}).items():
        assert np.abs(of(REAL, MIXED).astype(int) - expected[name]).max() <= 1


def test_flat_photos_stay_flat():
    """Broken: OpenCV's methods do not continue what is around the hole."""
    flat = np.full((2, PX, PX, 3), (10, 120, 250), np.uint8)
    for of in (baselines.telea, baselines.navier_stokes):
        assert np.abs(of(flat, CENTER[:2]).astype(int) - flat).max() <= 2


def test_mean_face_by_hand():
    """Broken: the mean is not of the training photos, or is cut instead of rounded. 0, 0, 255 and 0, 0, 5: 85, 2."""
    train = np.zeros((3, 4, 4, 3), np.uint8)
    train[2, :, :2], train[2, :, 2:] = 255, 5
    done = MeanFace.fit(train)(np.full((1, 4, 4, 3), 9, np.uint8), np.asarray(holes.center(4))[None])[0]
    np.testing.assert_array_equal(done[1:3, 1:3, 0], [[85, 2], [85, 2]])
    assert (done[0] == 9).all()


def test_nearest_face_finds_itself():
    """Broken: a training photo is not its own nearest."""
    chosen = [7, 3, 11, 0, 7]
    np.testing.assert_array_equal(BASELINES["nearest_face"].nearest(TRAIN[chosen], MIXED), chosen)
    np.testing.assert_array_equal(BASELINES["nearest_face"](TRAIN[chosen], MIXED), TRAIN[chosen])


def test_nearest_face_the_slow_way():
    """Broken: the distance is not the mean squared difference of the context's pixels."""
    context = 1 - MIXED
    pairs = zip(REAL.astype(int), context, strict=True)
    slow = [[(((r - t) * c) ** 2).sum() for t in TRAIN.astype(int)] for r, c in pairs]
    np.testing.assert_array_equal(BASELINES["nearest_face"].nearest(REAL, MIXED), np.argmin(slow, axis=1))


def family(count, seed, rank=4):
    """Faces that are a mean and a mixture of a few patterns, and their mirror images so."""
    basis = np.random.default_rng(0).normal(size=(rank, PX, PX, 3))
    basis[: rank // 2] += basis[: rank // 2, :, ::-1]
    basis[rank // 2 :] -= basis[rank // 2 :, :, ::-1]
    scores = np.random.default_rng(seed).uniform(-1, 1, (count, rank))
    return np.rint(128 + 12 * np.tensordot(scores, basis, 1)).astype(np.uint8)


@pytest.mark.parametrize("mask", [CENTER, MIXED], ids=["center", "mixed"])
def test_pca_recovers_a_family_it_can_describe(mask):
    """Broken: hole and context are not told apart, or the components are not those of the photos."""
    pca, new = PcaRegression.fit(family(60, 1)), family(5, 2)
    assert np.abs(pca(new, mask).astype(int) - new).max() <= 2
    assert np.abs(new.astype(int) - pca.mean).max() > 20


def test_pca_is_that_of_the_photos_and_their_mirror_images():
    """Broken: components or variances are not what a singular value decomposition of both gives."""
    pca = PcaRegression.fit(TRAIN, count=10)
    both = np.concatenate([TRAIN, TRAIN[:, :, ::-1]]).reshape(24, -1).astype(np.float64)
    _, values, vectors = np.linalg.svd(both - both.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(pca.mean.ravel(), both.mean(axis=0))
    np.testing.assert_allclose(pca.variances, values[:10] ** 2 / 24, rtol=1e-4)
    found = pca.components.reshape(10, -1)
    np.testing.assert_allclose(found @ found.T, np.eye(10), atol=1e-4)
    # Up to signs.
    np.testing.assert_allclose(np.abs((found * vectors[:10]).sum(axis=1)), 1, atol=1e-3)


def test_pca_minimises_what_it_says():
    """Broken: the scores are not those of the ridge regression in the docstring."""
    pca, hole = PcaRegression.fit(TRAIN, count=6), MIXED[2, ..., 0] > 0
    seen, inside = pca.components[:, ~hole].reshape(6, -1), pca.components[:, hole].reshape(6, -1)
    known = (REAL[0] - pca.mean)[~hole].ravel()
    # As ordinary least squares, the prior being further rows.
    rows = np.concatenate([seen.T / np.sqrt(pca.noise), np.diag(1 / np.sqrt(pca.variances))])
    scores = np.linalg.lstsq(rows, np.concatenate([known / np.sqrt(pca.noise), np.zeros(6)]), rcond=None)[0]
    expected = pca.mean[hole] + (scores @ inside).reshape(-1, 3)
    np.testing.assert_allclose(pca.estimates(REAL[:1], hole, [pca.noise])[0][0], expected, atol=1e-2)


@pytest.mark.parametrize("count", [1, 2, 9, 10])
def test_pca_of_very_few_photos(count):
    """Broken: a small data set cannot be evaluated."""
    pca = PcaRegression.fit(TRAIN[:count])
    assert len(pca.variances) <= 2 * count - 1
    assert pca.noise > 0
    pca(REAL, MIXED)


def test_pca_of_equal_photos_fills_in_that_photo():
    """Broken: no variance at all is divided by."""
    one = family(1, 3)
    symmetric = np.concatenate([one[:, :, : PX // 2], one[:, :, : PX // 2][:, :, ::-1]], axis=2)
    done = PcaRegression.fit(np.repeat(symmetric, 12, axis=0))(REAL, CENTER)
    np.testing.assert_array_equal(done, np.where(CENTER > 0, symmetric, REAL))


def test_a_photo_without_context():
    """Broken: a hole over all of a photo fails instead of giving what is likely without any knowledge."""
    full = np.ones_like(CENTER)
    np.testing.assert_array_equal(BASELINES["nearest_face"](REAL, full)[0], TRAIN[0])
    pca = BASELINES["pca_regression"]
    np.testing.assert_array_equal(pca(REAL, full)[0], np.rint(pca.mean))
