"""Adam for each network, and the moving average of G that is handed out."""

import dataclasses

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from fec_jax.types import Params


@dataclasses.dataclass(frozen=True)
class Adam:
    """Adam's constants. The learning rate is not among them: it comes from the schedule, step by step."""

    b1: float = 0.0
    b2: float = 0.99
    eps: float = 1e-8

    def transform(self) -> optax.GradientTransformation:
        return optax.scale_by_adam(b1=self.b1, b2=self.b2, eps=self.eps)


def update(
    tx: optax.GradientTransformation, params: Params, opt: optax.OptState, grads: Params, lr: Float[Array, ""]
) -> tuple[Params, optax.OptState]:
    """One step downhill. Layers that are not born yet have zero gradients, and stay where they are."""
    updates, opt = tx.update(grads, opt)
    return jax.tree.map(lambda p, u: p - lr * u, params, updates), opt


@dataclasses.dataclass(frozen=True)
class Ema:
    """An exponential moving average with a half-life in thousands of images (Karras et al. 2018, 2020).

    At the start the half-life is `rampup` of the images seen so far, if that is less: otherwise the random start would
    still be in the average long after the network has left it.
    """

    halflife_kimg: float = 10.0
    rampup: float = 0.05

    def decay(self, nimg: Float[Array, ""], batch: int) -> Float[Array, ""]:
        """The weight of the old average in a step that ends at `nimg` images."""
        halflife = jnp.minimum(self.halflife_kimg * 1000.0, nimg * self.rampup)
        return jnp.exp2(-batch / jnp.maximum(halflife, 1e-8))

    def update(self, average: Params, params: Params, nimg: Float[Array, ""], batch: int) -> Params:
        """The average after a step of `batch` images that ends at `nimg`; float32."""
        d = self.decay(nimg, batch)
        return jax.tree.map(lambda a, p: d * a + (1 - d) * p, average, params)
