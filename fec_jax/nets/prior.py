"""A linear model of whole faces, probabilistic PCA: what the context says of the hole, before any convolution looks.

A small face is `mean + c @ (noise * basis)` and noise of standard deviation `noise`, with `c` of unit variance a
priori (Tipping & Bishop, J. Royal Statistical Society B 61(3), 1999). The most probable `c`, given the context, is a
ridge regression whose pixels the mask chooses: whatever the hole, one set of numbers serves. They are fitted to the
training photos when a run begins (`train.prior`) and never trained.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from fec_jax import images

PX = 32
"""Side of its images. Finer detail is not linear in the context."""
LARGEST = 1000
"""Most components."""
ITERATIONS = 20
"""Of conjugate gradients; by then pixels, of a range of 2, are 0.01 (RMS) off the solution or less."""
SMALLEST = 1e-3
"""Of a pixel that is less visible than that, nothing is known."""
TINY = 1e-30


class Prior(nn.Module):
    """`count` components. Parameters: `mean` [3072], `basis` [count, 3072], `noise` [1], in units of pixels in [-1, 1].

    None of them gets a gradient. All is computed in float32.
    """

    count: int

    @nn.compact
    def __call__(self, masked: Float[Array, "b r r 3"], mask: Float[Array, "b r r 1"]) -> Float[Array, "b 32 32 3"]:
        """The context, pooled, and its most probable continuation in the hole. r is a multiple of 32."""
        values = 3 * PX**2
        mean = self.param("mean", nn.initializers.zeros, (values,))
        basis = self.param("basis", nn.initializers.zeros, (self.count, values))
        noise = self.param("noise", nn.initializers.ones, (1,))
        mean, basis, noise = (lax.stop_gradient(jnp.asarray(x, jnp.float32)) for x in (mean, basis, noise))
        b = masked.shape[0]
        known, seen = context(masked, mask, PX)
        known, seen = known.reshape(b, values), jnp.broadcast_to(seen, (b, PX, PX, 3)).reshape(b, values)
        guess = mean + noise * _dot(solve(basis, seen, (known - mean) / noise), basis)
        return (seen * known + (1 - seen) * guess).reshape(b, PX, PX, 3)


def context(
    masked: Float[Array, "b r r 3"], mask: Float[Array, "b r r 1"], size_px: int
) -> tuple[Float[Array, "b {size_px} {size_px} 3"], Float[Array, "b {size_px} {size_px} 1"]]:
    """What is seen of each pixel of the photo pooled to `size_px`, a divisor of r, and how much of it, in [0, 1].

    `masked` is 0 in the hole, and grey pixels of `mask` dim it (`masks.holes.cut`): the mean of what is seen is its
    mean over that of the mask's rest. Where nothing is seen it is 0.
    """
    seen = images.pool_to(1 - mask.astype(jnp.float32), size_px)
    return images.pool_to(masked.astype(jnp.float32), size_px) / jnp.maximum(seen, SMALLEST), seen


def solve(basis: Float[Array, "k n"], seen: Float[Array, "b n"], values: Float[Array, "b n"]) -> Float[Array, "b k"]:
    """The `c` that minimises `sum(seen * (c @ basis - values)^2) + sum(c^2)`, of each row; `seen` is in [0, 1].

    By conjugate gradients, preconditioned with the diagonal: products of matrices alone, on any platform and in any
    format that programs are exported to.
    """
    diagonal = 1 + _dot(seen, jnp.square(basis).T)
    left = _dot(seen * values, basis.T)
    c = jnp.zeros_like(left)
    direction = scaled = left / diagonal
    size = _rows(left, scaled)
    for _ in range(ITERATIONS):
        product = direction + _dot(seen * _dot(direction, basis), basis.T)
        step = size / jnp.maximum(_rows(direction, product), TINY)
        c, left = c + step * direction, left - step * product
        scaled = left / diagonal
        now = _rows(left, scaled)
        direction, size = scaled + now / jnp.maximum(size, TINY) * direction, now
    return c


def _dot(x: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.matmul(x, y, precision=lax.Precision.HIGHEST)  # accelerators would round to fewer bits


def _rows(x: Float[Array, "b k"], y: Float[Array, "b k"]) -> Float[Array, "b 1"]:
    return jnp.sum(x * y, axis=1, keepdims=True)
