"""Random augmentations, sampled on the device: of the photos, and of all images that D sees.

A discriminator overfits to some hundred photos. DiffAugment (Zhao et al. 2020) augments all that it sees, real and fake
alike, differentiably; here the photos are augmented too.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from fec_jax.types import Images


@dataclasses.dataclass(frozen=True)
class Augment:
    """How strongly to change images; 0 turns a change off."""

    mirror: bool = False
    """Flip left and right with probability 1/2."""
    color: float = 0.0
    """Brightness moves by up to this ([-1, 1] range), channels by half as much more; contrast, saturation * 1 +- it."""
    shift: float = 0.0
    """Translation by up to this share of the side, by whole pixels; the border is repeated."""
    noise: float = 0.0
    """Standard deviation ([-1, 1] range) of Gaussian noise. D then relies on large structures, and G cannot fool it by
    faint patterns that only D sees (compare randomized smoothing, Cohen et al. 2019)."""
    clean: float = 0.0
    """Share of the images that get no noise: D learns fine texture from these, attributes from all."""
    scale: float = 0.0
    """Magnification by 1 +- up to this about the centre, by Lanczos3; `shift` is then no longer by whole pixels."""
    cutout: float = 0.0
    """A square of this share of the side, its centre anywhere, becomes mid grey."""

    def __call__(self, x: Images, keys: Key[Array, " b"]) -> Images:
        """Changed images of the same shape; each by its own key."""

        def one(image: Float[Array, "h w 3"], key: Key[Array, ""]) -> Float[Array, "h w 3"]:
            k_mirror, k_color, k_shift, k_clean, k_cutout, k_noise = (jax.random.fold_in(key, i) for i in range(6))
            if self.mirror:
                image = jnp.where(jax.random.bernoulli(k_mirror), image[:, ::-1], image)
            if self.color:
                image = _recolor(image, k_color, self.color)
            if self.scale:
                image = _zoom(image, k_shift, self.scale, self.shift)
            elif self.shift:
                image = _translate(image, k_shift, self.shift)
            if self.cutout:
                image *= 1 - _square(k_cutout, image.shape[0], self.cutout)
            if self.noise:
                noise = self.noise * jax.random.normal(k_noise, image.shape)
                if self.clean:
                    noise *= jax.random.bernoulli(k_clean, 1 - self.clean)
                image += noise
            return image

        return jax.vmap(one)(x, keys)


def _recolor(image: Float[Array, "h w 3"], key: Key[Array, ""], strength: float) -> Float[Array, "h w 3"]:
    u = jax.random.uniform(key, (6,), minval=-strength, maxval=strength)
    grey = image.mean(axis=-1, keepdims=True)
    image = grey + (image - grey) * (1 + u[0])
    mean = image.mean()
    return mean + (image - mean) * (1 + u[1]) + u[2] + u[3:] / 2


def _translate(image: Float[Array, "h w 3"], key: Key[Array, ""], share: float) -> Float[Array, "h w 3"]:
    h, w, c = image.shape
    by_y, by_x = round(share * h), round(share * w)
    k_y, k_x = jax.random.split(key)
    padded = jnp.pad(image, ((by_y, by_y), (by_x, by_x), (0, 0)), mode="edge")
    start = (jax.random.randint(k_y, (), 0, 2 * by_y + 1), jax.random.randint(k_x, (), 0, 2 * by_x + 1), 0)
    return jax.lax.dynamic_slice(padded, start, (h, w, c))


def _zoom(image: Float[Array, "h w 3"], key: Key[Array, ""], scale: float, shift: float) -> Float[Array, "h w 3"]:
    h, w, c = image.shape
    reach = (0.5 + shift) / (1 - scale) - 0.5  # what the smallest picture, moved furthest, shows beside the photo
    pad = math.ceil(reach * max(h, w)) + 3  # 3: Lanczos3's reach
    padded = jnp.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    k_scale, k_shift = jax.random.split(key)
    times = 1 + jax.random.uniform(k_scale, minval=-scale, maxval=scale)
    centre, side = jnp.array([h / 2, w / 2]), jnp.array([h, w])
    moved = jax.random.uniform(k_shift, (2,), minval=-shift, maxval=shift) * side
    # A place p of the photo goes to centre + times * (p - centre) + moved.
    return jax.image.scale_and_translate(
        padded,
        (h, w, c),
        (0, 1),
        jnp.full(2, times),
        centre + moved - times * (centre + pad),
        method="lanczos3",
        antialias=False,
    )


def _square(key: Key[Array, ""], size_px: int, share: float) -> Float[Array, "{size_px} {size_px} 1"]:
    centre = jax.random.uniform(key, (2, 1))
    inside = jnp.abs((jnp.arange(size_px) + 0.5) / size_px - centre) < share / 2
    return (inside[0][:, None] & inside[1][None, :]).astype(jnp.float32)[:, :, None]
