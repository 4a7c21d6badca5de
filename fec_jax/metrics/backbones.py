"""The published networks whose features measure completions: AlexNet's first, since no loss of this project uses it.

A network that was used in a loss is no independent measure: the generator was optimised for it. Weights record which
networks their losses used (`loss_networks`); a classifier on one of these is not independent, and a report says so.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from fec_jax.metrics import perceptual
from fec_jax.nets import vgg16
from fec_jax.types import HostImages
from fec_jax.weights import published

Features = Callable[[HostImages], Float32[np.ndarray, "n d"]]


@dataclass(frozen=True)
class Backbone:
    """One network, and how it is used.

    network         its name in the `loss_networks` of weights
    title           its name for people
    sha256          of the file of its published weights
    face_features   of aligned faces, place by place: what a classifier of attributes reads
    components      so many principal components of these, and
    regularisation  this inverse strength of the L2 penalty, chosen by cross-validation on training photos
    features        of whole images, averaged over places: for the distribution metrics
    size            how many of them
    """

    network: str
    title: str
    sha256: str
    face_features: Features
    components: int
    regularisation: float
    features: Features
    size: int

    def independent(self, loss_networks: Collection[str]) -> bool:
        """Whether it is independent of weights whose losses used these networks."""
        return self.network not in loss_networks


BACKBONES = {
    "alex": Backbone(
        network="alexnet",
        title="AlexNet",
        sha256=published.ALEX_SHA256,
        face_features=lambda photos: perceptual.alex_face_features(photos),
        components=256,
        regularisation=0.003,
        features=lambda photos: perceptual.alex_features(photos),
        size=256,
    ),
    "vgg16": Backbone(
        network="vgg16",
        title="VGG16",
        sha256=published.SHA256,
        face_features=lambda photos: perceptual.face_features(photos),
        components=128,
        regularisation=0.003,
        features=lambda photos: perceptual.vgg_features(photos),
        size=vgg16.BLOCKS[-1][1],
    ),
}
"""By the suffix of the figures' names (`lpips_alex`, `fd_vgg16`), in the order in which reports have them."""
