"""D(image): one trunk, two heads, real or fake and the attributes (paper, section 3); it grows in step with G."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from fec_jax import images
from fec_jax.nets import layers, vgg16

ON_RELUS = (2, 3, 4)
"""The blocks of VGG16 whose last activations `FeatureHead`s look at: relu2_2, 3_3 and 4_3."""
HEAD_WIDTH = 64


class FeatureHead(nn.Module):
    """From the features of another network to a logit for each of their cells."""

    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w"]:
        x = layers.leaky_relu(layers.from_rgb(HEAD_WIDTH, self.dtype)(x))
        x = layers.Conv(HEAD_WIDTH, dtype=self.dtype)(x)
        return nn.Dense(1, kernel_init=layers.unit_normal, dtype="float32")(x)[..., 0]


class DownBlock(nn.Module):
    """Resolution r to r/2."""

    features: int
    features_down: int
    zero_init: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h/2 w/2 d"]:
        x = layers.Conv(self.features, dtype=self.dtype)(x)
        return images.pool2(layers.Conv(self.features_down, zero_init=self.zero_init, dtype=self.dtype)(x))


class Discriminator(nn.Module):
    """The discriminator of every resolution from 4 to `max_px`, in one parameter tree (see `Generator`).

    base, cap: width `min(base // r, cap)` at resolution r. num_attrs: N, 0 for plain inpainting (the head is then
    empty). growth: see `layers.Growth`. remat_min_px: see `layers.rematerialised`. on_features: it has heads on VGG16's
    features too, see `of_features`.
    """

    max_px: int
    base: int
    cap: int
    num_attrs: int
    growth: layers.Growth = "blend"
    dtype: DTypeLike = "float32"
    remat_min_px: int = 0
    on_features: bool = False

    def setup(self) -> None:
        sizes = layers.resolutions(self.max_px)
        width = {r: layers.channels(r, self.base, self.cap) for r in sizes}
        self.from_rgb = {str(r): layers.from_rgb(width[r], self.dtype) for r in sizes}
        added = self.growth == "add"
        blocks = {r: layers.rematerialised(DownBlock, r, self.remat_min_px) for r in sizes[1:]}
        self.down = {str(r): blocks[r](width[r], width[r // 2], added, self.dtype) for r in sizes[1:]}
        self.conv_4 = layers.Conv(width[4], dtype=self.dtype)
        self.dense_4 = nn.Dense(width[4], kernel_init=layers.he_normal, dtype=self.dtype)
        # In float32 whatever the networks' type: a logit of 8 has steps of 1/16 in bfloat16.
        self.real_head = nn.Dense(1, kernel_init=layers.unit_normal, dtype="float32")
        self.attr_head = nn.Dense(self.num_attrs, kernel_init=layers.unit_normal, dtype="float32")
        if self.on_features:
            self.on_relu = {str(block): FeatureHead(self.dtype) for block in ON_RELUS}

    def __call__(
        self, x: Float[Array, "b r r 3"], alpha: Float[Array, ""] | float, *, resolution_px: int
    ) -> tuple[Float[Array, " b"], Float[Array, "b {self.num_attrs}"]]:
        """Logits, before any sigmoid: real (positive) or fake, and every attribute. float32.

        Raises ValueError if the image is not `resolution_px` large.
        """
        if x.shape[1:] != (resolution_px, resolution_px, 3) or resolution_px not in layers.resolutions(self.max_px):
            raise ValueError(f"input {x.shape[1:]} for resolution {resolution_px} of a {self.max_px} px discriminator")
        if self.is_initializing():
            self._create()
        alpha = jnp.asarray(alpha, jnp.float32)
        x = x.astype(self.dtype)
        features, pooled, r = self._in(x, resolution_px), x, resolution_px
        while r > 4:
            down = self.down[str(r)](features)
            share = alpha if r == resolution_px else 1.0
            if self.growth == "add":
                pooled = images.pool2(pooled)
                down = images.plus(self._in(pooled, r // 2), down, share)
            elif r == resolution_px:
                down = images.lerp(self._in(images.pool2(x), r // 2), down, share)
            features, r = down, r // 2
        features = self.conv_4(features)
        features = layers.leaky_relu(self.dense_4(features.reshape(x.shape[0], -1)))
        attr_logits = self.attr_head(features) if self.num_attrs else jnp.zeros((x.shape[0], 0))
        return self.real_head(features)[:, 0], attr_logits

    def of_features(self, features: Sequence[Float[Array, "b _ _ _"]]) -> list[Float[Array, "b _ _"]]:
        """Logits of every cell of these features of an image, those of the blocks `ON_RELUS`; no other layer sees them.

        float32.
        """
        return [head(x) for head, x in zip(self.on_relu.values(), features, strict=True)]

    def _in(self, x, resolution_px):
        return layers.leaky_relu(self.from_rgb[str(resolution_px)](x))

    def _create(self) -> None:
        """Calls every layer once, on the smallest maps, so that `init` creates the whole tree."""
        for r in layers.resolutions(self.max_px):
            features = self._in(jnp.zeros((1, 2, 2, 3), self.dtype), r)
            if r > 4:
                self.down[str(r)](features)
        if self.on_features:
            self.of_features([jnp.zeros((1, 2, 2, vgg16.BLOCKS[block - 1][1]), self.dtype) for block in ON_RELUS])
