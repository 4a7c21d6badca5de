"""One step of training: D learns, then G learns from the new D. Pure, written for one device of many.

G runs forward once a step: its completions go to D first, and D's and the other losses' gradients with respect to them
are then pulled back through that same pass.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Key

from fec_jax.losses import adversarial, attribute
from fec_jax.losses.total import total
from fec_jax.train import examples, flat, history, offsets, optimizers, patches
from fec_jax.train.examples import Examples, Purpose
from fec_jax.train.flat import Vector
from fec_jax.train.generator_losses import g_losses, shares, shown_to_d
from fec_jax.train.penalty import Penalty
from fec_jax.train.recipe import Batch, Clock, Constants, Metrics, Recipe
from fec_jax.train.state import State, networks
from fec_jax.types import Images


def train_step(
    recipe: Recipe,
    resolution_px: int,
    axis: str,
    state: State,
    batch: Batch,
    clock: Clock,
    constants: Constants,
    penalty: Penalty | None = None,
) -> tuple[State, Metrics]:
    """D's step, then G's, on this device's part of the batch; gradients are averaged over the mesh axis `axis`.

    A step that is not finite changes nothing but the clock, see `Metrics`. `state` has vectors (see `state.Packing`).
    `recipe`, `resolution_px` and `axis` are static. The result is the same on every device but for `state.history`.
    """
    local = batch.real.shape[0]
    stream = examples.stream(clock.stream, local, axis)
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
    g, _ = networks(recipe, resolution_px)
    fake, pull_back = jax.vjp(
        lambda params: g(params, ex.masked, ex.mask, ex.wanted_attrs, clock.alpha), state.g_params
    )
    d_state, d_metrics = d_step(
        recipe, resolution_px, axis, state, ex, lax.stop_gradient(fake), stream, clock, constants, penalty
    )
    number = state.nimg // (local * lax.axis_size(axis))
    grad_fake, raw, squares = g_losses(
        recipe, resolution_px, d_state.d_params, ex, fake, stream, clock, constants, number
    )
    grads, offset = pull_back(grad_fake)[0], jnp.full((), jnp.nan)
    if recipe.generator.has_offset(resolution_px):
        offset, of_offset = offset_grads(g, state.g_params, ex, examples.keys(clock.seed, Purpose.OFFSET, stream))
        grads += of_offset
    g_grads, raw, squares, offset = flat.average((grads, raw, squares, offset), axis)
    g_state = g_step(recipe, resolution_px, d_state, g_grads, clock, local * lax.axis_size(axis))

    g_loss, g_norm = total(raw, recipe.lambdas, recipe.d_terms), jnp.linalg.norm(g_grads)
    numbers = jnp.stack([g_loss, g_norm, d_metrics["d_loss"], d_metrics["d_attr"], d_metrics["d_grad_norm"]])
    finite = jnp.all(jnp.isfinite(numbers))
    new = if_finite(finite, g_state, state)
    # The parameters too: a gradient can be finite and the step that Adam makes of it not.
    sound = jnp.isfinite(optax.tree.norm((new.g_params, new.d_params)))
    share = shares(squares)
    metrics = Metrics(
        g_loss=g_loss,
        raw=raw,
        share=share,
        offset=offset,
        g_grad_norm=g_norm,
        finite=finite,
        sound=sound,
        **d_metrics,
    )
    return new, metrics


def offset_grads(
    g: flat.Network, params: Vector, ex: Examples, keys: Key[Array, " b"]
) -> tuple[Float[Array, ""], Vector]:
    """The mean loss of G's `Offset`, and its gradient: it gets no other, and nothing else gets this one."""

    def mean(params: Vector) -> Float[Array, ""]:
        return offsets.loss(lambda *context: g.method("offset_of", params, *context), ex, keys).mean()

    return jax.value_and_grad(mean)(params)


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
    constants: Constants,
    penalty: Penalty | None = None,
) -> tuple[State, dict[str, Array]]:
    """Trains D on photos against completions, new ones and those of the history, and on the photos' attributes."""
    _, d = networks(recipe, resolution_px)

    def keys(purpose: Purpose) -> Key[Array, " b"]:
        return examples.keys(clock.seed, purpose, stream)

    shown, remembered, from_history = history.mix(
        state.history, shown_to_d(recipe, ex, fake), keys(Purpose.HISTORY), recipe.history_share
    )
    real = recipe.d_augment(ex.real, keys(Purpose.D_AUGMENT))
    shown = recipe.d_augment(shown, keys(Purpose.D_AUGMENT_FAKE))
    b = real.shape[0]

    def loss(params: Vector) -> tuple[Float[Array, ""], dict[str, Array]]:
        logit, attr_logits = d(params, jnp.concatenate([real, shown]), clock.alpha)
        of_real, of_fake = logit[:b], logit[b:]
        adv = adversarial.d_loss(of_real, of_fake).mean()
        attr = attribute.attribute(attr_logits[:b], ex.attrs).mean() if ex.attrs.shape[1] else jnp.zeros(())
        of_patches = jnp.full((), jnp.nan)
        if recipe.patches:
            some, completed = patches.part(recipe, ex, fake)
            real_seen, fake_seen = (patches.features(recipe, constants, x) for x in (some.real, completed))
            heads = functools.partial(d.method, "of_features", params)
            of_patches = patches.d_loss(heads, real_seen, fake_seen, some)
        aux = {
            "patches": of_patches,
            "d_loss": adv,
            "d_attr": attr,
            "real_logit": of_real.mean(),
            "fake_logit": of_fake.mean(),
        }
        return adv + recipe.d_attr * recipe.lambdas.attr * attr + (of_patches if recipe.patches else 0.0), aux

    grads, metrics = jax.grad(loss, has_aux=True)(state.d_params)
    grads, metrics = flat.average((grads, {**metrics, "from_history": from_history}), axis)
    metrics["r1"] = jnp.zeros(())
    if penalty is not None:
        grads, metrics["r1"] = grads + penalty.grads, penalty.r1
    params, opt = optimizers.update(recipe.d_adam, state.d_params, state.d_opt, grads, clock.lr * recipe.d_lr_factor)
    metrics["d_grad_norm"] = jnp.linalg.norm(grads)
    return dataclasses.replace(state, d_params=params, d_opt=opt, history=remembered), metrics


def g_step(recipe: Recipe, resolution_px: int, state: State, grads: Vector, clock: Clock, batch: int) -> State:
    """Updates G, its average and the clock."""
    muon_of = networks(recipe, resolution_px)[0].layout if recipe.g_optimizer == "muon" else None
    params, opt = optimizers.update(recipe.g_adam, state.g_params, state.g_opt, grads, clock.lr, muon_of)
    nimg = state.nimg + batch
    average = recipe.ema.update(state.g_ema, params, nimg.astype(jnp.float32), batch)
    return dataclasses.replace(state, nimg=nimg, g_params=params, g_opt=opt, g_ema=average)
