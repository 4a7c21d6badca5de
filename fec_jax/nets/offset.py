"""Where the face of a photo lies beside its usual place, seen from the context alone; and moving it there.

Alignment by a detector is never exact, and a generator that was trained on aligned photos draws eyes where eyes usually
are. So it looks first, as a spatial transformer does (Jaderberg et al., arXiv 1506.02025), but moves by whole pixels
and learns the offset from photos that were moved on purpose (`train.offsets`), not from its completions.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from fec_jax import images
from fec_jax.nets import layers, ops
from fec_jax.nets.prior import context

PX = 32
"""Side of the images that it looks at."""
FROM_PX = 64
"""Smallest images that are moved: of smaller ones the offset is a pixel at most."""
LARGEST = 3 / 64
"""Of the side: no photo is moved by more."""
LEAST = 3 / 256
"""Of the side: a smaller offset is borne. What is found of an aligned photo is mostly error."""
SURE_AREA = 0.25
"""Of the image: with a larger hole less is seen, and `LEAST` grows as the hole does."""
RING = 2
"""Pixels of its image, of `PX`, at every side that it does not look at: what comes in from outside would tell."""
WIDTHS, HIDDEN = (32, 64, 96, 64), 128


class Offset(nn.Module):
    """The offset of the face, right and down, as shares of the side. It starts at 0."""

    @nn.compact
    def __call__(self, masked: Float[Array, "b r r 3"], mask: Float[Array, "b r r 1"]) -> Float[Array, "b 2"]:
        """`masked` and `mask` as G gets them; r is a multiple of 32. In float32."""
        known, seen = context(masked, mask, PX)
        inner = jnp.pad(jnp.ones((1, PX - 2 * RING, PX - 2 * RING, 1)), ((0, 0), (RING, RING), (RING, RING), (0, 0)))
        x = ops.with_channel(known * inner, seen * inner)
        for i, width in enumerate(WIDTHS):
            if i:
                x = layers.Conv(width, norm=True, name=f"Down_{i}")(images.pool2(x))
            x = layers.Conv(width, norm=True, name=f"Conv_{i}")(x)
        x = x.reshape(x.shape[0], -1)
        x = layers.leaky_relu(nn.Dense(HIDDEN, kernel_init=layers.he_normal, name="Dense_0")(x))
        return nn.Dense(2, kernel_init=nn.initializers.zeros, name="Dense_1")(x) / PX


def moved(x: Float[Array, "b r r c"], by_px: Float[Array, "b 2"]) -> Float[Array, "b r r c"]:
    """Images moved by whole pixels, right and down, each by its own; the border is repeated.

    As products of matrices of 0 and 1, whose gradient is one too, on any platform and in any format that programs are
    exported to.
    """
    r = x.shape[1]
    taken = jnp.clip(jnp.arange(r) - by_px[..., None], 0, r - 1)  # [b, 2, r]: the column or row that each place takes
    columns, rows = jnp.moveaxis((taken[..., None] == jnp.arange(r)).astype(x.dtype), 1, 0)
    x = jnp.einsum("bip,bpwc->biwc", rows, x, precision=lax.Precision.HIGHEST)
    return jnp.einsum("bjq,bhqc->bhjc", columns, x, precision=lax.Precision.HIGHEST)


def whole_px(offset: Float[Array, "b 2"], mask: Float[Array, "b r r 1"]) -> Float[Array, "b 2"]:
    """By how many pixels to move the photo of this offset, right and down.

    0 where the offset is small for a hole of this area, and where part of the hole would leave the photo.
    """
    least = LEAST * jnp.maximum(jnp.mean(mask, axis=(1, 2, 3)) / SURE_AREA, 1.0)[:, None]
    taken = jnp.where(jnp.abs(offset) < least, 0.0, jnp.clip(offset, -LARGEST, LARGEST))
    by_px = -jnp.round(taken * mask.shape[1])
    lost = jnp.max(mask * (1 - stays(by_px, mask.shape[1])), axis=(1, 2, 3))
    return jnp.where(lost[:, None] > 0, 0.0, by_px)


def stays(by_px: Float[Array, "b 2"], size_px: int) -> Float[Array, "b {size_px} {size_px} 1"]:
    """1 where a pixel that is moved by so much is still in the image, else 0."""
    places = jnp.arange(size_px) + by_px[..., None]
    columns, rows = jnp.moveaxis((places >= 0) & (places < size_px), 1, 0)
    return (rows[:, :, None, None] & columns[:, None, :, None]).astype(jnp.float32)
