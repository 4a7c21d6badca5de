"""G(masked, mask, wanted attributes): a U-shaped encoder and completion network that grows (paper, section 3)."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from fec_jax import images
from fec_jax.nets import layers, ops
from fec_jax.nets import offset as offsets
from fec_jax.nets import prior as priors

Skip = Literal["residual", "concat"]


class EncoderBlock(nn.Module):
    """Resolution r to r/2. Also gives the skip's features, at r."""

    features: int
    features_down: int
    zero_init: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> tuple[Float[Array, "b h w c"], Float[Array, "b h/2 w/2 d"]]:
        skip = layers.Conv(self.features, norm=True, dtype=self.dtype)(x)
        # No norm on this one: instance norm removes the absolute level, and with it the photo's colours.
        return skip, images.pool2(layers.Conv(self.features_down, zero_init=self.zero_init, dtype=self.dtype)(skip))


class Merge(nn.Module):
    """Joins the completion's features with the encoder's of the same resolution, in one of the paper's two ways.

    `concat` copies and concatenates: identity is carried over (plain inpainting). `residual` sends the skip through a
    residual block and adds it, because a plain copy would carry the old attributes through.
    """

    features: int
    skip: Skip
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], skip: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        if self.skip == "concat":
            x = jnp.concatenate([x, skip], axis=-1)
        else:
            x = x + layers.ResidualBlock(self.features, dtype=self.dtype)(skip)
        return layers.Conv(self.features, dtype=self.dtype)(x)


class DecoderBlock(nn.Module):
    """Resolution r/2 to r, with the skip of r."""

    features: int
    skip: Skip
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "b i j d"], skip: Float[Array, "b 2*i 2*j c"]) -> Float[Array, "b 2*i 2*j c"]:
        x = layers.Conv(self.features, norm=True, up2=True, dtype=self.dtype)(x)
        return Merge(self.features, self.skip, self.dtype)(x, skip)


class Generator(nn.Module):
    """The generator of every resolution from 4 to `max_px`, in one parameter tree.

    `init` creates all of it; a call uses the part up to `resolution_px` (static). The names of a smaller `max_px` are a
    subset of those of a larger one, and start from the same values under the same key.

    base, cap: width `min(base // r, cap)` at resolution r. num_attrs: N, 0 for plain inpainting. latent: size of z.
    skip: the paper's two variants, see `Merge`. growth: how new layers fade in, see `layers.Growth`. dtype: of the
    computation; parameters, alpha, `to_rgb` and result are float32. remat_min_px: see `layers.rematerialised`.
    prior: components of the linear model, see `prior.Prior`; 0: none. From 32 px on its face is an input of the encoder
    there, and the image of 32 px a blend of the model's and the network's, with learnt shares; larger images are moved
    by as much as this blend moves that of 32 px.
    offset: from 64 px on the face is found first and moved to its usual place, see `offset.Offset`.
    """

    max_px: int
    base: int
    cap: int
    num_attrs: int
    latent: int = 512
    skip: Skip = "residual"
    growth: layers.Growth = "blend"
    dtype: DTypeLike = "float32"
    remat_min_px: int = 0
    prior: int = 0
    offset: bool = False

    def setup(self) -> None:
        sizes = layers.resolutions(self.max_px)
        width = {r: layers.channels(r, self.base, self.cap) for r in sizes}
        self.from_rgb = {str(r): layers.from_rgb(width[r], self.dtype) for r in sizes}
        added = self.growth == "add"
        self.to_rgb = {str(r): layers.to_rgb(zero_init=added and r > 4) for r in sizes}
        encoders, decoders = (
            {r: layers.rematerialised(block, r, self.remat_min_px) for r in sizes[1:]}
            for block in (EncoderBlock, DecoderBlock)
        )
        self.encode = {str(r): encoders[r](width[r], width[r // 2], added, self.dtype) for r in sizes[1:]}
        self.decode = {str(r): decoders[r](width[r], self.skip, self.dtype) for r in sizes[1:]}
        self.encode_4 = layers.Conv(width[4], norm=True, dtype=self.dtype)
        self.to_latent = nn.Dense(self.latent, kernel_init=layers.he_normal, dtype=self.dtype)
        self.from_latent = nn.Dense(16 * width[4], kernel_init=layers.he_normal, dtype=self.dtype)
        self.decode_4 = layers.Conv(width[4], norm=True, dtype=self.dtype)
        self.merge_4 = Merge(width[4], self.skip, self.dtype)
        if self.prior:
            if self.growth != "add" or self.max_px < priors.PX:
                raise ValueError(f"a prior needs the growth 'add' and {priors.PX} px or more")
            self.prior_32 = priors.Prior(self.prior)
            self.from_prior_32 = layers.from_rgb(width[priors.PX], self.dtype, zero_init=True)
            self.share_32 = layers.Share()
        if self.offset:
            if self.max_px < offsets.FROM_PX:
                raise ValueError(f"an offset needs {offsets.FROM_PX} px or more")
            self.offset_64 = offsets.Offset()

    def __call__(
        self,
        masked: Float[Array, "b r r 3"],
        mask: Float[Array, "b r r 1"],
        attrs: Float[Array, "b n"],
        alpha: Float[Array, ""] | float,
        *,
        resolution_px: int,
    ) -> Float[Array, "b r r 3"]:
        """The whole image, context included, linear: about [-1, 1]. `alpha` fades the layers of `resolution_px` in.

        Raises ValueError if an input is not `resolution_px` large or the attributes are not `num_attrs`.
        """
        if masked.shape[1:] != (resolution_px, resolution_px, 3) or resolution_px not in layers.resolutions(
            self.max_px
        ):
            raise ValueError(f"input {masked.shape[1:]} for resolution {resolution_px} of a {self.max_px} px generator")
        if attrs.shape[1] != self.num_attrs:
            raise ValueError(f"{attrs.shape[1]} attributes for a generator of {self.num_attrs}")
        if self.is_initializing():
            self._create()
        alpha = jnp.asarray(alpha, jnp.float32)
        if not self.has_offset(resolution_px):
            return self._image(masked, mask, attrs, alpha, resolution_px)
        by_px = lax.stop_gradient(offsets.whole_px(self.offset_of(masked, mask), mask))
        there, hole_there = (offsets.moved(x, by_px) for x in (masked, mask))
        image = offsets.moved(self._image(there, hole_there, attrs, alpha, resolution_px), -by_px)
        return jnp.where(offsets.stays(by_px, resolution_px) > 0, image, masked)

    @nn.nowrap
    def has_offset(self, resolution_px: int) -> bool:
        """Whether images of this size are moved."""
        return self.offset and resolution_px >= offsets.FROM_PX

    def offset_of(self, masked: Float[Array, "b r r 3"], mask: Float[Array, "b r r 1"]) -> Float[Array, "b 2"]:
        """Where the face lies beside its usual place, as `Offset` finds it."""
        return self.offset_64(masked, mask)

    def _image(self, masked, mask, attrs, alpha, resolution_px):
        x = ops.with_channel(masked, mask).astype(self.dtype)
        likely = self.prior_32(masked, mask) if self.prior and resolution_px >= priors.PX else None
        z, skips = self._encode(x, likely, alpha, resolution_px)
        return self._complete(z, skips, likely, attrs, alpha, resolution_px)

    def _encode(self, x, likely, alpha, resolution_px):
        """z and the skips of every resolution (paper: G_enc)."""
        skips = {}
        r = resolution_px
        features = self._in(x, r)
        while r > 4:
            if likely is not None and r == priors.PX:
                features += self.from_prior_32(likely)
            skips[r], down = self.encode[str(r)](features)
            share = alpha if r == resolution_px else 1.0
            if self.growth == "add":
                x = images.pool2(x)  # of the input, whatever the resolution
                down = images.plus(self._in(x, r // 2), down, share)
            elif r == resolution_px:
                down = images.lerp(self._in(images.pool2(x), r // 2), down, share)
            features, r = down, r // 2
        skips[4] = self.encode_4(features)
        # No norm at the latent: it is 1 x 1, and instance norm of one value is zero.
        z = layers.leaky_relu(self.to_latent(skips[4].reshape(x.shape[0], -1)))
        return z, skips

    def _complete(self, z, skips, likely, attrs, alpha, resolution_px):
        """The image, from z joined with the attributes as -1 / 1 (paper: G_compl)."""
        signs = (2 * attrs - 1).astype(self.dtype)
        x = layers.leaky_relu(self.from_latent(jnp.concatenate([z, signs], axis=-1)))
        x = self.merge_4(self.decode_4(x.reshape(z.shape[0], 4, 4, -1)), skips[4])
        rgb, r = self.to_rgb["4"](x), 4
        drift = None  # from the network's own small image to its blend with the prior's
        while r < resolution_px:
            r *= 2
            x = self.decode[str(r)](x, skips[r])
            new, share = self.to_rgb[str(r)](x), alpha if r == resolution_px else 1.0
            if self.growth == "add":
                rgb = images.plus(images.up2(rgb), new, share)
                if likely is not None and r == priors.PX:
                    drift = share * self.share_32(x) * (likely - rgb)
            else:
                rgb = images.lerp(images.up2(rgb), new, share) if r == resolution_px else new
        if drift is None:
            return rgb
        # Smoothly: blocks would show as a grid where the photo is plain.
        return rgb + jax.image.resize(drift, rgb.shape, "cubic")

    def _in(self, x, resolution_px):
        return layers.leaky_relu(self.from_rgb[str(resolution_px)](x))

    def _create(self) -> None:
        """Calls every layer once, on the smallest maps, so that `init` creates the whole tree."""
        for r in layers.resolutions(self.max_px):
            features = self._in(jnp.zeros((1, 2, 2, 4), self.dtype), r)
            self.to_rgb[str(r)](features)
            if self.prior and r == priors.PX:
                self.prior_32(jnp.zeros((1, r, r, 3)), jnp.zeros((1, r, r, 1)))
                self.from_prior_32(jnp.zeros((1, 2, 2, 3), self.dtype))
                self.share_32(features)
            if self.offset and r == offsets.FROM_PX:
                self.offset_64(jnp.zeros((1, r, r, 3)), jnp.zeros((1, r, r, 1)))
            if r > 4:
                skip, down = self.encode[str(r)](features)
                self.decode[str(r)](down, skip)
