"""Distance of completion and photo in the features of a pretrained network (paper, feature loss)."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

TINY = 1e-6
"""Added to squared lengths; those of features are 100 or more. It keeps the gradient small where there is nothing."""


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
    tiny: float = TINY,
) -> Float[Array, " b"]:
    """LPIPS (Zhang et al., arXiv:1801.03924) of the layers' features, as loss and as metric: no unit, 0 for equal ones.

    [ours] It may replace `feature`. heads: LPIPS's weights of every layer's channels. Per layer: features
    scaled to length 1 over the channels, squared differences weighted by the head, summed over channels, averaged over
    places; then the sum over the layers.
    """

    def unit(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        x = x.astype(jnp.float32)
        return x * lax.rsqrt(jnp.square(x).sum(axis=-1, keepdims=True) + tiny)

    layers = zip(fake_features, real_features, heads, strict=True)
    return sum(
        ((head * jnp.square(unit(a) - unit(b))).sum(axis=-1).mean(axis=(1, 2)) for a, b, head in layers),
        jnp.zeros(len(fake_features[0])),
    )
