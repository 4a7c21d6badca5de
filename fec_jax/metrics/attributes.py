"""An independent judge of attributes: what a face shows, said by a classifier that neither G nor D has ever met.

VGG16's published features of a photo, reduced by PCA, and one logistic regression per attribute: a linear probe
(Kornblith et al., arXiv:1805.08974). It is fitted in a minute to the photos of the training split, some hundreds of
them are enough, and nothing about it is random. What it is worth is its agreement with the labels of held-out photos,
which every report states beside its judgements.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from fec_jax.metrics import perceptual
from fec_jax.metrics.extra import need
from fec_jax.types import HostAttrs, HostImages, UserError

COMPONENTS = 128
REGULARISATION = 0.003
"""Inverse strength of the logistic regressions' L2 penalty, of whitened components; chosen on training photos alone."""
FEWEST_OF_A_KIND = 5


@dataclass(frozen=True, eq=False)
class Classifier:
    """Linear in VGG16's features: `logits` = features @ weights + bias."""

    names: tuple[str, ...]
    weights: Float32[np.ndarray, "d a"]
    bias: Float32[np.ndarray, " a"]

    def logits(self, photos: HostImages) -> Float32[np.ndarray, "n a"]:
        """Above 0: the attribute is there. In the order of `names`."""
        return perceptual.face_features(photos) @ self.weights + self.bias

    @property
    def sha256(self) -> str:
        """Of its names and numbers."""
        content = ",".join(self.names).encode() + self.weights.tobytes() + self.bias.tobytes()
        return hashlib.sha256(content).hexdigest()


def fit(photos: HostImages, labels: HostAttrs, names: Sequence[str]) -> Classifier:
    """Learns from photos and their mirror images, rare and frequent values weighing the same.

    UserError if an attribute has fewer than 5 photos of one value, or packages are missing (extra `eval`).
    """
    for name, column in zip(names, labels.T, strict=True):
        rarest = min(int(column.sum()), int(len(column) - column.sum()))
        if rarest < FEWEST_OF_A_KIND:
            raise UserError(
                f"attribute {name}: {rarest} of {len(photos)} training photos have its rarer value; a classifier needs "
                f"{FEWEST_OF_A_KIND} (give more photos, or weights without that attribute)"
            )
    linear = need("sklearn.linear_model")
    features = np.concatenate([perceptual.face_features(photos), perceptual.face_features(photos[:, :, ::-1])])
    mean, to_scores = _whitening(features)
    scores = (features - mean) @ to_scores
    weights, bias = [], []
    for column in np.concatenate([labels, labels]).T:
        model = linear.LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=1000, tol=1e-6)
        model.fit(scores, column)
        weights.append(model.coef_[0])
        bias.append(model.intercept_[0])
    w = to_scores @ np.stack(weights, axis=1)
    return Classifier(tuple(names), w.astype(np.float32), (np.array(bias) - mean @ w).astype(np.float32))


def _whitening(
    features: Float32[np.ndarray, "n d"],
) -> tuple[Float64[np.ndarray, " d"], Float64[np.ndarray, "d k"]]:
    """The mean, and the matrix to principal components of variance 1; by way of the Gram matrix, since n < d."""
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features - mean
    values, vectors = np.linalg.eigh(centred @ centred.T)
    kept = np.flatnonzero(values > values[-1] * 1e-6)[::-1][:COMPONENTS]
    to_scores = centred.T @ (vectors[:, kept] / values[kept] * np.sqrt(len(features)))
    return mean, to_scores
