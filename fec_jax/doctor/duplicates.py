"""Photos that are there twice: exactly, or as a copy that was saved again, scaled, brightened or made grey.

The perceptual hash is pHash's (E. Klinger, D. Starkweather, phash.org): signs of the low frequencies of the cosine
transform of a small grey image. Our own few lines, since the libraries for it bring SciPy and wavelets along, and have
64 bits, too few for aligned faces, which are all alike. On 1,504 aligned portraits, photos of two people differ in 42
bits of 255 at the least, two photos of one person in 18, and a photo and its copy in 16 at the most in 19 of 20 cases
(JPEG of quality 40, a quarter of the size, a fifth brighter or less contrast).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

CLOSE_BITS = 16
_SIDE, _LOW = 64, 16
_BANDS = CLOSE_BITS + 1
_TOGETHER = 512
_COSINES = np.cos(np.pi * (np.arange(_SIDE) + 0.5) * np.arange(_LOW)[:, None] / _SIDE)


@dataclass(frozen=True)
class Print:
    """What is kept of a photo to find it again: `exact`, a hash of its pixels, and `bits`, what it looks like."""

    exact: bytes
    bits: Bool[np.ndarray, "255"]


def print_of(pixels: UInt8[np.ndarray, "h w 3"]) -> Print:
    """Of a photo as the networks see it."""
    size = np.array(pixels.shape, np.int32).tobytes()
    how = Image.Resampling.BOX if min(pixels.shape[:2]) >= _SIDE else Image.Resampling.BILINEAR
    grey = np.asarray(Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), how), np.float64)
    low = (_COSINES @ grey @ _COSINES.T).ravel()[1:]
    return Print(hashlib.sha256(size + pixels.tobytes()).digest(), low > np.median(low))


def same_pixels(prints: Sequence[Print]) -> list[tuple[int, ...]]:
    """Groups of photos with equal pixels, as positions, each group ascending."""
    groups: dict[bytes, list[int]] = {}
    for i, one in enumerate(prints):
        groups.setdefault(one.exact, []).append(i)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def alike(prints: Sequence[Print]) -> list[tuple[int, int]]:
    """Pairs of photos that differ in at most `CLOSE_BITS` bits, but not those with equal pixels; ascending."""
    if len(prints) < 2:
        return []
    bits = np.stack([one.bits for one in prints])
    found = set()
    # Pairs that differ in 16 bits agree in at least one of 17 bands.
    for band in np.array_split(np.arange(bits.shape[1]), _BANDS):
        keys = bits[:, band] @ (1 << np.arange(len(band)))
        order = np.argsort(keys, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            found |= _close(bits, group)
    return sorted((i, j) for i, j in found if prints[i].exact != prints[j].exact)


def _close(bits: Bool[np.ndarray, "n b"], group: np.ndarray) -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    signs = bits[group].astype(np.float32) * 2 - 1
    for start in range(0, len(group) - 1, _TOGETHER):
        distance = (bits.shape[1] - signs[start : start + _TOGETHER] @ signs.T) / 2
        rows, columns = np.nonzero(distance <= CLOSE_BITS)
        pairs |= {_pair(group[start + r], group[c]) for r, c in zip(rows, columns, strict=True) if start + r < c}
    return pairs


def _pair(i: np.integer, j: np.integer) -> tuple[int, int]:
    return (int(i), int(j)) if i < j else (int(j), int(i))


def named(groups: Iterable[Sequence[int]], names: Sequence[str]) -> list[str]:
    """Groups for people: `a.png = b.png`."""
    return [" = ".join(names[i] for i in group) for group in groups]
