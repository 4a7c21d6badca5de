"""What the layers compute, as a textbook has it. `cpu` has the forms that run in their place on CPUs."""

import functools

import jax
import jax.export
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from fec_jax import images
from fec_jax.nets import cpu

EPSILON = 1e-5
MANY_PIXELS = 2048
"""With fewer, adding up a kernel's taps takes longer than what it saves."""


def _conv(x: Float[Array, "b h w c"], kernel: Float[Array, "k k c d"], padding: str = "SAME") -> Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


@cpu.instead(cpu.conv3x3)
def conv3x3(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b h w d"]:
    """The convolution with zeros around the image."""
    return _conv(x, kernel)


@cpu.instead(cpu.frozen_conv3x3)
def frozen_conv3x3(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b h w d"]:
    """`conv3x3` with a frozen kernel: only `x` gets a gradient.

    On CPUs it may differ by some 1e-5 of the largest value.
    """
    return conv3x3(x, lax.stop_gradient(kernel))


def conv1x1(x: Float[Array, "b h w c"], kernel: Float[Array, "1 1 c d"]) -> Float[Array, "b h w d"]:
    """Every pixel by itself."""
    return _conv(x, kernel)


@cpu.instead(cpu.with_channel)
def with_channel(x: Float[Array, "b h w c"], y: Float[Array, "b h w 1"]) -> Float[Array, "b h w _"]:
    """`y` as one more channel of `x`, the last."""
    return jnp.concatenate([x, y], axis=-1)


def up2_conv3x3(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b 2*h 2*w d"]:
    """`conv3x3(images.up2(x), kernel)`, with 4/9 of its operations and without the enlarged image.

    A pixel of the result sees 2 x 2 different pixels of `x`: which ones, and through which sums of the kernel's taps,
    depends on its place in its 2 x 2 block only (sub-pixel convolution, Shi et al., arXiv:1609.05158). Taps are added
    up in the kernel's type, then converted to that of `x`.
    """
    b, h, w, c = x.shape
    # A program for any batch size (an export) has the plain form: with it, it was as fast.
    if jax.export.is_symbolic_dim(b) or b * h * w < MANY_PIXELS:
        return conv3x3(images.up2(x), kernel.astype(x.dtype))
    top, middle, bottom = kernel
    rows = ((top, middle + bottom), (top + middle, bottom))  # [place in the block][pixel of x]
    halves = [[((k[0], k[1] + k[2]), (k[0] + k[1], k[2])) for k in pair] for pair in rows]
    # [i, j, c, p, q, d]: pixel (i, j) of x, for place (p, q).
    four = jnp.stack(
        [
            jnp.stack(
                [
                    jnp.stack([jnp.stack([halves[p][i][q][j] for q in range(2)], 1) for p in range(2)], 1)
                    for j in range(2)
                ]
            )
            for i in range(2)
        ]
    )
    # Padded first: on CPUs the gradient of a convolution that pads by itself takes nine times as long.
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = _conv(padded, four.reshape(2, 2, c, -1).astype(x.dtype), "VALID").reshape(b, h + 1, w + 1, 2, 2, -1)
    rows = [jnp.stack([y[:, p : p + h, q : q + w, p, q] for q in range(2)], axis=3) for p in range(2)]
    return jnp.stack(rows, axis=2).reshape(b, 2 * h, 2 * w, -1)


@cpu.instead(cpu.pixel_sum)
def pixel_sum(x: Float[Array, "b h w c"]) -> Float[Array, "b c"]:
    """Sums over height and width, in float32 or better."""
    return jnp.sum(x, axis=(1, 2), dtype=jnp.promote_types(x.dtype, jnp.float32))


@jax.custom_vjp
def add_bias(x: Float[Array, "b h w c"], bias: Float[Array, " c"]) -> Float[Array, "b h w c"]:
    """`x + bias`. Its gradient sums in float32, whatever the type of `x`."""
    return x + bias


def _add_bias_forward(x, bias):
    return x + bias, bias


def _add_bias_backward(bias, g):
    return g, pixel_sum(g).sum(axis=0).astype(bias.dtype)


add_bias.defvjp(_add_bias_forward, _add_bias_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def instance_norm(
    x: Float[Array, "b h w c"], scale: Float[Array, " c"], bias: Float[Array, " c"], slope: float = 1.0
) -> Float[Array, "b h w c"]:
    """Instance norm (Ulyanov et al., arXiv:1607.08022; epsilon 1e-5), then leaky ReLU of this slope; 1: none.

    Computed in float32, the result has the type of `x`. One function, because its gradient then needs no
    more of the forward pass than `x` and the statistics. First-order reverse-mode derivative only.
    """
    return _instance_norm_forward(x, scale, bias, slope)[0]


def _instance_norm_forward(x, scale, bias, slope):
    n = x.shape[1] * x.shape[2]
    mean = pixel_sum(x) / n
    variance = pixel_sum(jnp.square(x.astype(mean.dtype))) / n - jnp.square(mean)
    kept = (x, mean, lax.rsqrt(jnp.maximum(variance, 0) + EPSILON), scale, bias)
    y = _normed(kept)
    return (y if slope == 1 else jnp.where(y >= 0, y, slope * y)).astype(x.dtype), kept


def _normed(kept):
    """In the type of the statistics."""
    x, mean, inverse, scale, bias = kept
    factor = inverse * scale
    return x * _spread(factor) + _spread(bias - mean * factor)


def _instance_norm_backward(slope, kept, g):
    x, mean, inverse, scale, bias = kept
    n = x.shape[1] * x.shape[2]
    g = g.astype(mean.dtype)
    if slope != 1:
        g = jnp.where(_normed(kept) >= 0, g, slope * g)
    g_sum, gx_sum = pixel_sum(g), pixel_sum(g * x)
    g_normed = (gx_sum - mean * g_sum) * inverse  # the sum of g times the normalised x
    factor = inverse * scale
    of_x = factor * g_normed * inverse / n
    grad_x = g * _spread(factor) - x * _spread(of_x) + _spread(of_x * mean - factor * g_sum / n)
    grad_scale, grad_bias = g_normed.sum(axis=0), g_sum.sum(axis=0)
    return grad_x.astype(x.dtype), grad_scale.astype(scale.dtype), grad_bias.astype(bias.dtype)


instance_norm.defvjp(_instance_norm_forward, _instance_norm_backward)


def _spread(per_channel: Float[Array, "b c"]) -> Float[Array, "b 1 1 c"]:
    return per_channel[:, None, None]
