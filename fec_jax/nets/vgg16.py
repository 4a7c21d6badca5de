"""VGG16 with ImageNet weights, frozen: up to `relu2_2` the eye of the feature loss (paper, section on losses).

Simonyan & Zisserman, arXiv:1409.1556. The weights to there ship with the package; `assets/README.md` says
where they come from. LPIPS sees with all five blocks, see `weights.published`.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from fec_jax.nets import ops, winograd
from fec_jax.types import Params

BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Of every block of VGG16: number of 3x3 convolutions, and their channels. Blocks are joined by 2x2 max pooling."""
CONVS = tuple(f"conv{i}_{j}" for i, (count, _) in enumerate(BLOCKS, 1) for j in range(1, count + 1))
SMALLEST_PX = 16
"""Side of the smallest image: four poolings halve it to 1."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def relu2_2(
    params: Params, images: Float[Array, "b h w 3"], dtype: DTypeLike = jnp.float32, *, fast: bool = False
) -> Float[Array, "b h/2 w/2 128"]:
    """Activations after the second ReLU of VGG16's second block, not negative: the last of `relus` of two blocks."""
    return relus(params, images, 2, dtype, fast=fast)[-1]


def relus(
    params: Params, images: Float[Array, "b h w 3"], blocks: int, dtype: DTypeLike = jnp.float32, *, fast: bool = False
) -> list[Float[Array, "b _ _ _"]]:
    """Activations after the last ReLU of the first `blocks` (1 to 5) blocks, [b, h, w, 64] ... [b, h/16, w/16, 512].

    Float32, not negative. relu1_2, 2_2, 3_3, 4_3, 5_3; `params` has the convolutions up to there:
    `weights.published.load_relu2_2` has those of two blocks, `load_params` all. Images in [-1, 1], height and width
    multiples of 2^(blocks - 1), else ValueError. `dtype` is the type of the convolutions' inputs and outputs; bfloat16
    is meant for accelerators. The gradient goes to the images alone: for `params` it is zero.

    fast: on CPUs, for float32 and images whose sides are multiples of 8 from 32 px on, by `winograd`, a quarter faster
    there and back, and different by some 1e-5 of the largest activation; else the same.
    """
    h, w = images.shape[1:3]
    if h % 2 ** (blocks - 1) or w % 2 ** (blocks - 1):
        raise ValueError(
            f"{blocks} blocks of VGG16 halve the image {blocks - 1} times: height and width must be multiples of "
            f"{2 ** (blocks - 1)}, got {h} x {w}"
        )
    x = (images.astype(jnp.float32) + 1) / 2
    x = (x - jnp.asarray(IMAGENET_MEAN)) / jnp.asarray(IMAGENET_STD)
    x, params = x.astype(dtype), lax.stop_gradient(params)
    suits = x.dtype == jnp.float32 and h % 8 == w % 8 == 0 and min(h, w) >= 32
    found = []
    for block, (count, _) in enumerate(BLOCKS[:blocks], 1):
        x = _max_pool2(x) if block > 1 else x
        # Winograd's tiles are of 4 x 4 pixels, and few of them are not worth it.
        tiled = x.shape[1] % 4 == x.shape[2] % 4 == 0 and min(x.shape[1:3]) >= 16
        for i in range(1, count + 1):
            conv = _fast_conv if fast and suits and tiled and x.shape[-1] > 3 else ops.conv3x3
            x = _conv_relu(conv, params[f"conv{block}_{i}"], x)
        found.append(x.astype(jnp.float32))
    return found


def _conv_relu(conv: Any, layer: Params, x: Float[Array, "b h w c"]) -> Float[Array, "b h w d"]:
    return jax.nn.relu(conv(x, layer["kernel"].astype(x.dtype)) + layer["bias"].astype(x.dtype))


@jax.custom_vjp
def _fast_conv(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b h w d"]:
    return lax.platform_dependent(x, kernel, cpu=winograd.conv3x3, default=ops.conv3x3)


def _fast_conv_backward(kernel, g):
    return _fast_conv(g, jnp.flip(kernel, (0, 1)).swapaxes(2, 3)), None


_fast_conv.defvjp(lambda x, kernel: (_fast_conv(x, kernel), kernel), _fast_conv_backward)


def _max_pool2(x: Float[Array, "b h w c"]) -> Float[Array, "b h/2 w/2 c"]:
    # Not lax.reduce_window: on XLA:CPU its gradient takes nine times as long. Ties share the gradient.
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))
