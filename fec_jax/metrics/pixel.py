"""How far completions are from the photos, pixel by pixel. Images in [-1, 1]; differences over 255 grey levels."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from fec_jax import images
from fec_jax.types import Images, Masks


def l1_hole(completed: Images, real: Images, mask: Masks) -> Float[Array, " b"]:
    """Mean absolute difference in the hole, in [0, 1]; both images rounded to 8 bits first, as in a file."""
    return _mean(jnp.abs(_unit(completed) - _unit(real)), mask)


def psnr_hole(completed: Images, real: Images, mask: Masks) -> Float[Array, " b"]:
    """Peak signal to noise ratio in the hole, dB, of 8-bit images: -10 log10 of each image's mean squared difference.

    At most 100 dB, for identical images. Averages over a data set are means of these, not of the squared differences.
    """
    return -10 * jnp.log10(jnp.maximum(_mean(jnp.square(_unit(completed) - _unit(real)), mask), 1e-10))


def _unit(x: Images) -> Images:
    return images.to_uint8(x).astype(jnp.float32) / 255


def _mean(x: Images, mask: Masks) -> Float[Array, " b"]:
    return (x * mask).sum(axis=(1, 2, 3)) / jnp.maximum(3 * mask.sum(axis=(1, 2, 3)), 1)
