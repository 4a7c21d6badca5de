"""L1 around the rim of the hole, against visible seams (paper, boundary loss)."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def boundary(
    fake: Float[Array, "b h w c"], real: Float[Array, "b h w c"], weight: Float[Array, "b h w 1"]
) -> Float[Array, " b"]:
    """L1 around the rim of the hole: the mean of weight * |fake - real| over all pixels and channels.

    Images in [-1, 1]; `weight` is `holes.rim(mask)`, in [0, 1], 0 away from the rim, on both sides of it.

    The mean runs over the whole image, not over the weight: few pixels have any, so the term is small and the paper's
    lambda for it (5000) is ten times that of the reconstruction. A longer rim counts for more, as it should.
    """
    difference = jnp.abs(fake.astype(jnp.float32) - real.astype(jnp.float32))
    return (weight.astype(jnp.float32) * difference).mean(axis=(1, 2, 3))
