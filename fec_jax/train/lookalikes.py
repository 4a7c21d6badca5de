"""Real faces that show what a flip asks for: the training photos that look most like an example where it is not cut.

What the average face gains by an attribute, added to a photo (`train.directions`), is seldom a face that could be: a
beard of grey fog on a cheek. A photo of somebody else who has the attribute is one. It is chosen as for `granted`, the
ceiling of flips in a report (`metrics.controls`), but by what it shares with the example besides the context, too.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from fec_jax import images
from fec_jax.data.source import Source, fitted_count
from fec_jax.masks import holes
from fec_jax.nets.prior import SMALLEST, context
from fec_jax.train.examples import Examples
from fec_jax.types import Images

FACE_PX = 128
"""Largest side of the faces."""
FACES = 1536
"""So many faces lie on every device, 75 MB at 128 px: the first photos, all of them again if there are fewer."""
CONTEXT_PX = 16
"""Side at which contexts are compared."""
OTHER = 0.05
"""What an attribute that nobody flipped, but that differs, counts for: so much mean squared difference in the context,
in [-1, 1] images. The nearest of 1,254 portraits differs by .08 round the wide square, the tenth by .11."""
FLIPPED = 1e3
"""The same for a flipped attribute: more than contexts can differ. With several, the most is granted that there is."""
EXACT = lax.Precision.HIGHEST
FEATHER = 12
"""The face fades in from the hole's rim over the image's side / 12."""


@flax.struct.dataclass
class Faces:
    """photos: uint8 [n, p, p, 3]. contexts: the same at `CONTEXT_PX`, float32 [n, c, c, 3]. attrs: float32 [n, a]."""

    photos: Any
    contexts: Any
    attrs: Any


def faces(source: Source) -> Faces:
    """The first `FACES` training photos, of the side that `shapes` says."""
    count = min(FACES, fitted_count(source))
    photos, labels = source.load(range(count))
    contexts = np.concatenate([images.at(images.to_float(photos[i : i + 64]), CONTEXT_PX) for i in range(0, count, 64)])
    rows = np.resize(np.arange(count), FACES)
    return Faces(photos[rows], contexts[rows], labels[rows].astype(np.float32))


def shapes(px: int, num_attrs: int) -> Faces:
    """`faces` of photos of `px` as `jax.ShapeDtypeStruct`s."""
    return Faces(
        jax.ShapeDtypeStruct((FACES, px, px, 3), np.uint8),
        jax.ShapeDtypeStruct((FACES, CONTEXT_PX, CONTEXT_PX, 3), np.float32),
        jax.ShapeDtypeStruct((FACES, num_attrs), np.float32),
    )


def goal(ex: Examples, of: Faces) -> Images:
    """Each photo, and in the hole of flipped ones the face that looks most like it and has what is wanted."""
    r = ex.real.shape[1]
    face = images.at(images.to_float(of.photos[nearest(ex, of)]), r)
    where = holes.feathered(ex.mask, r // FEATHER) * ex.flipped[:, None, None, None]
    return holes.paste(face, ex.real, where)


def nearest(ex: Examples, of: Faces) -> Int[Array, " b"]:
    """Of each example, the number of the face that goes into its hole."""
    side_px = max(ex.real.shape[1], CONTEXT_PX)
    known, seen = context(images.at(ex.masked, side_px), images.at(ex.mask, side_px), CONTEXT_PX)
    seen = jnp.broadcast_to(seen, known.shape)
    # Mean squared difference, without the example's own square: the same for all faces.
    apart = _products(seen, jnp.square(of.contexts)) - 2 * _products(seen * known, of.contexts)
    apart = apart / jnp.maximum(seen.sum(axis=(1, 2, 3)), SMALLEST)[:, None]
    counts = jnp.where(ex.wanted_attrs != ex.attrs, FLIPPED, OTHER)
    differs = jnp.abs(ex.wanted_attrs[:, None] - of.attrs[None])
    return jnp.argmin(apart + jnp.einsum("bna,ba->bn", differs, counts, precision=EXACT), axis=1)


def _products(x: Float[Array, "b h w c"], y: Float[Array, "n h w c"]) -> Float[Array, "b n"]:
    return jnp.einsum("bhwc,nhwc->bn", x, y, precision=EXACT)
