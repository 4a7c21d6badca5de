"""VGG16 with ImageNet weights, frozen: up to `relu2_2` the network of the feature loss (paper, section on losses).

Simonyan & Zisserman, arXiv:1409.1556. The weights to there ship with the package; `assets/README.md` says
where they come from. LPIPS uses all five blocks, see `weights.published`.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from fec_jax.nets import ops
from fec_jax.types import Params

BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
"""Of every block of VGG16: number of 3x3 convolutions, and their channels. Blocks are joined by 2x2 max pooling."""
CONVS = tuple(f"conv{i}_{j}" for i, (count, _) in enumerate(BLOCKS, 1) for j in range(1, count + 1))
SMALLEST_PX = 16
"""Side of the smallest image: four poolings halve it to 1."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
SHIFT, SCALE = tuple(2 * x - 1 for x in IMAGENET_MEAN), tuple(2 * x for x in IMAGENET_STD)
"""The same for images in [-1, 1], also LPIPS's own numbers: (x - SHIFT) / SCALE."""


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
    `weights.published.load_relu2_2` has those of two blocks, `load_params` all. Images in [-1, 1]; odd heights and
    widths are halved downwards. ValueError: images that cannot be halved so often. `dtype` is the type of the
    convolutions' inputs and outputs; bfloat16 is meant for accelerators. The gradient goes to the images alone.

    fast: for training. In the precision that a device multiplies float32 in; on CPUs a quarter faster,
    and different by some 1e-5 of the largest activation. Otherwise in full float32: accelerators would round the
    operands, and LPIPS would be off in its fourth digit.
    """
    if min(images.shape[1:3]) < 2 ** (blocks - 1):
        raise ValueError(
            f"{blocks} blocks of VGG16 need images of at least {2 ** (blocks - 1)} px, got {images.shape[1]} x "
            f"{images.shape[2]}"
        )
    x = (images.astype(jnp.float32) - jnp.asarray(SHIFT)) / jnp.asarray(SCALE)
    x, params, found = x.astype(dtype), lax.stop_gradient(params), []
    convolve = ops.frozen_conv3x3 if fast else _exact_conv3x3
    for block, (count, _) in enumerate(BLOCKS[:blocks], 1):
        x = _max_pool2(x) if block > 1 else x
        for i in range(1, count + 1):
            layer = params[f"conv{block}_{i}"]
            x = jax.nn.relu(convolve(x, layer["kernel"].astype(dtype)) + layer["bias"].astype(dtype))
        found.append(x.astype(jnp.float32))
    return found


def _exact_conv3x3(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b h w d"]:
    with jax.default_matmul_precision("highest"):
        return ops.conv3x3(x, kernel)


def _max_pool2(x: Float[Array, "b h w c"]) -> Float[Array, "b h//2 w//2 c"]:
    # Not lax.reduce_window: on XLA:CPU its gradient takes nine times as long. Ties share the gradient.
    b, h, w, c = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))
