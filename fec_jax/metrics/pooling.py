"""Completions of a network, measured at a smaller size than its own: weights of different sizes then compare.

Everything but the network's work happens at the smaller size, as if the network were one of that size: photos are those
that `fec prepare` averaged to it, masks are drawn for it, baselines complete and judges learn there. The network itself
completes the same photos at its own resolution, under the same masks, each of their pixels a block of its pixels. What
it completed is averaged to the smaller size, rounded to 8 bits and pasted into the smaller photo.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from fec_jax import images
from fec_jax.data.source import Source
from fec_jax.metrics.subjects import Complete
from fec_jax.types import HostAttrs, HostImages, HostMasks, UserError

TOGETHER_BYTES = 2**27
"""Of the larger photos, so many are in work at once."""
COMPARED = 16


@dataclass(frozen=True, eq=False)
class Pooled:
    """A subject that completes the photos of `larger`: the same ones, in the same order, at a multiple of the size."""

    complete: Complete
    larger: Source

    def of_rows(self, rows: Sequence[int], real: HostImages, mask: HostMasks, wanted: HostAttrs) -> HostImages:
        """Completions of the photos `rows`, at the size of `real`, which are these photos; context byte for byte."""
        px, factor = real.shape[1], self.larger.resolution_px // real.shape[1]
        size = max(1, TOGETHER_BYTES // (3 * self.larger.resolution_px**2))
        done = np.empty_like(real)
        for start in range(0, len(rows), size):
            some = slice(start, start + size)
            photos, _ = self.larger.load(rows[some])
            holes = mask[some].repeat(factor, axis=1).repeat(factor, axis=2)
            completed = images.to_float(self.complete(photos, holes, wanted[some]))
            done[some] = images.to_uint8(images.pool_to(completed, px))
        return np.where(mask > 0.5, done, real)


def check(measure_at: int, resolution_px: int, smallest_px: int) -> None:
    """UserError unless networks of `resolution_px` can be measured at `measure_at` pixels."""
    if measure_at < smallest_px:
        raise UserError(f"--measure-at {measure_at}: SSIM and LPIPS need {smallest_px} px")
    if resolution_px % measure_at:
        raise UserError(
            f"--measure-at {measure_at}: completions of {resolution_px} px are averaged to it, so it must divide "
            f"{resolution_px}"
        )


def check_same(smaller: Source, larger: Source) -> None:
    """UserError if the two cannot be the same photos in the same order: averaged once or twice, grey levels differ."""
    same = len(smaller) == len(larger)
    for start in range(0, len(smaller) if same else 0, COMPARED):
        rows = range(start, min(start + COMPARED, len(smaller)))
        (small, labels), (large, same_labels) = smaller.load(rows), larger.load(rows)
        averaged = np.asarray(images.pool_to(jnp.asarray(large, jnp.float32), smaller.resolution_px))
        same = same and (labels == same_labels).all() and np.abs(averaged - small).mean(axis=(1, 2, 3)).max() < 2
    if not same:
        raise UserError(
            f"the data set has other photos at {smaller.resolution_px} px than at {larger.resolution_px} px: prepare "
            "it again, into an empty folder"
        )
