"""The completion should look like the photo to a network that has seen the world (paper, feature loss)."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def feature(fake_features: Float[Array, "b h w c"], real_features: Float[Array, "b h w c"]) -> Float[Array, " b"]:
    """Mean squared difference of the features, over cells and channels: the squared L2 distance per element.

    The features are `vgg16.relu2_2` of `fake` and `real`. The gradient must reach G, so `fake_features` must not be
    detached; `real_features` needs none, being no function of G.

    Below 16 px the term has no meaning: `relu2_2` of an 8 px image has 4 x 4 cells, most of whose receptive field of
    14 px is padding, and VGG16 never saw such images. The training step gives it the weight 0 there (`feature_min_px`).
    """
    difference = fake_features.astype(jnp.float32) - real_features.astype(jnp.float32)
    return jnp.square(difference).mean(axis=(1, 2, 3))
