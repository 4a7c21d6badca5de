"""What G's `Offset` learns from: photos moved on purpose."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from fec_jax.masks import holes
from fec_jax.nets import offset
from fec_jax.train.examples import Examples

UNMOVED = 0.25
"""Share of the photos that stay where they are: where little is seen of a face, none is moved on a mere guess."""
UNIT = 1 / 128
"""Of the side: errors below are squared, larger ones count by their size, so that what is learnt is a median."""

Of = Callable[[Float[Array, "b r r 3"], Float[Array, "b r r 1"]], Float[Array, "b 2"]]


def loss(of: Of, ex: Examples, keys: Key[Array, " b"], unmoved: float = UNMOVED) -> Float[Array, " b"]:
    """How far `of`, a function of `masked` and `mask`, is off (Huber). The masks stay where they are.

    unmoved: share of the photos that do, too.
    """
    side_px = ex.real.shape[1]
    by_px = jax.vmap(lambda key: _by_px(key, side_px, unmoved))(keys).astype(jnp.float32)
    found = of(holes.cut(offset.moved(ex.real, by_px), ex.mask), ex.mask)
    return optax.huber_loss((found - by_px / side_px) / UNIT).sum(axis=-1)


def _by_px(key: Key[Array, ""], side_px: int, unmoved: float) -> Int[Array, " 2"]:
    k_whether, k_where = jax.random.split(key)
    most = round(offset.LARGEST * side_px)
    return jax.random.bernoulli(k_whether, 1 - unmoved) * jax.random.randint(k_where, (2,), -most, most + 1)
