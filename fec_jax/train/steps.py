"""One step of training: D learns, then G learns from the new D. Pure, written for one device of many.

G runs forward once a step: its completions go to D first, and D's and the other losses' gradients with respect to them
are then pulled back through that same pass.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, Int, Key

from fec_jax import masks
from fec_jax.losses import adversarial, attribute, boundary, feature, reconstruction
from fec_jax.losses.total import TERMS, Lambdas, total
from fec_jax.nets import vgg16
from fec_jax.nets.discriminator import Discriminator
from fec_jax.nets.generator import Generator
from fec_jax.train import examples, history, optimizers
from fec_jax.train.augment import Augment
from fec_jax.train.examples import Examples, Purpose
from fec_jax.train.state import State
from fec_jax.types import Images, Params


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that stays the same from the first step of a run to the last.

    mask_px: the final resolution, at which masks are drawn. d_sees: D's fakes are G's whole images (paper) or the
    completed ones. feat_sees: the same choice for the feature loss. feat_share: the part of the batch that the feature
    loss looks at: half of it is right on average, at half the cost. adversarial: kind of G's adversarial loss.
    rec_alpha: weight of the hole in the reconstruction loss. rec_on_flipped: how strongly, from 0 to 1 (paper),
    examples whose wish differs from the photo are still drawn to the photo inside the hole. attr_on_kept: how strongly,
    from 0 to 1 (paper), the attribute loss teaches G at the other examples, whose photos show what it asks for anyway;
    less leaves them to the reconstruction. r1_gamma, r1_every: weight
    of D's gradient penalty, per pixel of the image (gamma = r1_gamma * r * r: a penalty that leaves D its eyes at 64 px
    makes it blind at 8 px), and how often it is computed (then `r1_every` times as heavy). r1_attr: how much of it
    every attribute logit gets, beside 1 for the real/fake logit: a head whose answers turn at the slightest change is
    fooled rather than satisfied. keep_probability: of asking for the photo's own attributes. history_share: how often D
    is shown an older completion. feature_min_px: below it the feature loss is off: VGG16 never saw such sizes.
    feature_chunk_pixels: images go through the feature loss in chunks of about so many pixels; None: at once.
    shares_every: steps between those that measure `Metrics.share`, which costs one more pass through D; 0: never.
    d_terms: of the phase, see `schedule.Row`.
    """

    generator: Generator
    discriminator: Discriminator
    mask_px: int
    sampler: masks.MaskSampler = masks.MaskSampler()
    lambdas: Lambdas = Lambdas()
    g_adam: optimizers.Adam = optimizers.Adam()
    d_adam: optimizers.Adam = optimizers.Adam()
    d_lr_factor: float = 1.0
    ema: optimizers.Ema = optimizers.Ema()
    augment: Augment = Augment(mirror=True)
    d_augment: Augment = Augment()
    d_sees: Literal["fake", "completed"] = "fake"
    feat_sees: Literal["fake", "completed"] = "fake"
    feat_share: float = 1.0
    adversarial: Literal["nonsaturating", "minimax"] = "nonsaturating"
    rec_alpha: float = 0.7
    rec_on_flipped: float = 1.0
    attr_on_kept: float = 1.0
    r1_gamma: float = 0.0
    r1_every: int = 1
    r1_attr: float = 0.0
    keep_probability: float = 0.5
    history_share: float = 0.5
    feature_min_px: int = 16
    feature_chunk_pixels: int | None = None
    shares_every: int = 16
    d_terms: float = 1.0


@flax.struct.dataclass
class Batch:
    """real: photos of the phase's size, uint8 [b, r, r, 3]. attrs: their labels, uint8 [b, n]. Split over devices."""

    real: Any
    attrs: Any


@flax.struct.dataclass
class Clock:
    """What the host says about this step, in scalars: alpha and lr, float32; seed, a key; stream, int32.

    stream: number of the global batch's first example among all ever drawn.
    """

    alpha: Any
    lr: Any
    stream: Any
    seed: Any


@flax.struct.dataclass
class Metrics:
    """Means over the global batch, float32 scalars. raw, share: dicts by loss, see `TERMS`.

    share: the norm of the gradient of lambda * loss with respect to G's output, over the sum of these norms: how much
    each loss says in what G learns, before the way through G, which is the same for all. NaN in the steps that do not
    measure it.
    r1: D's gradient penalty before its weight; 0 in the steps between. real_logit, fake_logit: D's. finite: whether
    every loss and gradient of this step is a number.
    """

    g_loss: Any
    d_loss: Any
    d_attr: Any
    r1: Any
    real_logit: Any
    fake_logit: Any
    raw: dict[str, Any]
    share: dict[str, Any]
    g_grad_norm: Any
    d_grad_norm: Any
    from_history: Any
    finite: Any


def train_step(
    recipe: Recipe, resolution_px: int, axis: str, state: State, batch: Batch, clock: Clock, vgg: Params
) -> tuple[State, Metrics]:
    """D's step, then G's, on this device's part of the batch; gradients are averaged over the mesh axis `axis`.

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
        recipe, resolution_px, axis, d_state.d_params, ex, fake, stream, clock, vgg, number
    )
    g_grads = lax.pmean(pull_back(grad_fake)[0], axis)
    g_state = g_step(recipe, d_state, g_grads, clock, local * lax.axis_size(axis))

    g_loss, g_norm = total(raw, recipe.lambdas, recipe.d_terms), optax.tree.norm(g_grads)
    # The parameters too: a gradient can be finite and the step that Adam makes of it not.
    params = optax.tree.norm((g_state.g_params, g_state.d_params))
    numbers = jnp.stack([g_loss, g_norm, d_metrics["d_loss"], d_metrics["d_attr"], d_metrics["d_grad_norm"], params])
    finite = jnp.all(jnp.isfinite(numbers))
    return g_state, Metrics(g_loss=g_loss, raw=raw, share=share, g_grad_norm=g_norm, finite=finite, **d_metrics)


def shown_to_d(recipe: Recipe, ex: Examples, fake: Images) -> Images:
    """The image that D judges in place of a photo."""
    return masks.paste(fake, ex.real, ex.mask) if recipe.d_sees == "completed" else fake


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
    """D learns to tell photos from completions, new and remembered, and the photos' attributes."""

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
        adv = adversarial.d_loss(logit[:b], logit[b:]).mean()
        attr = attribute.attribute(attr_logits[:b], ex.attrs).mean() if ex.attrs.shape[1] else jnp.zeros(())
        aux = {"d_loss": adv, "d_attr": attr, "real_logit": logit[:b].mean(), "fake_logit": logit[b:].mean()}
        return adv + recipe.lambdas.attr * attr, aux

    def penalty(params: Params) -> Float[Array, ""]:
        def judged(x: Images) -> Float[Array, " b"]:
            logit, attr_logits = d(params, x)
            if not recipe.r1_attr:
                return logit
            # With random signs the squared gradient of the sum is, on average, the sum of the squared gradients.
            signs = jax.vmap(lambda key: jax.random.rademacher(key, attr_logits.shape[1:], jnp.float32))
            return logit + jnp.sqrt(recipe.r1_attr) * (signs(keys(Purpose.R1)) * attr_logits).sum(axis=1)

        return adversarial.r1(judged, real).mean()

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


def g_losses(
    recipe: Recipe,
    resolution_px: int,
    axis: str,
    d_params: Params,
    ex: Examples,
    fake: Images,
    stream: Int[Array, " b"],
    clock: Clock,
    vgg: Params,
    number: Int[Array, ""],
) -> tuple[Images, dict[str, Float[Array, ""]], dict[str, Float[Array, ""]]]:
    """The gradient of G's total loss with respect to `fake`, and every term's raw mean and share (see `Metrics`).

    number: of the step, from the run's first.
    """
    drawn = jnp.where(ex.flipped, recipe.rec_on_flipped, 1.0)[:, None, None, None]

    def judged(x: Images) -> tuple[Float[Array, " b"], Float[Array, "b n"]]:
        x = recipe.d_augment(shown_to_d(recipe, ex, x), examples.keys(clock.seed, Purpose.G_AUGMENT, stream))
        logits: Any = recipe.discriminator.apply({"params": d_params}, x, clock.alpha, resolution_px=resolution_px)
        return logits

    def bound(x: Images) -> Images:
        # A wish that contradicts the photo: inside the hole the photo is then less of a model (only if so configured).
        return _gradient_scaled(x, 1 - ex.mask * (1 - drawn))

    def rec(x: Images) -> Float[Array, " b"]:
        return reconstruction.reconstruction(bound(x), ex.real, ex.mask, recipe.rec_alpha)

    def feat(x: Images) -> Float[Array, " some"]:
        seen = masks.paste(bound(x), ex.real, ex.mask) if recipe.feat_sees == "completed" else bound(x)
        some = max(1, round(recipe.feat_share * len(x)))
        chunk = recipe.feature_chunk_pixels and max(1, recipe.feature_chunk_pixels // resolution_px**2)
        features = functools.partial(vgg16.relu2_2, dtype=recipe.generator.dtype, fast=True)
        return feature.of_images(features, vgg, seen[:some], ex.real[:some], chunk)

    weights = {name: recipe.lambdas.of(name, recipe.d_terms) for name in TERMS}

    def attr(attr_logits: Float[Array, "b n"]) -> Float[Array, ""]:
        if not ex.attrs.shape[1]:
            return jnp.zeros(())
        asked = jnp.where(ex.flipped, 1.0, recipe.attr_on_kept)[:, None]
        return attribute.attribute(_gradient_scaled(attr_logits, asked), ex.wanted_attrs).mean()

    def of_d(x: Images) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        logit, attr_logits = judged(x)
        raw = {"adv": adversarial.g_loss(logit, recipe.adversarial).mean(), "attr": attr(attr_logits)}
        return sum((weights[name] * value for name, value in raw.items()), jnp.zeros(())), raw

    losses = {"rec": rec, "feat": feat, "bdy": lambda x: boundary.boundary(x, ex.real, masks.rim(ex.mask))}
    if resolution_px < recipe.feature_min_px or not recipe.lambdas.feat:
        del losses["feat"]

    grad, raw = jax.grad(of_d, has_aux=True)(fake)
    raw = {name: jnp.zeros(()) for name in TERMS} | raw
    squares = {name: jnp.zeros(()) for name in TERMS}
    squares |= _squares_of_d(recipe, grad, lambda x: weights["attr"] * attr(judged(x)[1]), fake, number)
    for name, loss in losses.items():
        raw[name], term_grad = jax.value_and_grad(lambda x, loss=loss: loss(x).mean())(fake)
        term_grad = weights[name] * term_grad
        squares[name] = jnp.sum(jnp.square(term_grad))
        grad = grad + term_grad
    raw, squares = lax.pmean((raw, squares), axis)
    norms = {name: jnp.sqrt(square) for name, square in squares.items()}
    whole = sum(norms.values(), jnp.zeros(()))
    share = {name: norm / jnp.maximum(whole, 1e-20) for name, norm in norms.items()}
    return grad, raw, share


def _gradient_scaled(x: Float[Array, "..."], by: Float[Array, "..."]) -> Float[Array, "..."]:
    """`x` as it is; gradients through it are multiplied by `by`."""
    still = lax.stop_gradient(x)
    return still + (x - still) * by


def _squares_of_d(
    recipe: Recipe, both: Images, attr: Callable[[Images], Float[Array, ""]], fake: Images, number: Int[Array, ""]
) -> dict[str, Float[Array, ""]]:
    """Squared norms of the adversarial and the attribute gradient, of which `both` is the sum.

    One of them has to be taken apart, another pass through D; NaN in the steps for which that is not due.
    """

    def apart() -> dict[str, Float[Array, ""]]:
        of_attr = jax.grad(attr)(fake)
        return {"adv": jnp.sum(jnp.square(both - of_attr)), "attr": jnp.sum(jnp.square(of_attr))}

    unknown = {"adv": jnp.array(jnp.nan), "attr": jnp.array(jnp.nan)}
    if not recipe.shares_every:
        return unknown
    return lax.cond(number % recipe.shares_every == 0, apart, lambda: unknown)


def g_step(recipe: Recipe, state: State, grads: Params, clock: Clock, batch: int) -> State:
    """G moves, its average follows, the clock goes on."""
    params, opt = optimizers.update(recipe.g_adam.transform(), state.g_params, state.g_opt, grads, clock.lr)
    nimg = state.nimg + batch
    average = recipe.ema.update(state.g_ema, params, nimg.astype(jnp.float32), batch)
    return dataclasses.replace(state, nimg=nimg, g_params=params, g_opt=opt, g_ema=average)
