"""From a batch of uint8 photos to the networks' inputs: everything random about an example, sampled on the device.

The keys come from the seed, a purpose and the example's place in the stream of all images ever seen, so an example is
the same whatever the batch, the number of devices, or how often the run was stopped and resumed.
"""

import enum
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int, Key, UInt8

from fec_jax import images
from fec_jax.masks import holes
from fec_jax.masks.sampler import MaskSampler
from fec_jax.train.augment import Augment
from fec_jax.types import Attrs, Images


class Purpose(enum.IntEnum):
    """What a key is for. The numbers are part of the format of a run: never renumber."""

    MASK = 0
    FLIP = 1
    AUGMENT = 2
    HISTORY = 3
    D_AUGMENT = 4
    D_AUGMENT_FAKE = 5
    G_AUGMENT = 6
    R1 = 7
    FEATURE_WINDOW = 9
    OFFSET = 10


@flax.struct.dataclass
class Examples:
    """See `fec_jax.types`. `flipped`: bool [b], whether `wanted_attrs` differs from `attrs`."""

    real: Any
    mask: Any
    masked: Any
    attrs: Any
    wanted_attrs: Any
    flipped: Any


def stream(first: Int[Array, ""], local: int, axis: str) -> Int[Array, " {local}"]:
    """The numbers of this device's examples among all of the run; `first`: that of the batch's first."""
    return first + lax.axis_index(axis) * local + jnp.arange(local)


def keys(seed: Key[Array, ""], purpose: Purpose, stream: Int[Array, " b"]) -> Key[Array, " b"]:
    """One key per example; `stream` is its number among all examples of the run."""
    base = jax.random.fold_in(seed, int(purpose))
    return jax.vmap(lambda i: jax.random.fold_in(base, i))(stream)


def flip(attrs: Attrs, keys: Key[Array, " b"], keep_probability: float = 0.5, most: int = 1) -> Attrs:
    """The wanted attributes (paper, p_attr): `attrs` with that probability, otherwise with exactly one flipped.

    With `most` above 1, one to that many are flipped, every number as often.
    """
    n = attrs.shape[1]
    if n == 0:
        return attrs

    def one(a, key):
        k_keep, k_which, k_many = jax.random.split(key, 3)
        many = jax.random.randint(k_many, (), 1, min(most, n) + 1)
        flips = (jax.random.permutation(k_which, n) < many) & ~jax.random.bernoulli(k_keep, keep_probability)
        return jnp.abs(a - flips)

    return jax.vmap(one)(attrs, keys)


def photos(
    real: UInt8[Array, "b r r 3"], stream: Int[Array, " b"], seed: Key[Array, ""], alpha: jax.Array, augment: Augment
) -> Images:
    """Augmented photos.

    While a resolution fades in, they do too: at alpha 0 they are those of the resolution before, enlarged
    (Karras et al. 2018), so that D and the losses compare like with like.
    """
    x = jnp.clip(augment(images.to_float(real), keys(seed, Purpose.AUGMENT, stream)), -1, 1)
    return images.lerp(images.up2(images.pool2(x)), x, alpha) if real.shape[1] > 4 else x


def make(
    real: UInt8[Array, "b r r 3"],
    attrs: UInt8[Array, "b n"],
    stream: Int[Array, " b"],
    seed: Key[Array, ""],
    alpha: jax.Array,
    *,
    sampler: MaskSampler,
    mask_px: int,
    augment: Augment,
    keep_probability: float = 0.5,
    most_flips: int = 1,
) -> Examples:
    """Examples of photos. Masks are sampled at `mask_px`, the final resolution, and pooled to the photos' size."""
    r = real.shape[1]
    x = photos(real, stream, seed, alpha, augment)
    mask = holes.pooled(sampler(keys(seed, Purpose.MASK, stream), mask_px), r)
    labels = attrs.astype(jnp.float32)
    wanted = flip(labels, keys(seed, Purpose.FLIP, stream), keep_probability, most_flips)
    return Examples(
        real=x,
        mask=mask,
        masked=holes.cut(x, mask),
        attrs=labels,
        wanted_attrs=wanted,
        flipped=jnp.any(labels != wanted, axis=1),
    )
