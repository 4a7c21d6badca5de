"""Moving between sizes, ranges and pictures: the only image arithmetic that nets, losses and data share."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num, UInt8

HALF_RANGE = 127.5
"""Grey levels per unit of a pixel in [-1, 1]."""


def pool2(x: Float[Array, "b h w c"]) -> Float[Array, "b h/2 w/2 c"]:
    """Average of every 2 x 2 block: half the height and width. Both must be even."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


def pool_to(x: Float[Array, "b h w c"], size_px: int) -> Float[Array, "b {size_px} {size_px} c"]:
    """Average pooling of a square image down to `size_px`, a divisor of its side (paper, section "Training")."""
    b, h, _, c = x.shape
    if h % size_px:
        raise ValueError(f"cannot average-pool {h} px to {size_px} px: not a divisor")
    k = h // size_px
    return x.reshape(b, size_px, k, size_px, k, c).mean(axis=(2, 4))


def up2(x: Float[Array, "b h w c"]) -> Float[Array, "b 2*h 2*w c"]:
    """Nearest-neighbour enlargement by 2: every pixel becomes a 2 x 2 block, so `pool2(up2(x)) == x`."""
    b, h, w, c = x.shape
    return jnp.broadcast_to(x[:, :, None, :, None, :], (b, h, 2, w, 2, c)).reshape(b, 2 * h, 2 * w, c)


def at(x: Float[Array, "b h h c"], size_px: int) -> Float[Array, "b {size_px} {size_px} c"]:
    """A square image at another size, a divisor or a multiple of its side: pooled, or enlarged linearly."""
    b, h, _, c = x.shape
    return pool_to(x, size_px) if size_px <= h else jax.image.resize(x, (b, size_px, size_px, c), "linear")


def lerp(old: Float[Array, "..."], new: Float[Array, "..."], alpha: Float[Array, ""] | float) -> Float[Array, "..."]:
    """The fade: `old` at alpha 0, `new` at alpha 1, both exactly. Computed in alpha's type; the result has `new`'s."""
    return ((1 - alpha) * old + alpha * new).astype(new.dtype)


def plus(old: Float[Array, "..."], new: Float[Array, "..."], alpha: Float[Array, ""] | float) -> Float[Array, "..."]:
    """The other fade: `old + alpha * new`. Computed in alpha's type; the result has `new`'s."""
    return (old + alpha * new).astype(new.dtype)


def to_float(x: UInt8[Array, "*s"] | UInt8[np.ndarray, "*s"]) -> Float[Array, "*s"]:
    """uint8 0..255 to float32 [-1, 1]."""
    return jnp.asarray(x, jnp.float32) / HALF_RANGE - 1.0


def to_uint8(x: Float[Array, "*s"]) -> UInt8[Array, "*s"]:
    """float [-1, 1] to uint8 0..255, rounded to nearest; values outside are clipped. Inverse of `to_float`."""
    return jnp.clip(jnp.round((x.astype(jnp.float32) + 1.0) * HALF_RANGE), 0, 255).astype(jnp.uint8)


def grid(rows: Num[np.ndarray, "r c h w 3"], gap_px: int = 2) -> UInt8[np.ndarray, "H W 3"]:
    """Lays uint8 images [rows, columns, h, w, 3] out on a white sheet with `gap_px` between them."""
    r, c, h, w, _ = rows.shape
    sheet = np.full((r * (h + gap_px) + gap_px, c * (w + gap_px) + gap_px, 3), 255, np.uint8)
    for i in range(r):
        for j in range(c):
            y, x = gap_px + i * (h + gap_px), gap_px + j * (w + gap_px)
            sheet[y : y + h, x : x + w] = rows[i, j]
    return sheet


def batches(count: int, size: int) -> Iterator[tuple[Int[np.ndarray, "{size}"], int]]:
    """Indices of `count` images in batches of one size, so that one program serves all, and how many of each are new.

    The last batch is padded by repeating its own indices.
    """
    for start in range(0, count, size):
        new = min(size, count - start)
        yield np.resize(np.arange(start, start + new), size), new
