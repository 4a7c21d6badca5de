"""Holes: cut them, paste completions into them, their rim. Masks are 1 in the hole and 0 in the context, everywhere.

Masks are sampled at the final resolution and average-pooled to the resolution of the phase, like the photos (paper). A
pooled mask is grey where a low-resolution pixel is partly hole. That means:

* the masked image is `real * (1 - mask)`, so a grey pixel is dimmed towards the mid grey of the hole;
* the completed image is `mask * fake + (1 - mask) * real`: a grey pixel is a mixture;
* the reconstruction loss weighs each pixel by its share of hole (`mask`) and of context (`1 - mask`);
* the boundary loss takes its weight from `rim`, which is defined for grey masks too.

At the final resolution, and in use, masks are binary.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from fec_jax import images
from fec_jax.types import Images, Masks

WIDE = 0.75
"""Side of the wide centre square, as a share of the image's."""


def center(size_px: int, share: float = 0.5) -> Float[Array, "{size_px} {size_px} 1"]:
    """The centred square whose side is `share` of the image's: by default rows and columns size/4 .. 3 size/4."""
    inside = jnp.abs((jnp.arange(size_px) + 0.5) / size_px - 0.5) < share / 2
    return (inside[:, None] & inside[None, :]).astype(jnp.float32)[:, :, None]


def rim(mask: Masks, share: float = 0.0) -> Masks:
    """The boundary loss's weight: the mask's edge, blurred by a mean filter; in [0, 1].

    The edge is the morphological gradient (a window's maximum minus its minimum): `reach` pixels on both sides of the
    seam. The weight is 0 further than reach + blur // 2 pixels from it, and everywhere for an empty or full mask.

    share: 0 (paper): reach 1, blur 7 at every size, so that the rim's part of the image halves with every resolution.
    Otherwise the rim ends this share of the side away from the seam, half of it edge, half blur (at least 1 px each).
    """
    reach = max(1, round(share * mask.shape[1] / 2))
    edge = _window(mask, 2 * reach + 1, -jnp.inf, jax.lax.max) - _window(mask, 2 * reach + 1, jnp.inf, jax.lax.min)
    return _mean(edge, 2 * reach + 1 if share else 7)


def feathered(mask: Masks, width_px: int) -> Masks:
    """The hole, softened inwards: 1 from `width_px` pixels inside on, falling linearly to nearly 0 at the rim."""
    if not width_px:
        return mask
    return jnp.clip(2 * _mean(mask, 2 * width_px + 1) - 1, 0, 1) * mask


def _mean(x: Masks, size_px: int) -> Masks:
    """Mean filter; beyond the image there is 0."""
    return _window(x, size_px, 0.0, jax.lax.add) / size_px**2


def _window(x: Masks, size_px: int, init: float, reduce: Any) -> Masks:
    """Over the rows of a window, then over what that gives: at 1024 px a window of 85 x 85 has 7,225 pixels."""
    x = jax.lax.reduce_window(x, init, reduce, (1, size_px, 1, 1), (1, 1, 1, 1), "SAME")
    return jax.lax.reduce_window(x, init, reduce, (1, 1, size_px, 1), (1, 1, 1, 1), "SAME")


def cut(real: Images, mask: Masks) -> Images:
    """The masked image: `real` with the hole at 0, mid grey."""
    return real * (1 - mask)


def paste(fake: Images, real: Images, mask: Masks) -> Images:
    """The completed image: hole pixels of `fake`, context pixels of `real`."""
    return mask * fake + (1 - mask) * real


def pooled(mask: Masks, resolution_px: int) -> Float[Array, "b {resolution_px} {resolution_px} 1"]:
    """A full-size mask at the resolution of a phase, grey at the rim."""
    return images.pool_to(mask, resolution_px)
