"""Held-out figures that a training logs: centre mask, hole only, and the edit success rate.

`predict` and `classify` are functions, so that this serves a training, a file of weights or a baseline alike.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fec_jax import images
from fec_jax.data.source import Source
from fec_jax.masks import holes
from fec_jax.metrics import pixel
from fec_jax.types import Attrs, HostAttrs, HostImages, Images, Masks

Predict = Callable[[Images, Masks, Attrs], Images]
"""(masked, mask, wanted_attrs) -> the generator's whole image."""
Classify = Callable[[Images], Float[Array, "b n"]]
"""image -> attribute logits."""


def reconstruction_figures(predict: Predict, photos: HostImages, attrs: HostAttrs, batch: int = 16) -> dict[str, float]:
    """`psnr_hole_center` (dB) and `l1_hole_center` (0..1), means over photos completed with their own attributes."""
    totals = {"psnr_hole_center": 0.0, "l1_hole_center": 0.0}
    for real, labels, count in _batches(photos, attrs, batch):
        mask = jnp.broadcast_to(holes.center(real.shape[1]), (*real.shape[:3], 1))
        completed = holes.paste(predict(holes.cut(real, mask), mask, labels), real, mask)
        totals["psnr_hole_center"] += float(pixel.psnr_hole(completed, real, mask)[:count].sum())
        totals["l1_hole_center"] += float(pixel.l1_hole(completed, real, mask)[:count].sum())
    return {name: value / len(photos) for name, value in totals.items()}


def attribute_figures(
    predict: Predict, classify: Classify, photos: HostImages, attrs: HostAttrs, names: Sequence[str], batch: int = 16
) -> dict[str, float]:
    """Agreement of `classify` with the wanted attributes, in [0, 1], of completed images.

    The hole is the centre square of half the side (`center`), and that of three quarters (`wide`): hair, beard and chin
    lie partly outside the first, where no completion can change them. For every attribute `attr_flipped_center/NAME`,
    `attr_flipped_wide/NAME`: it alone was flipped (edit success rate). `attr_kept_.../NAME`: nothing was.
    `attr_real/NAME`: the untouched photos, the classifier's own accuracy. Each also as a mean over attributes.
    """
    n = len(names)
    sides = {"center": 0.5, "wide": holes.WIDE}
    right = {f"{kind}_{side}": np.zeros(n) for kind in ("flipped", "kept") for side in sides} | {"real": np.zeros(n)}
    for real, labels, count in _batches(photos, attrs, batch):

        def agrees(x: Images, wanted: Attrs, count: int = count) -> np.ndarray:
            return np.asarray((classify(x) > 0) == (wanted > 0.5))[:count].sum(axis=0)

        right["real"] += agrees(real, labels)
        for side, share in sides.items():
            mask = jnp.broadcast_to(holes.center(real.shape[1], share), (*real.shape[:3], 1))
            masked = holes.cut(real, mask)
            right[f"kept_{side}"] += agrees(holes.paste(predict(masked, mask, labels), real, mask), labels)
            for i in range(n):
                wanted = labels.at[:, i].set(1 - labels[:, i])
                completed = holes.paste(predict(masked, mask, wanted), real, mask)
                right[f"flipped_{side}"][i] += agrees(completed, wanted)[i]
    figures = {}
    for kind, counts in right.items():
        share = counts / len(photos)
        figures[f"attr_{kind}/mean"] = float(share.mean())
        figures |= {f"attr_{kind}/{name}": float(value) for name, value in zip(names, share, strict=True)}
    return figures


def mean_face(source: Source, most: int = 2048) -> Predict:
    """The baseline that completes every hole with the average of the training photos (of the first `most`)."""
    count, total = min(len(source), most), 0.0
    for start in range(0, count, 64):
        total = total + source.load(range(start, min(start + 64, count)))[0].sum(axis=0, dtype=np.float64)
    mean = images.to_float(np.rint(total / count).astype(np.uint8))
    return lambda masked, mask, attrs: jnp.broadcast_to(mean, masked.shape)


def _batches(photos: HostImages, attrs: HostAttrs, batch: int):
    """Device batches of one size, and how many photos of each count; see `images.batches`."""
    for index, new in images.batches(len(photos), batch):
        yield jax.block_until_ready(images.to_float(photos[index])), jnp.asarray(attrs[index], jnp.float32), new
