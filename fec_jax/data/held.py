"""Sources around another one, for an evaluation: one takes its photos' checksums, one keeps them in memory too."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np

from fec_jax.data.source import Source, fitted_count
from fec_jax.types import HostAttrs, HostImages

_SMALLEST_PART = 8


class Hashed:
    """Photos and labels of another source, read on all cores; each one's checksum is taken while it is there."""

    def __init__(self, source: Source):
        self._source = source
        self.name = source.name
        self.resolution_px = source.resolution_px
        self.attribute_names = source.attribute_names
        self.license = source.license
        self.fingerprint = source.fingerprint
        self._digests: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._source)

    def load(self, indices: Sequence[int] | np.ndarray) -> tuple[HostImages, HostAttrs]:
        """See `Source.load`."""
        wanted = np.asarray(indices, np.int64)
        workers = os.cpu_count() or 1
        parts = np.array_split(wanted, max(1, min(workers, len(wanted) // _SMALLEST_PART)))
        if len(parts) == 1:
            return self._read(wanted)
        px = self.resolution_px
        images = np.empty((len(wanted), px, px, 3), np.uint8)
        attrs = np.empty((len(wanted), len(self.attribute_names)), np.uint8)
        starts = np.cumsum([0, *map(len, parts)])

        def read(i: int) -> None:
            images[starts[i] : starts[i + 1]], attrs[starts[i] : starts[i + 1]] = self._read(parts[i])

        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(read, range(len(parts))))
        return images, attrs

    def digests(self, count: int) -> list[bytes]:
        """SHA-256 of the pixels and labels of each of the first `count` photos. Photos not loaded yet are read."""
        missing = [i for i in range(count) if i not in self._digests]
        together = max(_SMALLEST_PART, 2**25 // (3 * self.resolution_px**2))
        for start in range(0, len(missing), together):
            self.load(missing[start : start + together])
        return [self._digests[i] for i in range(count)]

    def _read(self, wanted: np.ndarray) -> tuple[HostImages, HostAttrs]:
        images, attrs = self._source.load(wanted)
        for index, image, labels in zip(wanted.tolist(), images, attrs, strict=True):
            if index not in self._digests:
                sha = hashlib.sha256(image.tobytes())
                sha.update(labels.tobytes())
                self._digests[index] = sha.digest()
        return images, attrs


class Fitted(Hashed):
    """The photos that statistics are fitted to (see `load_to_fit`), read once, when first asked for."""

    @cached_property
    def _photos(self) -> tuple[HostImages, HostAttrs]:
        return super().load(range(fitted_count(self._source)))

    def __len__(self) -> int:
        return len(self._photos[0])

    def load(self, indices: Sequence[int] | np.ndarray) -> tuple[HostImages, HostAttrs]:
        """See `Source.load`; a range gives views, not copies."""
        rows = slice(indices.start, indices.stop, indices.step) if isinstance(indices, range) else np.asarray(indices)
        images, attrs = self._photos
        return images[rows], attrs[rows]
