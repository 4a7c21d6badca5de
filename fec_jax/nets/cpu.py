"""The functions of `ops`, and the feature loss's way through a batch, in forms that are fast on CPUs: the same numbers.

Which form runs is decided by the platform that a program is lowered for. `with textbook():` a program has the textbook
forms alone, whatever it is lowered for: for exports and for counting operations. What XLA:CPU is slow at:

- Sums over pixels: it splits a long sum into short ones, for accuracy, and passes over memory several times. Products
  of matrices run at the machine's full rate: sums are products with ones, in short pieces for the same accuracy.
- Convolutions from or to few channels, fewer than a vector holds.
- Convolutions of many channels, which Winograd's form does with a quarter of the multiplications.
- Concatenating, which it does not fuse.
- Activations that do not fit its caches.
"""

import functools
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from fec_jax.types import Images, Params

Distance = Callable[[Params, Images, Images], Float[Array, " b"]]
PIECE = 2048
"""Most pixels that are added up in one go."""
SLICES = 16
"""Parts of an image of fewer bits than float32 that are added up in one go."""
FEW = 16
"""Channels that are no more than a processor's vector holds."""
WIDE = 64
"""Channels that are added up side by side."""
CHUNK_PIXELS = 2 * 64**2
"""So many pixels of images go through the feature loss at once: their activations stay in the caches."""
TILE = 4
"""Pixels of a side of a Winograd tile of the result; it is computed from 6 x 6 pixels of the image."""
ENOUGH = 2**15
"""Pixels times channels from which on Winograd's additions pay."""

_textbook = jax.make_user_context(default_value=False)


def textbook() -> AbstractContextManager[None]:
    """What is traced within has the textbook forms alone, and nothing that depends on the platform."""
    return _textbook(True)


def instead(form: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a textbook function: `form(function, *its arguments)` computes the same, on CPUs by other means."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def either(*args):
            return function(*args) if _textbook.value else form(function, *args)

        return either

    return decorate


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def conv3x3(function: Callable[..., Any], x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Array:
    """For `ops.conv3x3`. Reverse-mode derivatives of any order."""
    c, d = kernel.shape[2:]
    if d <= 4 and c >= 16:
        return lax.platform_dependent(x, kernel, cpu=_to_few, default=function)
    if c <= FEW and d <= FEW:
        return lax.platform_dependent(x, kernel, cpu=_side_by_side, default=function)
    return function(x, kernel)


def _conv3x3_forward(function, x, kernel):
    return conv3x3(function, x, kernel), (x, kernel)


def _conv3x3_backward(function, kept, g):
    x, kernel = kept
    of_kernel = jax.vjp(functools.partial(function, x), kernel)[1](g)[0]
    return conv3x3(function, g, _turned(kernel)), of_kernel


conv3x3.defvjp(_conv3x3_forward, _conv3x3_backward)


def _turned(kernel: Float[Array, "3 3 c d"]) -> Float[Array, "3 3 d c"]:
    """The transpose of a 3 x 3 convolution is one with the kernel flipped in both directions."""
    return jnp.flip(kernel, (0, 1)).swapaxes(2, 3)


def _side_by_side(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b h w d"]:
    """Two or four neighbours of a row at once, from all that they see: more operations, on vectors of useful length."""
    (b, h, w), (c, d) = x.shape[:3], kernel.shape[2:]
    n = math.gcd(w, 2 if d > FEW // 2 else 4)
    wide = jnp.stack([jnp.pad(kernel, ((0, 0), (i, n - 1 - i), (0, 0), (0, 0))) for i in range(n)], axis=3)
    numbers = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(
        x, wide.reshape(3, n + 2, c, n * d), (1, n), ((1, 1), (1, 1)), dimension_numbers=numbers
    )
    return y.reshape(b, h, w, d)


def _to_few(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b h w d"]:
    """From many channels to a few: first a matrix product for all nine taps, then their sum. Four times as fast."""
    b, h, w, c = x.shape
    taps = x.reshape(-1, c) @ kernel.transpose(2, 0, 1, 3).reshape(c, -1)
    taps = jnp.pad(taps.reshape(b, h, w, 3, 3, -1), ((0, 0), (1, 1), (1, 1), (0, 0), (0, 0), (0, 0)))
    # Tap (i, j) looks at the pixel i - 1 further down and j - 1 further right.
    return sum((taps[:, i : i + h, j : j + w, i, j] for i in range(3) for j in range(3)), jnp.zeros((), x.dtype))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def frozen_conv3x3(function: Callable[..., Any], x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Array:
    """For `ops.frozen_conv3x3`: by `winograd` where it pays, in float32."""
    (h, w), (c, d) = x.shape[1:3], kernel.shape[2:]
    tiled = h % TILE == w % TILE == 0 and min(h, w) >= 16
    if x.dtype != jnp.float32 or not tiled or min(c, d) <= 3 or h * w * max(c, d) < ENOUGH:
        return function(x, kernel)
    return lax.platform_dependent(x, kernel, cpu=winograd, default=function)


def _frozen_forward(function, x, kernel):
    return frozen_conv3x3(function, x, kernel), kernel


def _frozen_backward(function, kernel, g):
    return frozen_conv3x3(function, g, _turned(kernel)), None


frozen_conv3x3.defvjp(_frozen_forward, _frozen_backward)


def pixel_sum(function: Callable[..., Any], x: Float[Array, "b h w c"]) -> Float[Array, "b c"]:
    """For `ops.pixel_sum`."""
    form = _by_products if x.dtype == jnp.float32 else _by_slices
    return lax.platform_dependent(x, cpu=form, default=function)


def _by_slices(x: Float[Array, "b h w c"]) -> Float[Array, "b c"]:
    """First rows of pixels, in float32: no copy of the image in that type is made. Up to fifty times as fast."""
    b, h, w, c = x.shape
    count = math.gcd(h, SLICES)
    rows = x.reshape(b, count, h // count, w, c)
    return _by_products(sum((rows[:, i].astype(jnp.float32) for i in range(count)), jnp.zeros(())))


def _by_products(x: Float[Array, "b h w c"]) -> Float[Array, "b c"]:
    b, h, w, c = x.shape
    piece = math.gcd(h * w, PIECE)
    # Neighbours are added up side by side, as channels of a wider image: short vectors take several times as long.
    side = math.gcd(piece, max(1, WIDE // c))
    pieces = x.reshape(b, h * w // piece, piece // side, side * c)
    # A batch of products, not one with a vector: for that XLA would transpose `pieces` first.
    sums = jnp.einsum("bkp,bkpc->bkc", jnp.ones(pieces.shape[:3], x.dtype), pieces)
    return sums.reshape(b, -1, c).sum(axis=1)


def with_channel(function: Callable[..., Any], x: Float[Array, "b h w c"], y: Float[Array, "b h w 1"]) -> Array:
    """For `ops.with_channel`. To concatenate was a seventh of a narrow network's completion."""

    def padded(x: Float[Array, "b h w c"], y: Float[Array, "b h w 1"]) -> Array:
        c = x.shape[-1]
        return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, 1))) + y * jnp.eye(c + 1, dtype=x.dtype)[c]

    return lax.platform_dependent(x, y, cpu=padded, default=function)


def in_chunks(distance: Distance) -> Distance:
    """`distance(params, fake, real)` of two batches of images, example by example; only `fake` gets a gradient.

    On CPUs `CHUNK_PIXELS` of them (a divisor of the batch) go forward and backward at once, one chunk after the other.
    """

    def of_images(params: Params, fake: Images, real: Images) -> Float[Array, " b"]:
        b, h, w, _ = fake.shape
        size = math.gcd(b, max(1, CHUNK_PIXELS // (h * w)))
        if _textbook.value or size == b:
            return distance(params, fake, lax.stop_gradient(real))
        return _chunked(distance, size, params, fake, real)

    return of_images


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _chunked(distance: Distance, size: int, params: Params, fake: Images, real: Images) -> Float[Array, " b"]:
    return _mapped(functools.partial(distance, params), size, fake, real)


def _chunked_forward(distance, size, params, fake, real):
    # The gradient is computed at once, so that no chunk's activations have to be kept for later.
    def one(fake, real):
        loss, pull_back = jax.vjp(lambda x: distance(params, x, real), fake)
        return loss, pull_back(jnp.ones_like(loss))[0]

    return _mapped(one, size, fake, real)


def _chunked_backward(distance, size, gradient, g):
    return None, gradient * g[:, None, None, None], None


_chunked.defvjp(_chunked_forward, _chunked_backward)


def _mapped(f: Callable[..., Any], size: int, *batches: Images) -> Any:
    def by_chunks(*batches: Images) -> Any:
        done = lax.map(lambda xs: f(*xs), tuple(x.reshape(-1, size, *x.shape[1:]) for x in batches))
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), done)

    return lax.platform_dependent(*batches, cpu=by_chunks, default=f)


OF_IMAGE = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
OF_KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], np.float32) / 24
OF_RESULT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


def winograd(x: Float[Array, "b h w c"], kernel: Float[Array, "3 3 c d"]) -> Float[Array, "b h w d"]:
    """3 x 3 convolution by Winograd's F(4 x 4, 3 x 3): Lavin & Gray, arXiv:1509.09308. Has no gradient of its own.

    Height and width are multiples of 4. Results differ from the direct form by some 1e-5 of the largest.
    """
    b, h, w, c = x.shape
    down, across = h // TILE, w // TILE
    padded = jnp.pad(x, ((0, 0), (1, 3), (1, 3), (0, 0)))
    seen = jnp.stack(_combined(OF_IMAGE, _windows(padded, 1)))
    # The barriers keep XLA from computing the first half of a transform anew for every output of the second.
    seen = jnp.stack(_combined(OF_IMAGE, _windows(lax.optimization_barrier(seen), 3)), axis=1)
    both = np.einsum("ia,jb->ijab", OF_KERNEL, OF_KERNEL).reshape(36, 9)
    kernels = (jnp.asarray(both) @ kernel.reshape(9, -1)).reshape(36, c, -1)
    products = jnp.einsum("pnc,pcd->pnd", seen.reshape(36, -1, c), kernels)
    products = products.reshape(6, 6, b, down, across, -1)
    rows = lax.optimization_barrier(jnp.stack(_combined(OF_RESULT, list(products)), axis=3))
    return jnp.stack(_combined(OF_RESULT, list(rows)), axis=4).reshape(b, h, w, -1)


def _windows(x: jax.Array, axis: int) -> list[jax.Array]:
    """The six pixels that each tile sees along `axis`, as six arrays."""
    count = x.shape[axis] // TILE - 1
    tiles = x.reshape(*x.shape[:axis], count + 1, TILE, *x.shape[axis + 1 :])

    def take(first: int, place: int) -> jax.Array:
        return lax.index_in_dim(
            lax.slice_in_dim(tiles, first, first + count, axis=axis), place, axis + 1, keepdims=False
        )

    return [take(0, place) for place in range(TILE)] + [take(1, place) for place in range(2)]


def _combined(matrix: Sequence[Sequence[int]], parts: Sequence[jax.Array]) -> list[jax.Array]:
    """Every row's sum of `parts`, times its factors."""
    return [
        sum((f * part for f, part in zip(row, parts, strict=True) if f), jnp.zeros((), parts[0].dtype))
        for row in matrix
    ]
