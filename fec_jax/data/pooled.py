"""A source, average-pooled to a lower resolution, with some of its attributes."""

from collections.abc import Sequence

import numpy as np

from fec_jax.data.attributes import select
from fec_jax.data.source import Source
from fec_jax.types import HostAttrs, HostImages


class Pooled:
    """`source` at `resolution_px`, a divisor of its own; same records, name and licence.

    attributes: which of its labels to give, in which order; empty: all. Raises UserError for one that it does not have.
    """

    def __init__(self, source: Source, resolution_px: int, attributes: Sequence[str] = ()):
        if source.resolution_px % resolution_px:
            raise ValueError(f"cannot average-pool {source.resolution_px} px to {resolution_px} px: not a divisor")
        self.source, self.resolution_px = source, resolution_px
        self.name, self.license, self.fingerprint = source.name, source.license, source.fingerprint
        self.attribute_names = tuple(attributes) or source.attribute_names
        self._columns = select(self.attribute_names, source.attribute_names, source.name)

    def __len__(self) -> int:
        return len(self.source)

    def load(self, indices: Sequence[int] | np.ndarray) -> tuple[HostImages, HostAttrs]:
        """See `Source.load`. Pooled on the host, and rounded to whole grey levels once more."""
        photos, attrs = self.source.load(indices)
        k, r = self.source.resolution_px // self.resolution_px, self.resolution_px
        if k > 1:
            means = photos.reshape(-1, r, k, r, k, 3).mean(axis=(2, 4), dtype=np.float32)
            photos = np.rint(means).astype(np.uint8)
        return photos, attrs[:, self._columns]
