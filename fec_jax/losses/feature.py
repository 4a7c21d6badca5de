"""The completion should look like the photo to a network that has seen the world (paper, feature loss)."""

import functools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from fec_jax.types import Images, Params

Distance = Callable[[Params, Images, Images], Float[Array, " b"]]
TINY = 1e-6
"""Keeps the gradient of a length finite where there is nothing. Lengths of features are 10 or more."""


def feature(fake_features: Float[Array, "b h w c"], real_features: Float[Array, "b h w c"]) -> Float[Array, " b"]:
    """Mean squared difference of the features, over cells and channels: the squared L2 distance per element.

    The features are `vgg16.relu2_2` of `fake` and `real`. The gradient must reach G, so `fake_features` must not be
    detached; `real_features` needs none, being no function of G.

    Below 16 px the term has no meaning: `relu2_2` of an 8 px image has 4 x 4 cells, most of whose receptive field of
    14 px is padding, and VGG16 never saw such images. The training step gives it the weight 0 there (`feature_min_px`).
    """
    difference = fake_features.astype(jnp.float32) - real_features.astype(jnp.float32)
    return jnp.square(difference).mean(axis=(1, 2, 3))


def lpips(
    fake_features: Sequence[Float[Array, "b _ _ _"]],
    real_features: Sequence[Float[Array, "b _ _ _"]],
    heads: Sequence[Float[Array, " _"]],
) -> Float[Array, " b"]:
    """LPIPS (Zhang et al., arXiv:1801.03924) of the layers' features, as a loss: see `metrics.perceptual.lpips`.

    [ours] It may take the place of `feature`. Per layer: features scaled to length 1 over the channels, squared
    differences weighted by the layer's head, summed over channels, averaged over places; then the sum over the layers.
    """

    def unit(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        x = x.astype(jnp.float32)
        return x * lax.rsqrt(jnp.square(x).sum(axis=-1, keepdims=True) + TINY)

    layers = zip(fake_features, real_features, heads, strict=True)
    return sum(
        ((head * jnp.square(unit(a) - unit(b))).sum(axis=-1).mean(axis=(1, 2)) for a, b, head in layers),
        jnp.zeros(len(fake_features[0])),
    )


def of_images(
    distance: Distance, params: Params, fake: Images, real: Images, chunk: int | None = None
) -> Float[Array, " b"]:
    """`distance(params, fake, real)` of two batches of images, example by example; only `fake` gets a gradient.

    `chunk` is a matter of speed only: at most so many images (a divisor of the batch) go there and back at once, one
    chunk after the other. On a CPU the activations of some 64 px images then stay in its caches; an accelerator wants
    None, the whole batch at once.
    """
    size = len(fake) if chunk is None else math.gcd(len(fake), chunk)
    if size == len(fake):
        return distance(params, fake, lax.stop_gradient(real))
    return _chunked(distance, size, params, fake, real)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _chunked(distance: Distance, size: int, params: Params, fake: Images, real: Images) -> Float[Array, " b"]:
    return _map(functools.partial(distance, params), size, fake, real)


def _chunked_forward(distance, size, params, fake, real):
    # The gradient is computed at once, chunk by chunk, so that no activation has to be kept for later.
    def one(fake, real):
        loss, pull_back = jax.vjp(lambda x: distance(params, x, real), fake)
        return loss, pull_back(jnp.ones_like(loss))[0]

    return _map(one, size, fake, real)


def _chunked_backward(distance, size, gradient, g):
    return None, gradient * g[:, None, None, None], None


_chunked.defvjp(_chunked_forward, _chunked_backward)


def _map(f, size, *batches):
    parts = (x.reshape(-1, size, *x.shape[1:]) for x in batches)
    done = lax.map(lambda xs: f(*xs), tuple(parts))
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), done)
