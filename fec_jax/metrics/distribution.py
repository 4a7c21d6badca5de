"""How far a set of completions is from a set of photos, as wholes: distances between the features of a network.

All figures are computed in float64 and are the same whenever they are computed again. They depend on the number of
images: compare figures of equally many only, and beside those of real photos against real photos.
"""

import numpy as np
from jaxtyping import Float, Float64

from fec_jax.metrics.extra import need
from fec_jax.types import UserError

FEWEST = 2
"""Images in each set: a covariance and a mean over pairs need two."""
ROWS = 1024
"""Of the kernel's matrix, so many are held at once."""


def all_figures(
    real_features: Float[np.ndarray, "n d"], fake_features: Float[np.ndarray, "m d"], suffix: str, paired: bool = True
) -> dict[str, float]:
    """`fid`, `kid`, `p_ids`, `u_ids` for `suffix` "" (Inception); else `fd_SUFFIX`, `kid_SUFFIX` ...

    Only Inception's Frechet distance is called FID. No `p_ids` without pairs: if the sets have different sizes, or
    `paired` is False because row i of one has nothing to do with row i of the other.

    Raises UserError: fewer than two images in a set, features that are not finite, scikit-learn is not installed.
    """
    if min(len(real_features), len(fake_features)) < FEWEST:
        raise UserError(
            f"{len(real_features)} photos and {len(fake_features)} completions: distribution metrics need at least "
            f"{FEWEST} of each; measure more photos"
        )
    for what, features in (("photos", real_features), ("completions", fake_features)):
        broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(broken):
            raise UserError(
                f"features of {len(broken)} of {len(features)} {what} are not finite, the first is number {broken[0]}: "
                "distribution metrics need finite features; check the feature network's weights"
            )
    real, fake = real_features.astype(np.float64), fake_features.astype(np.float64)
    p_ids, u_ids = discriminative_scores(real, fake)
    ending = f"_{suffix}" if suffix else ""
    figures = {f"fd{ending}" if suffix else "fid": frechet_distance(real, fake)}
    figures |= {f"kid{ending}": kernel_distance(real, fake), f"u_ids{ending}": u_ids}
    if paired and p_ids is not None:
        figures[f"p_ids{ending}"] = p_ids
    return figures


def frechet_distance(real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"]) -> float:
    """|mean_r - mean_f|^2 + tr(S_r + S_f - 2 (S_r S_f)^(1/2)), not negative, 0 for equal sets up to rounding.

    The formula of FID (Heusel et al., arXiv:1706.08500); S are unbiased covariances, as numpy.cov's. Any number of
    images will do, also fewer than features: with S_r = A A^T and S_f = B B^T, A and B being centred features, the
    eigenvalues of S_r S_f are the squared singular values of A^T B. So no root of a rounding error is ever taken, and
    nothing needs to be added to the diagonal. FID is biased upwards, the more so the fewer images there are.
    """
    a, b = _centred(real), _centred(fake)
    traces = np.square(a).sum() + np.square(b).sum()
    root_trace = np.linalg.svd(_short(a) @ _short(b).T, compute_uv=False).sum()
    distance = np.square(real.mean(axis=0) - fake.mean(axis=0)).sum() + traces - 2 * root_trace
    return max(0.0, float(distance))


def kernel_distance(real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"]) -> float:
    """KID: the squared maximum mean discrepancy with the kernel (x.y / d + 1)^3 (Binkowski et al., arXiv:1801.01401).

    The unbiased estimate from all images at once, not the paper's mean over random subsets: that has the same
    expectation, and chance in it. Negative values are due: the mean for two samples of one distribution is 0.
    """
    n, m = len(real), len(fake)
    within_real = (_kernel_sum(real, real) - _kernel_diagonal(real).sum()) / (n * (n - 1))
    within_fake = (_kernel_sum(fake, fake) - _kernel_diagonal(fake).sum()) / (m * (m - 1))
    return float(within_real + within_fake - 2 * _kernel_sum(real, fake) / (n * m))


def discriminative_scores(real: Float[np.ndarray, "n d"], fake: Float[np.ndarray, "m d"]) -> tuple[float | None, float]:
    """P-IDS and U-IDS, shares in 0..1, higher is better (Zhao et al., CoModGAN, arXiv:2103.10428).

    A linear SVM is fitted to tell the photos from the completions, with the settings of the official code, on those
    very features. P-IDS: the share of completions that it takes for more real than their own photo; None if the sets
    differ in size. Ties do not count, so photos that are their own completions have 0. U-IDS: the share of images that
    it takes for the other kind, the mean of photos' and completions'. At most 0.5 but for chance; exactly 0.5 for equal
    sets. With fewer images of each kind than features the SVM can tell nearly any two sets apart, and both are
    near 0; with twice as many of each they still are far below 0.5 for equal distributions.
    """
    svm = need("sklearn.svm").LinearSVC(dual=False, random_state=0)
    svm.fit(np.concatenate([real, fake]), np.repeat([1, 0], [len(real), len(fake)]))
    real_scores, fake_scores = svm.decision_function(real), svm.decision_function(fake)
    # A score of 0 is a completion's, as scikit-learn's `predict` has it.
    unpaired = (np.mean(real_scores <= 0) + np.mean(fake_scores > 0)) / 2
    paired = float(np.mean(fake_scores > real_scores)) if len(real) == len(fake) else None
    return paired, float(unpaired)


def _centred(x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    """A^T, of which A A^T is the covariance."""
    return (x - x.mean(axis=0)) / np.sqrt(len(x) - 1)


def _short(x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "k d"]:
    """Rows of the same products x^T x, no more than there are columns."""
    return np.asarray(np.linalg.qr(x, mode="r")) if len(x) > x.shape[1] else x


def _kernel(x: Float64[np.ndarray, "n d"], y: Float64[np.ndarray, "m d"]) -> Float64[np.ndarray, "n m"]:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _kernel_diagonal(x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, " n"]:
    return (np.square(x).sum(axis=1) / x.shape[1] + 1) ** 3


def _kernel_sum(x: Float64[np.ndarray, "n d"], y: Float64[np.ndarray, "m d"]) -> float:
    return float(sum(_kernel(x[start : start + ROWS], y).sum() for start in range(0, len(x), ROWS)))
