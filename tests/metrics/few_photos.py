"""A few labelled photos as a data source, and a classifier that sees one pixel, for the tests of evaluation."""

from dataclasses import dataclass

import numpy as np

from fec_jax.data.synthetic.source import SyntheticFaces
from fec_jax.metrics.attributes import Classifier

NAMES = ("Eyeglasses", "Smiling")


@dataclass
class Photos:
    """Arrays as a `Source`."""

    images: np.ndarray
    attrs: np.ndarray
    attribute_names: tuple[str, ...] = NAMES
    name: str = "few"
    license: str = "CC0-1.0"
    fingerprint: str = ""

    @property
    def resolution_px(self) -> int:
        return self.images.shape[1]

    def __len__(self) -> int:
        return len(self.images)

    def load(self, indices):
        return self.images[np.asarray(indices)], self.attrs[np.asarray(indices)]


def drawn(count: int, px: int = 16, split: str = "train") -> Photos:
    """Drawn faces with the labels `NAMES` only."""
    faces = SyntheticFaces(count, px, split=split)
    images, attrs = faces.load(range(count))
    return Photos(images, attrs[:, [faces.attribute_names.index(name) for name in NAMES]])


class CentrePixel(Classifier):
    """Sees the first attribute where the pixel at the centre is red, the second where it is green."""

    def __init__(self):
        super().__init__("alex", NAMES, np.zeros((0, 2), np.float32), np.zeros(2, np.float32))

    def logits(self, photos):
        middle = photos.shape[1] // 2
        return photos[:, middle, middle, :2].astype(np.float32) - 127.5


def mean_colours(photos: np.ndarray) -> np.ndarray:
    """Three features that cost nothing."""
    return photos.mean(axis=(1, 2)).astype(np.float32)


def cheap_lpips(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """In place of LPIPS, where its value does not matter."""
    return np.abs(a.astype(np.float64) - b).mean(axis=(1, 2, 3)) / 255
