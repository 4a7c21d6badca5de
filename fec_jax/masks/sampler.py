"""Random masks to train with, sampled on the device, one per key: the paper's, centre squares, strokes and boxes."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from fec_jax.masks.holes import WIDE, center

STROKES, PIECES = 3, 4
"""A brush mask has up to so many strokes, each of up to so many straight pieces."""


@dataclasses.dataclass(frozen=True)
class MaskSampler:
    """The mix of masks a training sees. All numbers are [ours]: the paper gives no sizes and no threshold."""

    min_side: float = 0.3
    """Smallest side of the rectangle [paper], as a share of the image's; height and width are uniform, independent."""
    max_side: float = 0.75
    """Its largest side."""
    cells: int = 4
    """Side of the low-resolution noise image [paper] in the rectangle."""
    threshold: float = 0.35
    """Noise above it is hole: about `1 - threshold` of the rectangle."""
    center_share: float = 0.0
    """Probability of the centre square (half the side) instead."""
    wide_share: float = 0.0
    """Of the wide square (three quarters of the side: the whole head of an aligned face)."""
    stroke_share: float = 0.0
    """Of brush strokes, see `strokes`."""
    box_share: float = 0.0
    """Of a plain box anywhere, see `box`."""
    min_area: float = 0.05
    """Smallest area of strokes and boxes, as a share of the image's; uniform."""
    max_area: float = 0.6
    """Their largest area."""

    def __call__(self, keys: Key[Array, " b"], size_px: int) -> Float[Array, "b {size_px} {size_px} 1"]:
        """One binary mask per key."""

        def one(key: Key[Array, ""]) -> Float[Array, "h h 1"]:
            k_shape, k_choice, k_area = (jax.random.fold_in(key, i) for i in range(3))
            mask = rectangle_noise(
                k_shape, size_px, self.min_side, self.max_side, cells=self.cells, threshold=self.threshold
            )
            choice = jax.random.uniform(k_choice)
            squares = self.center_share + self.wide_share
            if self.stroke_share or self.box_share:
                area = jax.random.uniform(k_area, minval=self.min_area, maxval=self.max_area)
                up_to = squares + self.box_share
                mask = jnp.where(choice < up_to + self.stroke_share, strokes(k_shape, size_px, area), mask)
                mask = jnp.where(choice < up_to, box(k_shape, size_px, area), mask)
            mask = jnp.where(choice < squares, center(size_px, WIDE), mask)
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


def box(key: Key[Array, ""], size_px: int, area: Float[Array, ""] | float) -> Float[Array, "{size_px} {size_px} 1"]:
    """A box of a share `area` of the image, in (0, 1], at a random place wholly inside it.

    Height by width is from 1/2 to 2, log-uniform, and nearer to 1 where the image leaves no room for that.
    """
    k_side, k_place = jax.random.split(key)
    most = jnp.minimum(jnp.log(2.0), -jnp.log(area))
    ratio = jnp.exp(jax.random.uniform(k_side, minval=-1.0) * most)
    side = jnp.sqrt(area * jnp.stack([ratio, 1 / ratio]))
    start = jax.random.uniform(k_place, (2,)) * (1 - side)
    pixel = (jnp.arange(size_px) + 0.5) / size_px
    rows, columns = ((pixel >= low) & (pixel < low + length) for low, length in zip(start, side, strict=True))
    return (rows[:, None] & columns[None, :]).astype(jnp.float32)[:, :, None]


def strokes(key: Key[Array, ""], size_px: int, area: Float[Array, ""] | float) -> Float[Array, "{size_px} {size_px} 1"]:
    """Brush strokes over a share `area` of the image, in (0, 1): all pixels near enough to some broken lines.

    One to `STROKES` lines start anywhere, each of one to `PIECES` pieces, whose directions are uniform and whose
    lengths are uniform in [0, 0.4] of the side; ends stay inside the image. The width of the brush follows from `area`.
    """
    k_start, k_angle, k_length, k_many, k_pieces = jax.random.split(key, 5)
    start = jax.random.uniform(k_start, (STROKES, 2))
    angle = jax.random.uniform(k_angle, (STROKES, PIECES), maxval=2 * jnp.pi)
    length = jax.random.uniform(k_length, (STROKES, PIECES), maxval=0.4)
    pieces = jax.random.randint(k_pieces, (STROKES, 1), 1, PIECES + 1)
    pieces = jnp.where(jnp.arange(STROKES)[:, None] < jax.random.randint(k_many, (), 1, STROKES + 1), pieces, 0)
    ends = [start]
    for i in range(PIECES):
        step = length[:, i, None] * jnp.stack([jnp.sin(angle[:, i]), jnp.cos(angle[:, i])], axis=1)
        ends.append(jnp.clip(ends[-1] + step, 0, 1))
    a, b = (jnp.stack(e, axis=1).reshape(-1, 2) for e in (ends[:-1], ends[1:]))
    used = (jnp.arange(PIECES) < pieces).reshape(-1)

    def distance(pixels: int) -> Float[Array, "{pixels} {pixels}"]:
        """Squared, to the nearest piece."""
        pixel = (jnp.arange(pixels) + 0.5) / pixels
        nearest = jnp.full((pixels, pixels), jnp.inf)
        for i in range(len(used)):
            y, x = pixel[:, None] - a[i, 0], pixel[None, :] - a[i, 1]
            dy, dx = b[i] - a[i]
            along = jnp.clip((y * dy + x * dx) / jnp.maximum(dy * dy + dx * dx, 1e-9), 0, 1)
            square = (y - along * dy) ** 2 + (x - along * dx) ** 2
            nearest = jnp.minimum(nearest, jnp.where(used[i], square, jnp.inf))
        return nearest

    # The width from a small map: sorting all pixels of a large one would take longer than the rest of the example.
    width = jnp.quantile(distance(min(size_px, 32)), area)
    return (distance(size_px) <= width).astype(jnp.float32)[:, :, None]
