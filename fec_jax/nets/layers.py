"""The building blocks of G and D."""

from collections.abc import Callable
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from fec_jax.nets import ops

SLOPE = 0.2
he_normal = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
unit_normal = nn.initializers.variance_scaling(1.0, "fan_in", "normal")


Growth = Literal["blend", "add"]
"""How the layers of a new resolution fade in.

`blend` (paper): alpha blends from the old path to the new one, which replaces it and has to learn again what it knew.
`add`: alpha times the new layers' output is added to the old path, which stays. The new layers are zero-initialised, so
that growing does not change the output. These are the input and output skips of Karras et al. (arXiv:1912.04958).
"""


def channels(resolution_px: int, base: int, cap: int) -> int:
    """Width of the feature maps at a resolution: `min(base // resolution, cap)` [ours: unpublished]."""
    return min(base // resolution_px, cap)


def resolutions(max_px: int) -> tuple[int, ...]:
    """4, 8, ..., max_px. `max_px` must be a power of two, at least 4."""
    if max_px < 4 or max_px & (max_px - 1):
        raise ValueError(f"resolution {max_px} px is not a power of two >= 4")
    return tuple(2**i for i in range(2, max_px.bit_length()))


def rematerialised(block: type[nn.Module], resolution_px: int, remat_min_px: int) -> type[nn.Module]:
    """`block`; from `remat_min_px` on (0: never) its activations are recomputed in the backward pass."""
    return nn.remat(block) if 0 < remat_min_px <= resolution_px else block


def leaky_relu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    return jax.nn.leaky_relu(x, SLOPE)


class Kernel(nn.Module):
    """One of the convolutions of `ops`, of `side` x `side` pixels; its parameters are named as those of `nn.Conv`."""

    features: int
    use_bias: bool
    init: nn.initializers.Initializer
    convolve: Callable[[jax.Array, jax.Array], jax.Array] = ops.conv3x3
    dtype: DTypeLike = "float32"
    side: int = 3

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b _ _ {self.features}"]:
        kernel = self.param("kernel", self.init, (self.side, self.side, x.shape[-1], self.features))
        # `up2_conv3x3` adds up taps first, in float32.
        kernel = jnp.asarray(kernel, None if self.convolve is ops.up2_conv3x3 else self.dtype)
        x = self.convolve(x.astype(self.dtype), kernel)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            x = ops.add_bias(x, jnp.asarray(bias, self.dtype))
        return x


class Norm(nn.Module):
    """Instance norm, then leaky ReLU of this slope (see `ops.instance_norm`), named as `nn.InstanceNorm`'s."""

    slope: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        return ops.instance_norm(x, jnp.asarray(scale), jnp.asarray(bias), self.slope)


class Conv(nn.Module):
    """A 3 x 3 convolution, then instance norm (paper) if `norm`, then leaky ReLU 0.2.

    zero_init: the kernel starts at 0. up2: of the image enlarged by 2 (nearest neighbour).
    """

    features: int
    norm: bool = False
    zero_init: bool = False
    up2: bool = False
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "b _ _ _"]) -> Float[Array, "b _ _ {self.features}"]:
        # The norm has a bias of its own, and takes away any that came before it.
        init = nn.initializers.zeros if self.zero_init else he_normal
        convolve = ops.up2_conv3x3 if self.up2 else ops.conv3x3
        x = Kernel(self.features, not self.norm, init, convolve, self.dtype, name="Conv_0")(x)
        return Norm(SLOPE, name="InstanceNorm_0")(x) if self.norm else leaky_relu(x)


class ResidualBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))): the residual skip, which lets attributes change (paper)."""

    features: int
    dtype: DTypeLike = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        y = Conv(self.features, norm=True, dtype=self.dtype)(x)
        y = Kernel(self.features, False, unit_normal, dtype=self.dtype, name="Conv_1")(y)
        return x + Norm(name="InstanceNorm_0")(y)


def from_rgb(features: int, dtype: DTypeLike, zero_init: bool = False) -> Kernel:
    """1 x 1 convolution from pixels to the width of a resolution. `zero_init`: the kernel starts at 0."""
    return Kernel(features, True, nn.initializers.zeros if zero_init else he_normal, ops.conv1x1, dtype, side=1)


def to_rgb(zero_init: bool = False) -> Kernel:
    """1 x 1 convolution from features to pixels, linear. `zero_init`: the kernel starts at 0.

    Always in float32: its pixels are the result, and in bfloat16 there are only 256 between 1/2 and 1.
    """
    return Kernel(3, True, nn.initializers.zeros if zero_init else unit_normal, ops.conv1x1, side=1)


class Share(nn.Module):
    """From features to one number per pixel, between 0 and 1; it starts at 1/2. In float32, as `to_rgb`."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h w 1"]:
        return jax.nn.sigmoid(Kernel(1, True, nn.initializers.zeros, ops.conv1x1, side=1, name="Conv_0")(x))


def in_float32(path: tuple[str, ...]) -> bool:
    """Whether the kernel at this place of G's or D's tree is used in float32, whatever the networks' type.

    Those are `to_rgb`, the prior and its share, the offset's, D's heads, and the kernels of `up2_conv3x3`, whose taps
    are added up.
    """
    if path[0].startswith("decode_"):
        return path[1:] == ("Conv_0", "Conv_0", "kernel")
    return path[0].startswith(("to_rgb_", "prior_", "share_", "offset_")) or path[0].endswith("_head")
