"""One step of training: D learns, then G learns from the new D. Pure, written for one device of many.

G runs forward once a step: its completions go to D first, and D's and the other losses' gradients with respect to them
are then pulled back through that same pass.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from fec_jax.losses import adversarial, attribute
from fec_jax.losses.total import total
from fec_jax.train import examples, history, optimizers
from fec_jax.train.examples import Examples, Purpose
from fec_jax.train.generator_losses import g_losses, shown_to_d
from fec_jax.train.recipe import Batch, Clock, Constants, Metrics, Recipe
from fec_jax.train.state import State
from fec_jax.types import Images, Params


def train_step(
    recipe: Recipe, resolution_px: int, axis: str, state: State, batch: Batch, clock: Clock, constants: Constants
) -> tuple[State, Metrics]:
    """D's step, then G's, on this device's part of the batch; gradients are averaged over the mesh axis `axis`.

    A step that is not finite changes nothing but the clock, see `Metrics`.
    `recipe`, `resolution_px` and `axis` are static. The result is the same on every device but for `state.history`.
    """
    local = batch.real.shape[0]
    stream = clock.stream + lax.axis_index(axis) * local + jnp.arange(local)
    ex = examples.make(
        batch.real,
        batch.attrs,
        stream,
        clock.seed,
        clock.alpha,
        sampler=recipe.sampler,
        mask_px=recipe.mask_px,
        augment=recipe.augment,
        keep_probability=recipe.keep_probability,
        most_flips=recipe.most_flips,
    )

    def g(params: Params) -> Images:
        image: Any = recipe.generator.apply(
            {"params": params}, ex.masked, ex.mask, ex.wanted_attrs, clock.alpha, resolution_px=resolution_px
        )
        return image

    fake, pull_back = jax.vjp(g, state.g_params)
    d_state, d_metrics = d_step(recipe, resolution_px, axis, state, ex, lax.stop_gradient(fake), stream, clock)
    number = state.nimg // (local * lax.axis_size(axis))
    grad_fake, raw, share = g_losses(
        recipe, resolution_px, axis, d_state.d_params, ex, fake, stream, clock, constants, number
    )
    g_grads = lax.pmean(pull_back(grad_fake)[0], axis)
    g_state = g_step(recipe, d_state, g_grads, clock, local * lax.axis_size(axis))

    g_loss, g_norm = total(raw, recipe.lambdas, recipe.d_terms), optax.tree.norm(g_grads)
    numbers = jnp.stack([g_loss, g_norm, d_metrics["d_loss"], d_metrics["d_attr"], d_metrics["d_grad_norm"]])
    finite = jnp.all(jnp.isfinite(numbers))
    new = if_finite(finite, g_state, state)
    # The parameters too: a gradient can be finite and the step that Adam makes of it not.
    sound = jnp.isfinite(optax.tree.norm((new.g_params, new.d_params)))
    metrics = Metrics(g_loss=g_loss, raw=raw, share=share, g_grad_norm=g_norm, finite=finite, sound=sound, **d_metrics)
    return new, metrics


def if_finite(finite: Bool[Array, ""], new: State, old: State) -> State:
    """`new`; or `old`, with the clock of `new`. `finite` is known before G moves: its choice is a part of that step."""
    chosen = jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, old)
    return dataclasses.replace(chosen, nimg=new.nimg)


def d_step(
    recipe: Recipe,
    resolution_px: int,
    axis: str,
    state: State,
    ex: Examples,
    fake: Images,
    stream: Int[Array, " b"],
    clock: Clock,
) -> tuple[State, dict[str, Array]]:
    """Trains D on photos against completions, new ones and those of the history, and on the photos' attributes."""

    def keys(purpose: Purpose) -> Key[Array, " b"]:
        return examples.keys(clock.seed, purpose, stream)

    shown, remembered, from_history = history.mix(
        state.history, shown_to_d(recipe, ex, fake), keys(Purpose.HISTORY), recipe.history_share
    )
    real = recipe.d_augment(ex.real, keys(Purpose.D_AUGMENT))
    shown = recipe.d_augment(shown, keys(Purpose.D_AUGMENT_FAKE))
    b = real.shape[0]

    def d(params: Params, x: Images) -> tuple[Float[Array, " b"], Float[Array, "b n"]]:
        logits: Any = recipe.discriminator.apply({"params": params}, x, clock.alpha, resolution_px=resolution_px)
        return logits

    def loss(params: Params) -> tuple[Float[Array, ""], dict[str, Array]]:
        logit, attr_logits = d(params, jnp.concatenate([real, shown]))
        of_real, of_fake = logit[:b], logit[b:]
        adv = adversarial.d_loss(of_real, of_fake).mean()
        attr = attribute.attribute(attr_logits[:b], ex.attrs).mean() if ex.attrs.shape[1] else jnp.zeros(())
        aux = {"d_loss": adv, "d_attr": attr, "real_logit": of_real.mean(), "fake_logit": of_fake.mean()}
        return adv + recipe.d_attr * recipe.lambdas.attr * attr, aux

    def penalty(params: Params) -> Float[Array, ""]:
        def penalised(x: Images) -> Float[Array, " b"]:
            logit, attr_logits = d(params, x)
            if not recipe.r1_attr:
                return logit
            # With random signs the squared gradient of the sum is, on average, the sum of the squared gradients.
            signs = jax.vmap(lambda key: jax.random.rademacher(key, attr_logits.shape[1:], jnp.float32))
            return logit + jnp.sqrt(recipe.r1_attr) * (signs(keys(Purpose.R1)) * attr_logits).sum(axis=1)

        return adversarial.r1(penalised, real).mean()

    grads, metrics = jax.grad(loss, has_aux=True)(state.d_params)
    r1 = jnp.zeros(())
    if recipe.r1_gamma:
        weight = recipe.r1_gamma * resolution_px**2 * recipe.r1_every
        due = (state.nimg // (b * lax.axis_size(axis))) % recipe.r1_every == 0
        r1, r1_grads = lax.cond(
            due,
            jax.value_and_grad(penalty),
            lambda params: (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params)),
            state.d_params,
        )
        grads = jax.tree.map(lambda g, p: g + weight * p, grads, r1_grads)
    grads, metrics = lax.pmean((grads, {**metrics, "r1": r1, "from_history": from_history}), axis)
    params, opt = optimizers.update(
        recipe.d_adam.transform(), state.d_params, state.d_opt, grads, clock.lr * recipe.d_lr_factor
    )
    metrics["d_grad_norm"] = optax.tree.norm(grads)
    return dataclasses.replace(state, d_params=params, d_opt=opt, history=remembered), metrics


def g_step(recipe: Recipe, state: State, grads: Params, clock: Clock, batch: int) -> State:
    """Updates G, its average and the clock."""
    params, opt = optimizers.update(recipe.g_adam.transform(), state.g_params, state.g_opt, grads, clock.lr)
    nimg = state.nimg + batch
    average = recipe.ema.update(state.g_ema, params, nimg.astype(jnp.float32), batch)
    return dataclasses.replace(state, nimg=nimg, g_params=params, g_opt=opt, g_ema=average)
