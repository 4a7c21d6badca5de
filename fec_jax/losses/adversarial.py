"""The adversarial losses of generator and discriminator, from logits (paper, adversarial loss)."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

KINDS = ("nonsaturating", "minimax")


def d_loss(real_logit: Float[Array, "*b"], fake_logit: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """What the discriminator minimises: -log D(real) - log(1 - D(fake)), with D = sigmoid(logit). 2 log 2 at logits 0.

    The two batches are paired by position, so that the mean over the batch is the sum of both means.
    """
    return jax.nn.softplus(-real_logit.astype(jnp.float32)) + jax.nn.softplus(fake_logit.astype(jnp.float32))


def g_loss(
    fake_logit: Float[Array, "*b"], kind: Literal["nonsaturating", "minimax"] = "nonsaturating"
) -> Float[Array, "*b"]:
    """What the generator minimises; falls as `fake_logit` rises, for both kinds.

    `nonsaturating` (default, ours): -log D(fake) = softplus(-logit), whose gradient stays large while D detects fakes.
    `minimax` (paper): log(1 - D(fake)) = -softplus(logit), D's own fake term with the sign turned.

    The paper prints the fake term as `1 - log(1 - D(fake))` and lets D maximise it and G minimise it. Taken literally
    both players get the wrong sign there: D would call fakes real, and G would help D to find them. Intended is D's
    maximum, and G's minimum, of `log(1 - D(fake))`.

    Raises ValueError for an unknown `kind`.
    """
    fake_logit = fake_logit.astype(jnp.float32)
    if kind == "nonsaturating":
        return jax.nn.softplus(-fake_logit)
    if kind == "minimax":
        return -jax.nn.softplus(fake_logit)
    raise ValueError(f"unknown adversarial loss {kind!r}: choose one of {', '.join(KINDS)}")


def r1(
    logit_fn: Callable[[Float[Array, "b h w 3"]], Float[Array, " b"]], real: Float[Array, "b h w 3"]
) -> Float[Array, " b"]:
    """[ours] R1 penalty on D at real images: half the squared gradient of the logit, summed over the example's pixels.

    Mescheder, Geiger & Nowozin 2018 (arXiv:1801.04406), equation 9 without gamma. `logit_fn` maps images to logits
    example by example: it must not mix the examples of a batch. A sum by its nature: it does not become a mean over
    pixels, because the gradient already shrinks as pixels multiply.
    """
    gradient = jax.grad(lambda x: logit_fn(x).astype(jnp.float32).sum())(real)
    return 0.5 * jnp.square(gradient.astype(jnp.float32)).sum(axis=(1, 2, 3))
