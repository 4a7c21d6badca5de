"""Adam for each network, and the moving average of G that is exported."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from fec_jax.train.flat import Vector


@dataclasses.dataclass(frozen=True)
class Adam:
    """Adam's constants. The learning rate is not among them: it comes from the schedule, step by step."""

    b1: float = 0.0
    b2: float = 0.99
    eps: float = 1e-8

    def transform(self) -> optax.GradientTransformation:
        return optax.scale_by_adam(b1=self.b1, b2=self.b2, eps=self.eps)


def update(
    tx: optax.GradientTransformation, params: Vector, opt: optax.OptState, grads: Any, lr: Float[Array, ""]
) -> tuple[Vector, optax.OptState]:
    """One step downhill."""
    updates: Any
    updates, opt = tx.update(grads, opt)
    return params - lr * updates, opt


@dataclasses.dataclass(frozen=True)
class Ema:
    """An exponential moving average (Karras et al. 2018, 2020)."""

    halflife_kimg: float = 10.0
    """Half-life in thousands of images."""
    rampup: float = 0.05
    """The half-life is no more than this share of the images seen so far: otherwise the random start would still be in
    the average long after the network has left it."""

    def decay(self, nimg: Float[Array, ""], batch: int) -> Float[Array, ""]:
        """The weight of the old average in a step that ends at `nimg` images."""
        halflife = jnp.minimum(self.halflife_kimg * 1000.0, nimg * self.rampup)
        return jnp.exp2(-batch / jnp.maximum(halflife, 1e-8))

    def update(self, average: Vector, params: Vector, nimg: Float[Array, ""], batch: int) -> Vector:
        """The average after a step of `batch` images that ends at `nimg`; float32."""
        d = self.decay(nimg, batch)
        return d * average + (1 - d) * params
