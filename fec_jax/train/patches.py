"""D's heads on VGG16's features: of every patch in the hole, whether it is a photo's (Sauer et al., arXiv 2111.01007).

D's trunk has to learn from few photos what hair or a wall looks like; a network that has seen a million photos knows.
What D sees here is the completion pasted into its photo, without history, noise or other augmentation: the heads look
at single patches, of which even few photos have many.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from fec_jax import images
from fec_jax.losses import adversarial
from fec_jax.masks import holes
from fec_jax.nets import vgg16
from fec_jax.nets.discriminator import ON_RELUS
from fec_jax.train.examples import Examples
from fec_jax.train.recipe import Constants, Recipe
from fec_jax.types import Images

MIN_PX = 32
"""Of smaller images VGG16's features are mostly padding."""
R1 = 0.02
"""Weight of the heads' gradient penalty, with respect to features of mean square 1."""

Features = Sequence[Float[Array, "b _ _ _"]]
Heads = Callable[[Features], Sequence[Float[Array, "b _ _"]]]


def features(recipe: Recipe, constants: Constants, x: Images) -> Features:
    """What the heads see of images: the activations of the blocks `ON_RELUS`, each image's scaled to mean square 1."""
    found = vgg16.relus(constants.vgg, x, max(ON_RELUS), recipe.generator.dtype, fast=True)
    return [_scaled(found[block - 1]) for block in ON_RELUS]


def _scaled(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    return x * lax.rsqrt(jnp.square(x).mean(axis=(1, 2, 3), keepdims=True) + 1e-8)


def part(recipe: Recipe, ex: Examples, fake: Images) -> tuple[Examples, Float[Array, "some h w 3"]]:
    """The examples that the heads see, as many as the feature loss does, and their completions, pasted into them."""
    every = round(1 / recipe.feat_share)
    ex, fake = jax.tree.map(lambda x: x[::every], (ex, fake))
    return ex, holes.paste(fake, ex.real, ex.mask)


def d_loss(heads: Heads, real: Features, fake: Features, ex: Examples) -> Float[Array, ""]:
    """What the heads minimise: `adversarial.d_loss` of the patches in the hole, and a gradient penalty at photos."""

    def logits_sum(x: Features) -> tuple[Float[Array, ""], Sequence[Float[Array, "b _ _"]]]:
        logits = heads(x)
        return sum((y.sum() for y in logits), jnp.zeros(())), logits

    slopes, of_real = jax.grad(logits_sum, has_aux=True)(list(real))
    losses = [
        _in_hole(adversarial.d_loss(a, b), ex) + R1 / 2 * _in_hole(jnp.square(s).sum(axis=-1), ex)
        for a, b, s in zip(of_real, heads(fake), slopes, strict=True)
    ]
    return sum(losses, jnp.zeros(())) / len(losses)


def g_loss(recipe: Recipe, heads: Heads, fake: Features, ex: Examples) -> Float[Array, ""]:
    """What G minimises: `adversarial.g_loss` of the same patches."""
    losses = [_in_hole(adversarial.g_loss(logits, recipe.adversarial), ex) for logits in heads(fake)]
    return sum(losses, jnp.zeros(())) / len(losses)


def _in_hole(cells: Float[Array, "b h w"], ex: Examples) -> Float[Array, ""]:
    """The mean over each hole's part of the cells, and over the batch."""
    share = images.pool_to(ex.mask, cells.shape[1])[..., 0]
    return ((cells * share).sum(axis=(1, 2)) / jnp.maximum(share.sum(axis=(1, 2)), 1e-6)).mean()
