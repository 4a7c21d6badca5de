"""L1 between completion and photo, in the hole and in the context (paper, reconstruction loss)."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def reconstruction(
    fake: Float[Array, "b h w c"],
    real: Float[Array, "b h w c"],
    mask: Float[Array, "b h w 1"],
    alpha: float | Float[Array, ""] = 0.7,
) -> Float[Array, " b"]:
    """alpha * mean |fake - real| in the hole + (1 - alpha) * the same in the context. Images in [-1, 1]: 0 to 2.

    `mask` is 1 in the hole. A pooled mask is grey at the rim: a pixel of grey m counts m times in the hole's mean and
    1 - m times in the context's. The paper's sums grow fourfold with every resolution; means keep the meaning of
    lambda. An empty hole, or an empty context, adds 0.
    """
    difference = jnp.abs(fake.astype(jnp.float32) - real.astype(jnp.float32)).mean(axis=3, keepdims=True)
    mask = mask.astype(jnp.float32)
    return alpha * _masked_mean(difference, mask) + (1 - alpha) * _masked_mean(difference, 1 - mask)


def _masked_mean(x: Float[Array, "b h w 1"], weight: Float[Array, "b h w 1"]) -> Float[Array, " b"]:
    # The floor only keeps 0 / 0 from becoming NaN: one pixel of a 1024 px mask pooled to 4 px still weighs 1/65536.
    return (weight * x).sum(axis=(1, 2, 3)) / jnp.maximum(weight.sum(axis=(1, 2, 3)), 1e-6)
