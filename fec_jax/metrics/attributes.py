"""Attribute classifiers, which take no part in training G or D.

A published network's features of a photo, reduced by PCA, and one logistic regression per attribute: a linear probe
(Kornblith et al., arXiv:1805.08974). It is fitted in a minute to the photos of the training split; some hundreds of
them are enough, and nothing is random. Its accuracy is its agreement with the labels of held-out photos, which every
report states beside the edit success rates. A classifier is independent of a generator if no loss used its network; see
`metrics.backbones`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from fec_jax.metrics.backbones import BACKBONES
from fec_jax.metrics.extra import need
from fec_jax.types import HostAttrs, HostImages, UserError

FEWEST_OF_A_KIND = 5
COLUMNS = 1024
"""Of the features, so many are float64 at once."""


@dataclass(frozen=True, eq=False)
class Classifier:
    """Linear in the features of `backbone`, a name in `BACKBONES`: `logits` = features @ weights + bias."""

    backbone: str
    names: tuple[str, ...]
    weights: Float32[np.ndarray, "d a"]
    bias: Float32[np.ndarray, " a"]

    def logits(self, photos: HostImages) -> Float32[np.ndarray, "n a"]:
        """Above 0: the attribute is there. In the order of `names`."""
        return BACKBONES[self.backbone].face_features(photos) @ self.weights + self.bias

    @property
    def sha256(self) -> str:
        """Of all it consists of."""
        content = ",".join((self.backbone, *self.names)).encode() + self.weights.tobytes() + self.bias.tobytes()
        return hashlib.sha256(content).hexdigest()


def too_few(labels: HostAttrs, names: Sequence[str]) -> dict[str, str]:
    """The attributes that no classifier can learn from these labels, each with the reason."""
    counts = {name: min(int(x.sum()), int(len(x) - x.sum())) for name, x in zip(names, labels.T, strict=True)}
    return {
        name: f"{rarest} of {len(labels)} training photos have its rarer value; a classifier needs {FEWEST_OF_A_KIND}"
        for name, rarest in counts.items()
        if rarest < FEWEST_OF_A_KIND
    }


def fit(photos: HostImages, labels: HostAttrs, names: Sequence[str], backbone: str) -> Classifier:
    """Learns from photos and their mirror images, rare and frequent values weighing the same.

    backbone    whose features it reads: a name in `BACKBONES`

    UserError if an attribute has fewer than 5 photos of one value, or packages are missing (extra `eval`).
    """
    for name, why in too_few(labels, names).items():
        raise UserError(f"attribute {name}: {why} (give more photos, or leave it out)")
    linear = need("sklearn.linear_model")
    of = BACKBONES[backbone]
    features = np.concatenate([of.face_features(photos), of.face_features(photos[:, :, ::-1])])
    mean, to_scores, scores = _whitening(features, of.components)
    weights, bias = [], []
    for column in np.concatenate([labels, labels]).T:
        model = linear.LogisticRegression(C=of.regularisation, class_weight="balanced", max_iter=1000, tol=1e-6)
        model.fit(scores, column)
        weights.append(model.coef_[0])
        bias.append(model.intercept_[0])
    w = to_scores @ np.stack(weights, axis=1)
    return Classifier(backbone, tuple(names), w.astype(np.float32), (np.array(bias) - mean @ w).astype(np.float32))


def _whitening(
    features: Float32[np.ndarray, "n d"], components: int
) -> tuple[Float64[np.ndarray, " d"], Float64[np.ndarray, "d k"], Float64[np.ndarray, "n k"]]:
    """The mean, the matrix to principal components of variance 1, and these; by way of the Gram matrix, since n < d."""
    n, mean = len(features), features.mean(axis=0, dtype=np.float64)
    gram = np.zeros((n, n))
    for columns in _blocks(features):
        centred = features[:, columns] - mean[columns]
        gram += centred @ centred.T
    values, vectors = np.linalg.eigh(gram)
    kept = np.flatnonzero(values > values[-1] * 1e-6)[::-1][:components]
    scores = vectors[:, kept] * np.sqrt(n)
    to_scores = np.empty((len(mean), len(kept)))
    for columns in _blocks(features):
        to_scores[columns] = (features[:, columns] - mean[columns]).T @ (scores / values[kept])
    return mean, to_scores, scores


def _blocks(features: Float32[np.ndarray, "n d"]) -> list[slice]:
    """Of columns: in float64 all at once would be gigabytes."""
    return [slice(start, start + COLUMNS) for start in range(0, features.shape[1], COLUMNS)]
