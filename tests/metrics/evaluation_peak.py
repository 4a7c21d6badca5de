"""Bytes at the most while photos are measured and described: `python evaluation_peak.py COUNT ...`."""

import sys
import tracemalloc
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from few_photos import NAMES, CentrePixel, cheap_lpips, mean_colours

from fec_jax.data.held import Fitted, Hashed
from fec_jax.masks import sets as mask_sets
from fec_jax.metrics import distribution, evaluation, perceptual, protocol, subjects
from fec_jax.metrics.evaluation import Bench, Judges

PX = 32


class Generated:
    """Photos made when they are asked for; `read` counts how often each one was."""

    name, license, fingerprint, resolution_px, attribute_names = "generated", "CC0-1.0", "", PX, NAMES

    def __init__(self, count: int):
        self.read = np.zeros(count, int)

    def __len__(self):
        return len(self.read)

    def load(self, indices):
        np.add.at(self.read, np.asarray(indices, int), 1)
        photos = [np.random.default_rng(int(i)).integers(0, 256, (PX, PX, 3), np.uint8) for i in indices]
        return np.stack(photos), np.array([[i % 2, i // 2 % 2] for i in indices], np.uint8)


def peak_of(count: int) -> int:
    test = Hashed(Generated(count))
    bench = Bench(test, count, Judges({"pixel": CentrePixel()}, {"colour": mean_colours}))
    sets = [mask_sets.make(name, count, PX, 0) for name in ("center", "lama-thick")]
    tracemalloc.start()
    for masks in sets:
        measured = evaluation.measure(bench, subjects.itself, masks)
        evaluation.figures(bench, measured)
        evaluation.by_hole_area(measured, masks)
    protocol.describe(Fitted(Generated(8)), test, "test", count, sets, {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


if __name__ == "__main__":
    perceptual.lpips = perceptual.lpips_alex = cheap_lpips
    evaluation.CHUNK_BYTES = 16 * 3 * PX * PX
    distribution.ROWS = 16
    peak_of(16)  # what is compiled or imported once
    print(*(peak_of(int(count)) for count in sys.argv[1:]))
