"""Random masks to train with: the paper's, and centre squares. Drawn on the device, one per key."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from fec_jax.masks.holes import WIDE, center


@dataclasses.dataclass(frozen=True)
class MaskSampler:
    """The mix of masks a training sees. All of it is [ours]: the paper gives no sizes and no threshold.

    min_side, max_side: the rectangle's sides, as a share of the image's side, drawn uniformly and independently.
    cells: side of the low-resolution noise image. threshold: noise above it is hole, so about `1 - threshold` of the
    rectangle. center_share, wide_share: probability of the centre square (half the side), and of the wide one (three
    quarters of the side, the whole head of an aligned face), instead.
    """

    min_side: float = 0.3
    max_side: float = 0.75
    cells: int = 4
    threshold: float = 0.35
    center_share: float = 0.0
    wide_share: float = 0.0

    def __call__(self, keys: Key[Array, " b"], size_px: int) -> Float[Array, "b {size_px} {size_px} 1"]:
        """One binary mask per key."""

        def one(key: Key[Array, ""]) -> Float[Array, "h h 1"]:
            k_shape, k_choice = jax.random.split(key)
            mask = rectangle_noise(
                k_shape, size_px, self.min_side, self.max_side, cells=self.cells, threshold=self.threshold
            )
            choice = jax.random.uniform(k_choice)
            mask = jnp.where(choice < self.center_share + self.wide_share, center(size_px, WIDE), mask)
            return jnp.where(choice < self.center_share, center(size_px), mask)

        return jax.vmap(one)(keys)


def rectangle_noise(
    key: Key[Array, ""], size_px: int, min_side: float, max_side: float, *, cells: int = 4, threshold: float = 0.35
) -> Float[Array, "{size_px} {size_px} 1"]:
    """The paper's mask: a random rectangle, in it a small uniform noise image, enlarged bilinearly and thresholded.

    The rectangle lies wholly inside the image; its sides are uniform in [min_side, max_side] of the image's side, its
    position is uniform. The `cells` x `cells` noise is in [0, 1); pixels above `threshold` are hole.
    """
    k_side, k_place, k_noise = jax.random.split(key, 3)
    side = jax.random.uniform(k_side, (2,), minval=min_side, maxval=max_side)
    start = jax.random.uniform(k_place, (2,)) * (1 - side)
    noise = jax.random.uniform(k_noise, (cells, cells))
    pixel = (jnp.arange(size_px) + 0.5) / size_px

    def taps(start: Float[Array, ""], side: Float[Array, ""]) -> Float[Array, "pixels cells"]:
        # Bilinear enlargement as a matrix: a hat function around every cell's centre; the outer half cells are flat.
        inner = (pixel - start) / side
        place = jnp.clip(inner * cells - 0.5, 0, cells - 1)
        hats = jnp.maximum(0, 1 - jnp.abs(place[:, None] - jnp.arange(cells)))
        return hats * ((inner >= 0) & (inner < 1))[:, None]

    # Full float32 products: on accelerators the default would round the noise and move the thresholded edge.
    value = jnp.einsum(
        "yi,ij,xj->yx", taps(start[0], side[0]), noise, taps(start[1], side[1]), precision=jax.lax.Precision.HIGHEST
    )
    return (value > threshold).astype(jnp.float32)[:, :, None]
