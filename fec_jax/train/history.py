"""The history buffer: D is shown earlier completions too, not only the newest ones (paper; Shrivastava et al. 2017).

Every position of the global batch has a ring of its own, so the buffer is split over devices like the batch, and
sampling does not depend on the number of devices. Images are kept as uint8, as photos are, at the phase's
resolution.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from fec_jax import images
from fec_jax.types import Images


@flax.struct.dataclass
class History:
    """images: uint8 [b, depth, r, r, 3]. filled: how many of each ring's slots hold an image, int32 [b]."""

    images: Any
    filled: Any


def empty(batch: int, depth: int, resolution_px: int) -> History:
    """A buffer that holds nothing yet: `batch` rings of `depth` images."""
    return History(
        images=jnp.zeros((batch, depth, resolution_px, resolution_px, 3), jnp.uint8),
        filled=jnp.zeros((batch,), jnp.int32),
    )


def mix(
    history: History, fresh: Images, keys: Key[Array, " b"], share: float
) -> tuple[Images, History, Float[Array, ""]]:
    """What D is shown as fake, the buffer afterwards, and the fraction of the batch that came from the buffer.

    While a ring has room, the fresh image is shown and kept. Once it is full, with probability `share` a random one of
    its images is shown instead of the fresh one, which takes its place; otherwise the fresh one is shown and not kept.
    """
    depth = history.images.shape[1]
    if depth == 0:
        return fresh, history, jnp.zeros(())

    def one(ring, filled, image, key):
        k_use, k_slot = jax.random.split(key)
        full = filled == depth
        use_old = full & jax.random.bernoulli(k_use, share)
        slot = jnp.where(full, jax.random.randint(k_slot, (), 0, depth), filled)
        shown = jnp.where(use_old, images.to_float(ring[slot]), image)
        keep = use_old | ~full
        ring = ring.at[slot].set(jnp.where(keep, images.to_uint8(image), ring[slot]))
        return shown, ring, jnp.minimum(filled + 1, depth), use_old

    shown, rings, filled, used = jax.vmap(one)(history.images, history.filled, fresh, keys)
    return shown, History(images=rings, filled=filled), used.mean(dtype=jnp.float32)
