"""Adam for each network, Muon for G's convolutions, and the moving average of G that is exported."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import optax
import optax.contrib
from jaxtyping import Array, Float

from fec_jax.train.flat import Layout, Vector

LEAST_CHANNELS = 16
"""Kernels that take or give fewer, those from and to RGB, are Adam's: their matrices are too flat to turn."""
MUON_RMS = 0.2
"""Of Muon's updates, as of Adam's (Liu et al. 2025, arXiv 2502.16982): one learning rate serves both."""


@dataclasses.dataclass(frozen=True)
class Adam:
    """Adam's constants. The learning rate is not among them: it comes from the schedule, step by step."""

    b1: float = 0.0
    b2: float = 0.99
    eps: float = 1e-8

    def transform(self) -> optax.GradientTransformation:
        return optax.scale_by_adam(b1=self.b1, b2=self.b2, eps=self.eps)


def update(
    adam: Adam,
    params: Vector,
    opt: optax.OptState,
    grads: Any,
    lr: Float[Array, ""],
    muon_of: Layout | None = None,
) -> tuple[Vector, optax.OptState]:
    """One step downhill. muon_of: where the kernels lie that Muon moves; None: all is Adam's."""
    updates: Any
    updates, new = adam.transform().update(grads, opt)
    if muon_of is not None:
        mean: Any = new
        updates = muon(muon_of, updates, adam.b1 * mean.mu + (1 - adam.b1) * grads)  # Nesterov's momentum
    return params - lr * updates, new


def muon(layout: Layout, updates: Vector, momentum: Vector) -> Vector:
    """`updates`, of convolutions' kernels Muon's instead (Jordan et al. 2024): all directions of the momentum alike.

    A kernel is a matrix from its window's values to its output's channels; its singular values become about 1.
    """
    orthogonal = optax.contrib.scale_by_muon(beta=0.0, nesterov=False)

    def one(update: Float[Array, "h w i o"], of_kernel: Float[Array, "h w i o"]) -> Float[Array, "h w i o"]:
        if min(update.shape[2:]) < LEAST_CHANNELS:
            return update
        matrix = of_kernel.reshape(-1, of_kernel.shape[-1])
        turned: Any
        turned, _ = orthogonal.update(matrix, orthogonal.init(matrix))
        return (MUON_RMS * max(matrix.shape) ** 0.5 * turned).reshape(update.shape)

    return layout.with_kernels(one, updates, momentum)


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
