"""Random changes of images, drawn on the device: of the photos, and of all that D is shown.

A discriminator that sees only some hundred photos learns them by heart. Changing what it sees, real and fake alike and
in a way gradients pass through, is the remedy of DiffAugment (Zhao et al. 2020); here also for the photos themselves.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from fec_jax.types import Images


@dataclasses.dataclass(frozen=True)
class Augment:
    """How strongly to change images; 0 turns a change off.

    mirror: whether to flip left and right with probability 1/2.
    color: brightness moves by up to this (in units of the [-1, 1] range), every channel by a further half of it, and
      contrast and saturation are scaled by up to 1 +- this.
    shift: translation by up to this share of the side in both directions; what comes in repeats the border.
    noise: standard deviation, in units of the [-1, 1] range, of Gaussian noise on every pixel. D then has to go by what
      is large and plain, and G cannot grant a wish by a faint pattern that nobody else would see (compare randomized
      smoothing, Cohen et al. 2019).
    """

    mirror: bool = False
    color: float = 0.0
    shift: float = 0.0
    noise: float = 0.0

    def __call__(self, x: Images, keys: Key[Array, " b"]) -> Images:
        """Changed images of the same shape; each by its own key."""

        def one(image: Float[Array, "h w 3"], key: Key[Array, ""]) -> Float[Array, "h w 3"]:
            k_mirror, k_color, k_shift = jax.random.split(key, 3)
            if self.mirror:
                image = jnp.where(jax.random.bernoulli(k_mirror), image[:, ::-1], image)
            if self.color:
                image = _recolor(image, k_color, self.color)
            if self.shift:
                image = _translate(image, k_shift, self.shift)
            if self.noise:
                image += self.noise * jax.random.normal(jax.random.fold_in(key, 1), image.shape)
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
