"""D's gradient penalty (R1), lazy: a program of its own, run before the steps that have one.

Within the step it would be compiled as a branch of every step, and a device would wait for the host to choose.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from fec_jax.losses import adversarial
from fec_jax.train import examples, flat
from fec_jax.train.examples import Purpose
from fec_jax.train.flat import Vector
from fec_jax.train.recipe import Batch, Clock, Recipe
from fec_jax.train.state import networks
from fec_jax.types import Images


@flax.struct.dataclass
class Penalty:
    """r1: the penalty before its weight, float32 []. grads: what it adds to the gradient of D's parameters, [n]."""

    r1: Any
    grads: Any


def due(recipe: Recipe, number: int) -> bool:
    """Whether the step of this number, counted from the run's first, has a penalty."""
    return bool(recipe.r1_gamma) and number % recipe.r1_every == 0


def none(shape: tuple[int, ...]) -> Penalty:
    """That of the steps between; `shape`: of D's parameters."""
    return Penalty(r1=jnp.zeros(()), grads=jnp.zeros(shape))


def penalty(recipe: Recipe, resolution_px: int, axis: str, d_params: Vector, batch: Batch, clock: Clock) -> Penalty:
    """The penalty of the photos that the step of the same arguments shows to D, averaged over the mesh axis `axis`.

    `recipe`, `resolution_px` and `axis` are static.
    """
    _, d = networks(recipe, resolution_px)
    stream = examples.stream(clock.stream, batch.real.shape[0], axis)
    photos = examples.photos(batch.real, stream, clock.seed, clock.alpha, recipe.augment)
    real = recipe.d_augment(photos, examples.keys(clock.seed, Purpose.D_AUGMENT, stream))
    grads_of = jax.value_and_grad(lambda params: of_photos(recipe, d, params, real, stream, clock))
    r1, grads = flat.average(grads_of(d_params), axis)
    return Penalty(r1=r1, grads=recipe.r1_gamma * resolution_px**2 * recipe.r1_every * grads)


def of_photos(
    recipe: Recipe, d: flat.Network, params: Vector, real: Images, stream: Array, clock: Clock
) -> Float[Array, ""]:
    """The squared gradient of D's logits with respect to the photos; the batch's mean."""

    def penalised(x: Images) -> Float[Array, " b"]:
        logit, attr_logits = d(params, x, clock.alpha)
        if not recipe.r1_attr:
            return logit
        # With random signs the squared gradient of the sum is, on average, the sum of the squared gradients.
        signs = jax.vmap(lambda key: jax.random.rademacher(key, attr_logits.shape[1:], jnp.float32))(
            examples.keys(clock.seed, Purpose.R1, stream)
        )
        return logit + jnp.sqrt(recipe.r1_attr) * (signs * attr_logits).sum(axis=1)

    return adversarial.r1(penalised, real).mean()
