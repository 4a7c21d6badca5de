"""What the layers compute, in forms that are fast on every backend: the numbers are those of the textbook forms.

XLA:CPU sums over pixels slowly (it splits a long sum into short ones, for accuracy, and passes over memory several
times), but multiplies matrices at the machine's full rate. So on CPUs sums over pixels are matrix products with ones,
in short pieces for the same accuracy. Elsewhere they are left to XLA.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from fec_jax import images

EPSILON = 1e-5
NHWC = ("NHWC", "HWIO", "NHWC")
MANY_PIXELS = 2048
"""With fewer, adding up a kernel's taps takes longer than what it saves."""
PIECE = 2048
"""Most pixels that are added up in one go."""
FEW = 16
"""Channels that are no more than a processor's vector holds."""
WIDE = 64
"""Channels that are added up side by side."""


@jax.custom_vjp
def conv3x3(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b h w d"]:
    """The convolution with zeros around the image. It can be differentiated backwards, as often as one likes."""
    c, d = kernel.shape[2:]
    if d <= 4 and c >= 16:
        return lax.platform_dependent(x, kernel, cpu=_conv_to_few, default=_conv)
    if c <= FEW and d <= FEW:
        return lax.platform_dependent(x, kernel, cpu=_conv_side_by_side, default=_conv)
    return _conv(x, kernel)


def _conv3x3_forward(x, kernel):
    return conv3x3(x, kernel), (x, kernel)


def _conv3x3_backward(kept, g):
    x, kernel = kept
    # The transpose of a 3 x 3 convolution is one with the kernel turned round.
    of_kernel = jax.vjp(functools.partial(_conv, x), kernel)[1](g)[0]
    return conv3x3(g, jnp.flip(kernel, (0, 1)).swapaxes(2, 3)), of_kernel


conv3x3.defvjp(_conv3x3_forward, _conv3x3_backward)


def _conv(x: Float[Array, "b h w c"], kernel: Float[Array, "k k c d"]) -> Float[Array, "b h w d"]:
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=NHWC)


def _conv_side_by_side(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b h w d"]:
    """Two or four neighbours of a row at once, from all that they see: more operations, on vectors of useful length."""
    (b, h, w), (c, d) = x.shape[:3], kernel.shape[2:]
    n = math.gcd(w, 2 if d > FEW // 2 else 4)
    wide = jnp.stack([jnp.pad(kernel, ((0, 0), (i, n - 1 - i), (0, 0), (0, 0))) for i in range(n)], axis=3)
    y = lax.conv_general_dilated(x, wide.reshape(3, n + 2, c, n * d), (1, n), ((1, 1), (1, 1)), dimension_numbers=NHWC)
    return y.reshape(b, h, w, d)


def _conv_to_few(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b h w d"]:
    """From many channels to a few: first a matrix product for all nine taps, then their sum. Four times as fast."""
    b, h, w, c = x.shape
    taps = x.reshape(-1, c) @ kernel.transpose(2, 0, 1, 3).reshape(c, -1)
    taps = jnp.pad(taps.reshape(b, h, w, 3, 3, -1), ((0, 0), (1, 1), (1, 1), (0, 0), (0, 0), (0, 0)))
    # Tap (i, j) looks at the pixel i - 1 further down and j - 1 further right.
    return sum((taps[:, i : i + h, j : j + w, i, j] for i in range(3) for j in range(3)), jnp.zeros((), x.dtype))


def conv1x1(x: Float[Array, "b h w c"], kernel: Float[Array, "1 1 c d"]) -> Float[Array, "b h w d"]:
    """Every pixel by itself."""
    return _conv(x, kernel)


def up2_conv3x3(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b 2*h 2*w d"]:
    """`conv3x3(images.up2(x), kernel)`, with 4/9 of its operations and without the enlarged image.

    A pixel of the result sees 2 x 2 different pixels of `x`: which ones, and through which sums of the kernel's taps,
    depends on its place in its 2 x 2 block only (sub-pixel convolution, Shi et al., arXiv:1609.05158).
    """
    b, h, w, c = x.shape
    if b * h * w < MANY_PIXELS:
        return conv3x3(images.up2(x), kernel)
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
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = lax.conv_general_dilated(padded, four.reshape(2, 2, c, -1), (1, 1), "VALID", dimension_numbers=NHWC)
    y = y.reshape(b, h + 1, w + 1, 2, 2, -1)
    rows = [jnp.stack([y[:, p : p + h, q : q + w, p, q] for q in range(2)], axis=3) for p in range(2)]
    return jnp.stack(rows, axis=2).reshape(b, 2 * h, 2 * w, -1)


def pixel_sum(x: Float[Array, "b h w c"]) -> Float[Array, "b c"]:
    """Sums over height and width, in float32 or better."""
    if x.dtype != jnp.float32:
        return jnp.sum(x, axis=(1, 2), dtype=jnp.promote_types(x.dtype, jnp.float32))
    return lax.platform_dependent(x, cpu=_by_products, default=lambda x: jnp.sum(x, axis=(1, 2)))


def _by_products(x: Float[Array, "b h w c"]) -> Float[Array, "b c"]:
    b, h, w, c = x.shape
    piece = math.gcd(h * w, PIECE)
    # Neighbours are added up side by side, as channels of a wider image: short vectors take several times as long.
    side = math.gcd(piece, max(1, WIDE // c))
    pieces = x.reshape(b, h * w // piece, piece // side, side * c)
    # A batch of products, not one with a vector: for that XLA would transpose `pieces` first.
    sums = jnp.einsum("bkp,bkpc->bkc", jnp.ones(pieces.shape[:3], x.dtype), pieces)
    return sums.reshape(b, -1, c).sum(axis=1)


@jax.custom_vjp
def add_bias(x: Float[Array, "b h w c"], bias: Float[Array, " c"]) -> Float[Array, "b h w c"]:
    """`x + bias`."""
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
    more of the forward pass than `x` and the statistics. It can be differentiated once, backwards.
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
