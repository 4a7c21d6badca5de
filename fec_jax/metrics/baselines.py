"""Baselines without a network: diffusion from the rim, and methods fitted to training photos.

All take `real` and the mask and give `completed`, whose context is the photo's own, byte for byte. Nothing under the
hole of `real` is used. What is fitted is fitted on training photos alone, of the size of the photos to complete.

On the test split of congress_faces (74 photos of 64 px, fitted on 458; centre square of half the side):

| | hole PSNR, dB | LPIPS |
|---|---|---|
| `telea` | 16.0 | .241 |
| `navier_stokes` | 15.9 | .233 |
| `MeanFace` | 17.5 | .093 |
| `NearestFace` | 17.7 | .069 |
| `PcaRegression` | 21.4 | .051 |
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, UInt8

from fec_jax.complete.opencv import cv2
from fec_jax.masks import holes
from fec_jax.metrics.extra import need
from fec_jax.types import HostImages, HostMasks

INPAINT_RADIUS_PX = 3
BLOCK_BYTES = 2**27
"""Photos become floats so many bytes at a time."""
NOISES = tuple(10 ** (i / 4) for i in range(17))
"""Among these, 1 to 10,000, the PCA's noise is chosen, in multiples of the variance its components leave over."""
FEWEST_TO_TRY = 10
"""With fewer training photos there is nothing to choose it by, and it is the smallest."""
ROUNDING = 1 / 12
"""Variance that rounding to grey levels adds: no less noise than that."""
SMALLEST = 1e-5
"""Components of less variance, as a share of the largest, are float32's noise."""


def telea(real: HostImages, mask: HostMasks) -> HostImages:
    """Fast marching from the rim inwards (Telea, J. Graphics Tools 9(1), 2004), by OpenCV, radius 3 px."""
    return _inpainted(real, mask, cv2().INPAINT_TELEA)


def navier_stokes(real: HostImages, mask: HostMasks) -> HostImages:
    """Continues lines of equal brightness (Bertalmio et al., CVPR 2001), by OpenCV, radius 3 px."""
    return _inpainted(real, mask, cv2().INPAINT_NS)


@dataclass(frozen=True, eq=False)
class MeanFace:
    """Completes every hole with the average of the training photos."""

    mean: UInt8[np.ndarray, "h w 3"]

    @staticmethod
    def fit(train: HostImages) -> "MeanFace":
        return MeanFace(_grey_levels(_mean(train)))

    def __call__(self, real: HostImages, mask: HostMasks) -> HostImages:
        return np.where(mask > 0.5, self.mean, real)


@dataclass(frozen=True, eq=False)
class NearestFace:
    """Completes each hole from the training photo with the nearest context (mean square); of equals the first."""

    train: HostImages

    @staticmethod
    def fit(train: HostImages) -> "NearestFace":
        return NearestFace(train)

    def nearest(self, real: HostImages, mask: HostMasks) -> Int[np.ndarray, " b"]:
        """Index of the training photo, for each photo."""
        found = np.zeros(len(real), np.int64)
        for rows in _blocks(len(real), real[0].nbytes * 8):
            context = (mask[rows] <= 0.5).astype(np.float64)
            known = (context * real[rows]).reshape(len(context), -1)
            context = context.reshape(len(context), -1)
            least = np.full(len(context), np.inf)
            for block in _blocks(len(self.train), real[0].nbytes * 8):
                face = self.train[block].astype(np.float64)
                # |known - face|^2 without what is the same for all faces: whole numbers below 2^53, so exact.
                far = context @ np.square(face).sum(axis=3).reshape(len(face), -1).T
                far -= 2 * known @ face.reshape(len(face), -1).T
                nearer = far.min(axis=1) < least
                found[rows] = np.where(nearer, far.argmin(axis=1) + block.start, found[rows])
                least = np.minimum(far.min(axis=1), least)
        return found

    def __call__(self, real: HostImages, mask: HostMasks) -> HostImages:
        return np.where(mask > 0.5, self.train[self.nearest(real, mask)], real)


@dataclass(frozen=True, eq=False)
class PcaRegression:
    """Completes every hole from the principal components of training photos, fitted to the context.

    A face is `mean + c @ components` and noise of variance `noise`; a priori, `c` has the variances of the training
    photos. The most probable `c`, given the context, minimises

        |context of (mean + c @ components - real)|^2 / noise + sum(c^2 / variances),

    ridge regression, in grey levels (Tipping & Bishop, J. Royal Statistical Society B 61(3), 1999, eq. 6, with pixels
    missing). Photos count mirrored too. The noise is more than what the components leave over of training photos: a new
    face leaves over more, and not independently in every pixel. How much more is tried out on every fifth training
    photo, its centre square the hole, with the components of the others.
    """

    mean: Float64[np.ndarray, "h w 3"]
    components: Float32[np.ndarray, "k h w 3"]
    """Orthonormal, most important first."""
    variances: Float64[np.ndarray, " k"]
    noise: float

    @staticmethod
    def fit(train: HostImages, count: int = 200) -> "PcaRegression":
        """With `count` components; with fewer where the training photos, mirrored too, do not have so many.

        UserError when SciPy is not installed (extra `eval`).
        """
        mean = _mean(train)
        mean = (mean + mean[:, ::-1]) / 2
        grams = _grams(train, mean)
        tried = np.arange(len(train)) % 5 == 0
        factor = NOISES[0]
        if len(train) >= FEWEST_TO_TRY:
            others = _from_grams(train[~tried], mean, [gram[np.ix_(~tried, ~tried)] for gram in grams], count)
            factor = others.best_factor(train[tried])
        whole = _from_grams(train, mean, grams, count)
        return replace(whole, noise=whole.noise * factor)

    def best_factor(self, photos: HostImages) -> float:
        """The factor of the noise, of `NOISES`, that completes the centre square of `photos` best."""
        hole = np.asarray(holes.center(photos.shape[1]))[..., 0] > 0.5
        found = self.estimates(photos, hole, [self.noise * factor for factor in NOISES])
        return NOISES[int(np.argmin([np.square(one - photos[:, hole]).sum() for one in found]))]

    @cached_property
    def _products(self) -> Float64[np.ndarray, "k k"]:
        """Of the components with each other: the identity, but for float32's rounding."""
        flat = self.components.reshape(len(self.components), self.mean.size)
        return (flat @ flat.T).astype(np.float64)

    def estimates(
        self, real: HostImages, hole: Bool[np.ndarray, "h w"], noises: Sequence[float]
    ) -> list[Float64[np.ndarray, "b m 3"]]:
        """The `m` pixels of one hole, in grey levels, for each of the noises."""
        k, m = len(self.components), int(hole.sum())
        whole, inside = self.components.reshape(k, self.mean.size), self.components[:, hole].reshape(k, 3 * m)
        gram = self._products - inside @ inside.T
        known = (real - self.mean).astype(np.float32)
        known[:, hole] = 0
        seen = known.reshape(-1, self.mean.size) @ whole.T
        scores = [np.linalg.solve(gram + np.diag(noise / self.variances), seen.T).T for noise in noises]
        return [self.mean[hole] + (score.astype(np.float32) @ inside).reshape(-1, m, 3) for score in scores]

    def __call__(self, real: HostImages, mask: HostMasks) -> HostImages:
        completed = real.copy()
        for hole, rows in _by_mask(mask):
            for block in _blocks(len(rows), self.mean.nbytes):
                some = completed[rows[block]]
                some[:, hole] = _grey_levels(self.estimates(some, hole, [self.noise])[0])
                completed[rows[block]] = some
        return completed


def _inpainted(real: HostImages, mask: HostMasks, method: int) -> HostImages:
    hole = mask > 0.5
    empty = np.where(hole, np.uint8(0), real)  # nothing under the mask reaches OpenCV
    done = [cv2().inpaint(x, m.astype(np.uint8), INPAINT_RADIUS_PX, method) for x, m in zip(empty, hole, strict=True)]
    return np.where(hole, np.stack(done), real) if done else real.copy()


def _mean(photos: HostImages) -> Float64[np.ndarray, "h w 3"]:
    return photos.sum(axis=0, dtype=np.int64) / len(photos)


def _grey_levels(x: Float64[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    return np.rint(np.clip(x, 0, 255)).astype(np.uint8)


def _blocks(count: int, each_bytes: int) -> Iterator[slice]:
    """Slices of [0, count), each of `BLOCK_BYTES` at the most."""
    size = max(1, BLOCK_BYTES // each_bytes)
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _by_mask(mask: HostMasks) -> list[tuple[Bool[np.ndarray, "h w"], Int[np.ndarray, " _"]]]:
    """Each different hole, and which photos have it."""
    rows: dict[bytes, list[int]] = {}
    for i, one in enumerate(mask):
        rows.setdefault(np.packbits(one > 0.5).tobytes(), []).append(i)
    return [(mask[i[0], ..., 0] > 0.5, np.array(i)) for i in rows.values()]


def _centred(
    photos: HostImages, mean: Float64[np.ndarray, "h w 3"]
) -> Iterator[tuple[slice, Float32[np.ndarray, "n _ w 3"]]]:
    """Photos less their mean, some rows of pixels at a time."""
    n, h, w, _ = photos.shape
    for rows in _blocks(h, n * w * 3 * 8):
        yield rows, (photos[:, rows] - mean[rows]).astype(np.float32)


def _grams(photos: HostImages, mean: Float64[np.ndarray, "h w 3"]) -> list[Float64[np.ndarray, "n n"]]:
    """Scalar products of all photos, less their mean, with each other; and with all photos mirrored."""
    n = len(photos)
    plain, mirrored = np.zeros((n, n)), np.zeros((n, n))
    for _, x in _centred(photos, mean):
        flat = x.reshape(n, -1)
        plain += flat @ flat.T
        mirrored += flat @ x[:, :, ::-1].reshape(n, -1).T
    return [plain, mirrored]


def _from_grams(
    photos: HostImages, mean: Float64[np.ndarray, "h w 3"], grams: Sequence[Float64[np.ndarray, "n n"]], count: int
) -> PcaRegression:
    """The components of the photos and of the photos mirrored, together. Its noise is the variance they leave over.

    The 2n x 2n matrix of scalar products is [[plain, mirrored], [mirrored, plain]]: half its eigenvectors are [a, a],
    of faces that are their own mirror images, with `a` an eigenvector of plain + mirrored; the others are [a, -a].
    """
    n, h, w, _ = photos.shape
    plain, mirrored = grams
    eigh = need("scipy.linalg").eigh
    found = [eigh(plain + sign * mirrored, subset_by_index=[max(0, n - count), n - 1]) for sign in (1, -1)]
    values, vectors = np.concatenate([x for x, _ in found]), np.concatenate([x for _, x in found], axis=1)
    signs = np.repeat([1, -1], len(values) // 2)
    best = np.argsort(-values, kind="stable")[:count]
    best = best[values[best] > SMALLEST * max(values.max(), 1)]
    values, signs = values[best], signs[best].astype(np.float32)[:, None, None, None]
    weights = (vectors[:, best] / np.sqrt(2 * values)).T.astype(np.float32)
    components = np.empty((len(best), h, w, 3), np.float32)
    for rows, x in _centred(photos, mean):
        half = (weights @ x.reshape(n, -1)).reshape(len(best), x.shape[1], w, 3)
        components[:, rows] = half + signs * half[:, :, ::-1]
    variances = values / (2 * n)
    left_over = (np.trace(plain) / n - variances.sum()) / mean.size
    return PcaRegression(mean, components, variances, float(max(left_over, ROUNDING)))
