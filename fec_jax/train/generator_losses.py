"""The five losses that G learns from, their gradient with respect to its completions, and the share of each."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

from fec_jax import images
from fec_jax.losses import adversarial, attribute, boundary, feature, reconstruction
from fec_jax.losses.total import TERMS
from fec_jax.masks import holes
from fec_jax.nets import cpu, vgg16
from fec_jax.train import examples, lookalikes, patches
from fec_jax.train.examples import Examples, Purpose
from fec_jax.train.flat import Vector
from fec_jax.train.recipe import Clock, Constants, Recipe
from fec_jax.train.state import networks
from fec_jax.types import Images

FEATHER = 24
"""The shift of a flipped example fades in from the hole's rim over the image's side / 24, to leave no visible box."""


def shown_to_d(recipe: Recipe, ex: Examples, fake: Images) -> Images:
    """The image that D sees as fake."""
    return holes.paste(fake, ex.real, ex.mask) if recipe.d_sees == "completed" else fake


def g_losses(
    recipe: Recipe,
    resolution_px: int,
    d_params: Vector,
    ex: Examples,
    fake: Images,
    stream: Int[Array, " b"],
    clock: Clock,
    constants: Constants,
    number: Int[Array, ""],
) -> tuple[Images, dict[str, Float[Array, ""]], dict[str, Float[Array, ""]]]:
    """The gradient of G's total loss with respect to `fake`; every term's raw mean, and its gradient's squared norm.

    Of this device's part of the batch. number: of the step, from the run's first.
    """
    _, d = networks(recipe, resolution_px)
    goal = _goal(recipe, ex, constants)
    pull = jnp.where(ex.flipped, recipe.rec_on_flipped, 1.0)[:, None, None, None]

    def d_logits(x: Images) -> tuple[Float[Array, " b"], Float[Array, "b n"]]:
        x = recipe.d_augment(shown_to_d(recipe, ex, x), examples.keys(clock.seed, Purpose.G_AUGMENT, stream))
        return d(d_params, x, clock.alpha)

    def bound(x: Images) -> Images:
        # Flipped examples: inside the hole the pull towards the photo is weaker (if so configured).
        return _gradient_scaled(x, 1 - ex.mask * (1 - pull))

    def rec(x: Images) -> Float[Array, " b"]:
        return reconstruction.reconstruction(bound(x), goal, ex.mask, recipe.rec_alpha)

    def feat(x: Images) -> Float[Array, " some"]:
        seen = holes.paste(bound(x), ex.real, ex.mask) if recipe.feat_sees == "completed" else bound(x)
        # Not the first ones: which these are would depend on the number of devices.
        every = round(1 / recipe.feat_share)
        seen, target = seen[::every], goal[::every]
        distance = functools.partial(cpu.in_chunks(_distance(recipe)), constants.vgg)
        if not 0 < recipe.feat_px < resolution_px:
            return distance(seen, target)
        window_keys = examples.keys(clock.seed, Purpose.FEATURE_WINDOW, stream[::every])
        of_window = distance(*_windows(seen, target, window_keys, recipe.feat_px))
        if not recipe.feat_pooled:
            return of_window
        pooled = (images.pool_to(x, recipe.feat_px) for x in (seen, target))
        return of_window + recipe.feat_pooled * distance(*pooled)

    def bdy(x: Images) -> Float[Array, " b"]:
        return boundary.boundary(bound(x), goal, holes.rim(ex.mask, recipe.rim))

    weights = {name: recipe.lambdas.of(name, recipe.d_terms) for name in TERMS}

    def attr(attr_logits: Float[Array, "b n"]) -> Float[Array, ""]:
        if not ex.attrs.shape[1]:
            return jnp.zeros(())
        return attribute.attribute(attr_logits, ex.wanted_attrs).mean()

    def of_d(x: Images) -> tuple[Float[Array, ""], Float[Array, ""]]:
        logit, attr_logits = d_logits(x)
        adv = adversarial.g_loss(logit, recipe.adversarial).mean()
        if recipe.patches:
            some, completed = patches.part(recipe, ex, x)
            heads = functools.partial(d.method, "of_features", d_params)
            seen = patches.features(recipe, constants, completed)
            adv += recipe.patches * patches.g_loss(recipe, heads, seen, some)
        return adv, attr(attr_logits)

    losses = {"rec": rec, "feat": feat, "bdy": bdy}
    if resolution_px < recipe.feature_min_px or not recipe.lambdas.feat:
        del losses["feat"]

    values, pull_back = jax.vjp(of_d, fake)
    raw = {name: jnp.zeros(()) for name in TERMS} | dict(zip(("adv", "attr"), values, strict=True))
    of_both = jnp.stack([jnp.asarray(weights[name], jnp.float32) for name in ("adv", "attr")])
    grad, of_adv, of_attr = _pulled(recipe, lambda w: pull_back((w[0], w[1]))[0], of_both, number)
    squares = {name: jnp.zeros(()) for name in TERMS} | {"adv": of_adv, "attr": of_attr}
    for name, loss in losses.items():
        raw[name], term_grad = jax.value_and_grad(lambda x, loss=loss: loss(x).mean())(fake)
        term_grad = weights[name] * term_grad
        squares[name] = jnp.sum(jnp.square(term_grad))
        grad = grad + term_grad
    return grad, raw, squares


def shares(squares: dict[str, Float[Array, ""]]) -> dict[str, Float[Array, ""]]:
    """Every term's share of the gradient (see `Metrics`), of its squared norm."""
    norms = {name: jnp.sqrt(square) for name, square in squares.items()}
    whole = sum(norms.values(), jnp.zeros(()))
    return {name: norm / jnp.maximum(whole, 1e-20) for name, norm in norms.items()}


def _goal(recipe: Recipe, ex: Examples, constants: Constants) -> Images:
    """The target: the photo; for flipped examples, if so configured, its hole changed, less so towards the rim.

    It may show another face that has what is wanted; photo or face may be moved along the flipped attributes'
    directions.
    """
    goal = ex.real if constants.faces is None else lookalikes.goal(ex, constants.faces)
    if constants.directions is None:
        return goal
    r, directions = ex.real.shape[1], constants.directions
    shift = jnp.tensordot(jnp.asarray(recipe.flip_shift) * (ex.wanted_attrs - ex.attrs), directions, axes=1)
    where = holes.feathered(ex.mask, r // FEATHER)
    return jnp.clip(goal + where * images.at(shift, r), -1, 1)


def _windows(
    x: Images, y: Images, keys: Key[Array, " b"], side_px: int
) -> tuple[Float[Array, "b {side_px} {side_px} 3"], Float[Array, "b {side_px} {side_px} 3"]]:
    """The same square of both images of each pair, anywhere."""

    def one(x: Float[Array, "h h 3"], y: Float[Array, "h h 3"], key: Key[Array, ""]) -> tuple[Array, Array]:
        top, left = jax.random.randint(key, (2,), 0, x.shape[0] - side_px + 1)
        x, y = (lax.dynamic_slice(image, (top, left, 0), (side_px, side_px, 3)) for image in (x, y))
        return x, y

    return jax.vmap(one)(x, y, keys)


def _distance(recipe: Recipe) -> cpu.Distance:
    """How far apart two batches of images are to VGG16, by the feature loss or by LPIPS."""
    how = {"dtype": recipe.generator.dtype, "fast": True}
    if recipe.feature == "lpips":
        relus = functools.partial(vgg16.relus, blocks=5, **how)
        return lambda vgg, x, y: feature.lpips(relus(vgg, x), relus(vgg, y), vgg["heads"])
    relu2_2 = functools.partial(vgg16.relu2_2, **how)
    return lambda vgg, x, y: feature.feature(relu2_2(vgg, x), relu2_2(vgg, y))


def _gradient_scaled(x: Float[Array, "..."], by: Float[Array, "..."]) -> Float[Array, "..."]:
    """`x` as it is; gradients through it are multiplied by `by`."""
    still = lax.stop_gradient(x)
    return still + (x - still) * by


def _pulled(
    recipe: Recipe,
    pull_back: Callable[[Float[Array, " 2"]], Images],
    weights: Float[Array, " 2"],
    number: Int[Array, ""],
) -> tuple[Images, Float[Array, ""], Float[Array, ""]]:
    """The gradient of the adversarial and the attribute loss, of these weights, and the squared norm of each.

    Both go back through D at once; in the steps that measure shares one after the other, in a second round of the same
    code. In the others the norms are NaN.
    """
    unknown = jnp.full(2, jnp.nan)
    if not recipe.shares_every:
        return pull_back(weights), *unknown
    apart = number % recipe.shares_every == 0

    def one(i: Int[Array, ""], found: tuple[Images, Float[Array, " 2"]]) -> tuple[Images, Float[Array, " 2"]]:
        part = pull_back(jnp.where(apart, jnp.arange(2) == i, True) * weights)
        return found[0] + part, found[1].at[i].set(jnp.sum(jnp.square(part)))

    shape = jax.eval_shape(pull_back, weights)
    grad, squares = lax.fori_loop(0, 1 + apart, one, (jnp.zeros(shape.shape, shape.dtype), jnp.zeros(2)))
    return grad, *jnp.where(apart, squares, unknown)
