"""Fine texture: noise tiles twice as wide as a crop, of which every person shows another part.

A tile is made once per resolution from the same random lattices, each octave weakened as its cells come near a pixel.
"""

from functools import lru_cache

import numpy as np

from fec_jax.data.synthetic.people import People

_SHIFTS = 64  # a person's part of the tile begins at a multiple of 1/64 of the crop: whole pixels from 64 px on


def _octave(cells: int, size: int, seed: int) -> np.ndarray:
    """Smooth periodic noise with `cells` cells per side, about uniform in -1..1, [size, size]."""
    lattice = np.random.default_rng([seed, cells]).uniform(-1, 1, (cells, cells)).astype(np.float32)
    at = (np.arange(size) + 0.5) * cells / size
    i = at.astype(int)
    t = (at - i).astype(np.float32)
    t = t * t * (3 - 2 * t)
    j = (i + 1) % cells
    rows = lattice[i] * (1 - t[:, None]) + lattice[j] * t[:, None]
    return rows[:, i] * (1 - t) + rows[:, j] * t


@lru_cache(maxsize=8)
def _tile(kind: str, resolution_px: int) -> np.ndarray:
    size = 2 * resolution_px
    octaves = {"soft": [(8, 1.0), (16, 0.7), (32, 0.5)], "fine": [(128, 0.6), (256, 0.8), (512, 1.0), (1024, 0.8)],
               "curl": [(32, 0.5), (64, 1.0), (128, 0.8), (256, 0.5)]}  # fmt: skip
    if kind == "spots":
        return _spots(size)
    out = np.zeros((size, size), np.float32)
    for cells, weight in octaves[kind]:
        per_cell = size / cells
        if per_cell > 1:
            out += weight * min(1.0, (per_cell - 1) / 2) * _octave(cells, size, 7)
    return out


def _spots(size: int) -> np.ndarray:
    """Round soft freckles, 0..1: radius 0.002 to 0.006 of the crop, 700 per crop."""
    rng = np.random.default_rng(11)
    out = np.zeros((size, size), np.float32)
    for x, y, r, strength in rng.uniform([0, 0, 0.001, 0.3], [1, 1, 0.003, 1.0], (2800, 4)):
        wide = max(r * size, 0.8)
        strength *= min(1.0, (r * size / wide) ** 2)
        reach = int(np.ceil(wide)) + 1
        cx, cy = x * size, y * size
        js, is_ = np.arange(int(cx) - reach, int(cx) + reach + 1), np.arange(int(cy) - reach, int(cy) + reach + 1)
        d = np.hypot(js + 0.5 - cx, (is_ + 0.5 - cy)[:, None])
        part = np.ix_(is_ % size, js % size)
        out[part] = np.maximum(out[part], strength * np.clip(1.3 - d / wide, 0, 1))
    return out


def texture(people: People, kind: str, resolution_px: int, ys: slice, xs: slice) -> np.ndarray:
    """A person's part of a tile, [n, h, w]: soft (blotches), fine (pores), curl (hair) or spots (freckles)."""
    tile = _tile(kind, resolution_px)
    step = resolution_px // _SHIFTS
    oy = (people.unit(f"{kind} y")[:, 0, 0] * _SHIFTS).astype(int) * step
    ox = (people.unit(f"{kind} x")[:, 0, 0] * _SHIFTS).astype(int) * step
    return np.stack([tile[a + ys.start : a + ys.stop, b + xs.start : b + xs.stop] for a, b in zip(oy, ox, strict=True)])


def strands(t: np.ndarray, people: People, name: str, frequency: float, step: np.ndarray | float) -> np.ndarray:
    """Streaks along lines of equal `t`, about -1..1: waves of `t`, none too fine for a `step` of `t` per pixel."""
    out = np.zeros(np.broadcast_shapes(t.shape), np.float32)
    for k, weight in ((1.0, 0.45), (2.63, 0.4), (6.1, 0.35), (14.3, 0.3)):
        f = frequency * k
        room = np.clip(1.6 - f * step, 0, 1)
        if not np.any(room):
            break
        phase = people.between(f"{name} {k}", 0, 6.28)
        out += (weight * room) * np.sin(f * t + phase + np.float32(1.3) * np.sin(f * np.float32(0.37) * t + 2 * phase))
    return out
