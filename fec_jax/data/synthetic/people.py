"""The people of synthetic faces: labels and random traits, each a pure function of (seed, index, name of the trait).

A trait never depends on the labels, on the other traits, on the batch or on the resolution. So a person rendered with
another label is the same person, and a new trait changes no other one.
"""

import zlib

import numpy as np
from jaxtyping import Float, UInt8

from fec_jax.types import UserError

ATTRIBUTES: tuple[str, ...] = ("Male", "Smiling", "Eyeglasses", "Young", "Gray_Hair", "No_Beard", "Bald")

Trait = Float[np.ndarray, "n 1 1"]
Colour = Float[np.ndarray, "n 3 1 1"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _scramble(x: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): uint64 to uint64, well mixed."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


class People:
    """`n` people, one for each of `indices` (integers >= 0), under one integer `seed`.

    `attrs` (uint8 [n, 7], order of `ATTRIBUTES`) replaces the sampled labels; nothing else changes.
    Traits come as float32 [n, 1, 1] and colours as float32 [n, 3, 1, 1], ready to meet planes of pixels.
    Raises UserError for labels of the wrong shape or with values other than 0 and 1.
    """

    def __init__(self, seed: int, indices: np.ndarray, attrs: np.ndarray | None = None):
        indices = np.asarray(indices)
        if indices.ndim != 1 or not np.issubdtype(indices.dtype, np.integer) or (indices.size and indices.min() < 0):
            raise UserError(f"synthetic faces: indices must be a list of whole numbers >= 0, got {indices!r:.80}")
        self.n = len(indices)
        key = np.full(1, seed % 2**64, np.uint64)
        self._key = _scramble(_scramble(key + _GOLDEN) + (indices.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
        self.attrs = self._labels() if attrs is None else np.asarray(attrs)
        if self.attrs.shape != (self.n, len(ATTRIBUTES)) or not np.isin(self.attrs, (0, 1)).all():
            raise UserError(
                f"synthetic faces: attrs must be 0 or 1 of shape {(self.n, len(ATTRIBUTES))}, order {ATTRIBUTES}"
            )
        self.attrs = self.attrs.astype(np.uint8)

    def __getitem__(self, part: slice) -> "People":
        """Some of the people."""
        out = object.__new__(People)
        out._key, out.attrs = self._key[part], self.attrs[part]
        out.n = len(out.attrs)
        return out

    def _labels(self) -> UInt8[np.ndarray, "n a"]:
        """Male 50 %, Smiling 50 %, Eyeglasses 30 %, Young 55 %, Gray_Hair 12 % of the young and 50 % of the others
        (29 %), beards on 42 % of the men and 6 % of the others (No_Beard 76 %), Bald likewise 34 % and 6 % (20 %)."""
        male, young = self.chance("Male", 0.5), self.chance("Young", 0.55)
        labels = {
            "Male": male,
            "Smiling": self.chance("Smiling", 0.5),
            "Eyeglasses": self.chance("Eyeglasses", 0.3),
            "Young": young,
            "Gray_Hair": self.chance("Gray_Hair", 0.5 - 0.38 * young),
            "No_Beard": 1 - self.chance("beard", 0.06 + 0.36 * male),
            "Bald": self.chance("Bald", 0.06 + 0.28 * male),
        }
        return np.concatenate([labels[name][:, :, 0] for name in ATTRIBUTES], axis=1).astype(np.uint8)

    def has(self, attribute: str) -> Trait:
        """The label of one attribute, 0 or 1."""
        return self.attrs[:, ATTRIBUTES.index(attribute), None, None].astype(np.float32)

    def unit(self, name: str) -> Trait:
        """Uniform in [0, 1), named."""
        bits = _scramble(self._key + np.array([zlib.crc32(name.encode())], np.uint64) * _GOLDEN) >> np.uint64(40)
        return (bits.astype(np.float32) / np.float32(1 << 24))[:, None, None]

    def between(self, name: str, low: float | np.ndarray, high: float | np.ndarray) -> Trait:
        """Uniform between `low` and `high`."""
        return (low + (high - low) * self.unit(name)).astype(np.float32)

    def chance(self, name: str, p: float | np.ndarray) -> Trait:
        """1 with probability `p`, else 0."""
        return (self.unit(name) < p).astype(np.float32)

    def pick(self, name: str, palette: np.ndarray, jitter: float = 0.08, early: np.ndarray | float = 1) -> Colour:
        """One colour of `palette` (uint8, [k, 3]), a little varied; float in 0..1. `early` > 1 favours the first."""
        which = (self.unit(name) ** np.float32(early) * len(palette))[:, 0, 0].astype(int)
        which = np.minimum(which, len(palette) - 1)
        wobble = [self.between(f"{name} {c}", -jitter, jitter)[:, 0, 0] for c in "rgb"]
        varied = palette[which] / np.float32(255) * (1 + np.stack(wobble, 1))
        return np.clip(varied, 0, 1).astype(np.float32)[:, :, None, None]

    def along(self, name: str, palette: np.ndarray) -> Colour:
        """A colour on the path through `palette` (uint8 values, [k, 3]); float in 0..1."""
        t = self.unit(name)[:, 0, 0] * (len(palette) - 1)
        i = np.minimum(t.astype(int), len(palette) - 2)
        mixed = palette[i] + (t - i)[:, None] * (palette[i + 1] - palette[i])
        return (mixed / 255).astype(np.float32)[:, :, None, None]

    def colour(self, name: str, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
        """Any hue, with saturation and value (HSV) uniform in the ranges."""
        hue = self.between(f"{name} hue", 0, 6)[:, 0]
        s, v = self.between(f"{name} sat", *saturation)[:, 0], self.between(f"{name} val", *value)[:, 0]
        k = (np.array([5, 3, 1], np.float32) + hue) % 6
        return (v - v * s * np.clip(np.minimum(k, 4 - k), 0, 1)).astype(np.float32)[:, :, None, None]
