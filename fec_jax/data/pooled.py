"""A source at a lower resolution than the one it is made from, by average pooling, as the paper makes them."""

from collections.abc import Sequence

import numpy as np

from fec_jax.data.source import Source
from fec_jax.types import HostAttrs, HostImages


class Pooled:
    """`source` at `resolution_px`, a divisor of its own; same records, names and licence."""

    def __init__(self, source: Source, resolution_px: int):
        if source.resolution_px % resolution_px:
            raise ValueError(f"cannot average-pool {source.resolution_px} px to {resolution_px} px: not a divisor")
        self.source, self.resolution_px = source, resolution_px
        self.name, self.license, self.attribute_names = source.name, source.license, source.attribute_names

    def __len__(self) -> int:
        return len(self.source)

    def load(self, indices: Sequence[int] | np.ndarray) -> tuple[HostImages, HostAttrs]:
        """See `Source.load`."""
        photos, attrs = self.source.load(indices)
        k, r = self.source.resolution_px // self.resolution_px, self.resolution_px
        if k == 1:
            return photos, attrs
        means = photos.reshape(-1, r, k, r, k, 3).mean(axis=(2, 4), dtype=np.float32)
        return np.rint(means).astype(np.uint8), attrs
