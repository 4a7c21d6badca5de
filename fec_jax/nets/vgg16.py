"""VGG16 with ImageNet weights, frozen: up to `relu2_2` the eye of the feature loss (paper, section on losses).

Simonyan & Zisserman, arXiv:1409.1556. The weights to there ship with the package; `assets/README.md` says
where they come from. LPIPS sees with all five blocks, see `published`.
"""

import hashlib
from importlib import resources
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import safetensors.numpy
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from fec_jax.nets import ops, published, winograd
from fec_jax.types import Params, UserError

FILE = "vgg16_relu2_2.safetensors"
SHA256 = "334c6d8f9a1f8f637424ebe294b2e04bbb8b8967db84c8323e109cc98e242409"
SHAPES = {
    "conv1_1": (3, 3, 3, 64),
    "conv1_2": (3, 3, 64, 64),
    "conv2_1": (3, 3, 64, 128),
    "conv2_2": (3, 3, 128, 128),
}
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def load_params() -> dict[str, dict[str, Array]]:
    """The shipped weights, {"conv1_1": {"kernel": [3, 3, in, out], "bias": [out]}, ...}, float32.

    Raises `UserError` when the file is missing or is not, byte for byte, the one that this version was released with.
    """
    asset = resources.files("fec_jax") / "assets" / FILE
    try:
        data = asset.read_bytes()
    except OSError as e:
        raise UserError(f"VGG16 weights missing: {asset}; reinstall fec-jax or run experiments/port_vgg16.py") from e
    return parse(data, str(asset))


def parse(data: bytes, where: str) -> dict[str, dict[str, Array]]:
    """Checks and unpacks the bytes of the weights' file; `where` names it in the `UserError` for a damaged one."""
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise UserError(f"VGG16 weights damaged (wrong checksum): {where}; reinstall fec-jax")
    flat = safetensors.numpy.load(data)
    wanted = {f"{name}/kernel": shape for name, shape in SHAPES.items()}
    wanted |= {f"{name}/bias": shape[-1:] for name, shape in SHAPES.items()}
    found = {name: array.shape for name, array in flat.items() if array.dtype == np.float32}
    if found != wanted:
        raise UserError(f"VGG16 weights have other names, shapes or types than expected: {where}; reinstall fec-jax")
    return {name: {part: jnp.asarray(flat[f"{name}/{part}"]) for part in ("kernel", "bias")} for name in SHAPES}


def relu2_2(
    params: Params, images: Float[Array, "b h w 3"], dtype: DTypeLike = jnp.float32, *, fast: bool = False
) -> Float[Array, "b h/2 w/2 128"]:
    """Activations after the second ReLU of VGG16's second block, not negative: the last of `relus` of two blocks."""
    return relus(params, images, 2, dtype, fast=fast)[-1]


def relus(
    params: Params, images: Float[Array, "b h w 3"], blocks: int, dtype: DTypeLike = jnp.float32, *, fast: bool = False
) -> list[Float[Array, "b _ _ _"]]:
    """Activations after the last ReLU of the first `blocks` (1 to 5) blocks, [b, h, w, 64] ... [b, h/16, w/16, 512].

    Float32, not negative. relu1_2, 2_2, 3_3, 4_3, 5_3; `params` has the convolutions up to there: `load_params` those
    of two blocks, `published.load_params` all. Images in [-1, 1], height and width multiples of 2^(blocks - 1), else
    ValueError. `dtype` is the type of the convolutions' inputs and outputs; bfloat16 is meant for accelerators. The
    gradient goes to the images alone: for `params` it is zero.

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
    for block, (count, _) in enumerate(published.BLOCKS[:blocks], 1):
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
