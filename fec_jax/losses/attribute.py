"""Cross-entropy of the attribute head, for both networks (paper, attribute loss)."""

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float


def attribute(logits: Float[Array, "b n"], labels: Float[Array, "b n"]) -> Float[Array, " b"]:
    """Sigmoid cross-entropy, the mean over the n attributes; log 2 at logits 0. Labels in [0, 1]; n at least 1.

    D minimises it with (attribute logits of `real`, `attrs`), G with (attribute logits of `fake`, `wanted_attrs`).
    The paper prints the term without its minus sign, and G's half with D_attr of the masked photo: the completion is
    meant, for G has no influence on D's output for the masked photo.
    """
    return optax.sigmoid_binary_cross_entropy(logits.astype(jnp.float32), labels.astype(jnp.float32)).mean(axis=1)
