"""LPIPS by VGG16 and AlexNet, and VGG16's features of images. Published weights; convolutions in full float32.

LPIPS: Zhang et al., arXiv:1801.03924, as the package `lpips` 0.1 computes it with net="vgg" and the spatial mean.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Float32, Float64

from fec_jax import images
from fec_jax.losses import feature
from fec_jax.nets import vgg16
from fec_jax.types import HostImages, Images, Params
from fec_jax.weights import published

ALEX_CONVS = ((4, 2, False), (1, 2, True), (1, 1, True), (1, 1, False), (1, 1, False))
"""Of every convolution of AlexNet: stride, padding, and whether 3x3 max pooling by 2 comes before it."""
ALEX_SMALLEST_PX = 31
FEATURE_PX = 128
"""Smaller images are enlarged to this before `vgg_features`: at 64 px relu5_3 has 4 x 4 places only."""
ALEX_FACE_PX = 240
"""Faces are enlarged to this before `alex_face_features`: AlexNet, made for 224 px, steps by 4 px at once."""
MOST_PIXELS = 16 * 256 * 256
"""No more go through at once, whatever the batch: about 3 GB of activations."""
LENGTH = 1e-20
"""Added to squared lengths of features: what `lpips` adds to lengths, squared."""
_vgg = functools.cache(published.load_params)
_relus = jax.jit(vgg16.relus, static_argnames="blocks")


def lpips(a: HostImages, b: HostImages, batch: int = 16) -> Float64[np.ndarray, " n"]:
    """The perceptual distance of each image in `a` to that in `b`: whole images, no unit, 0 for equal ones.

    `losses.feature.lpips` says how. ValueError below 16 px. `UserError`: the weights are not installed (extra `eval`).
    """

    def distance(x: HostImages, y: HostImages) -> Float[Array, " n"]:
        return _distance(_vgg()["heads"], *(_relus(_vgg(), images.to_float(z), blocks=5) for z in (x, y)))

    return _batched(distance, batch, a, b).astype(np.float64)


def lpips_alex(a: HostImages, b: HostImages, batch: int = 16) -> Float64[np.ndarray, " n"]:
    """LPIPS by AlexNet, as the package `lpips` 0.1 computes it with net="alex", its default.

    An independent check of networks that were trained with VGG16, by feature loss or LPIPS.
    NaN below 31 px, where AlexNet's strides leave nothing.
    """
    if min(a.shape[1:3]) < ALEX_SMALLEST_PX:
        return np.full(len(a), np.nan)
    arrays = _alex()
    heads = [arrays[name] for name in published.HEADS]

    def distance(x: HostImages, y: HostImages) -> Float[Array, " n"]:
        return _distance(heads, *(_alex_relus(arrays, images.to_float(z)) for z in (x, y)))

    return _batched(distance, batch, a, b).astype(np.float64)


@functools.cache
def _alex() -> Params:
    return {name: jnp.asarray(array) for name, array in published.alex_arrays().items()}


@jax.jit
def _alex_relus(arrays: Params, x: Images) -> list[Float[Array, "b _ _ _"]]:
    x = (x - jnp.asarray(vgg16.SHIFT)) / jnp.asarray(vgg16.SCALE)
    relus = []
    for i, (stride, padding, pooled) in enumerate(ALEX_CONVS, 1):
        if pooled:
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")
        x = lax.conv_general_dilated(
            x,
            arrays[f"conv{i}/kernel"],
            (stride, stride),
            [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=lax.Precision.HIGHEST,
        )
        x = jax.nn.relu(x + arrays[f"conv{i}/bias"])
        relus.append(x)
    return relus


def alex_features(x: HostImages, batch: int = 16) -> Float32[np.ndarray, "n 256"]:
    """relu5 averaged over its places. Images of less than 128 px (the shorter side) are enlarged to it bilinearly."""
    arrays = _alex()

    def features(x: HostImages) -> Float[Array, "n 256"]:
        return _alex_relus(arrays, _enlarged(images.to_float(x)))[-1].mean(axis=(1, 2))

    return _batched(features, batch, x)


def alex_face_features(x: HostImages, batch: int = 16) -> Float32[np.ndarray, "n d"]:
    """relu3 of square photos at 240 px, averaged over 2 x 2 of its 14 x 14 places and flattened.

    For aligned faces: what lies where. Photos of more than 128 px are averaged down to it; all are enlarged bilinearly.
    """
    arrays = _alex()

    def features(x: HostImages) -> Float[Array, "n d"]:
        photos = images.to_float(x)
        photos = images.pool_to(photos, FEATURE_PX) if photos.shape[1] > FEATURE_PX else photos
        relu3 = _alex_relus(arrays, _enlarged(photos, ALEX_FACE_PX))[2]
        sums = lax.reduce_window(relu3, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return (sums / 4).reshape(len(x), -1)

    return _batched(features, batch, x)


def vgg_features(x: HostImages, batch: int = 16) -> Float32[np.ndarray, "n 512"]:
    """relu5_3 averaged over its places. Images of less than 128 px (the shorter side) are enlarged to it bilinearly."""

    def features(x: HostImages) -> Float[Array, "n 512"]:
        return _relus(_vgg(), _enlarged(images.to_float(x)), blocks=5)[-1].mean(axis=(1, 2))

    return _batched(features, batch, x)


def face_features(x: HostImages, batch: int = 16) -> Float32[np.ndarray, "n 16384"]:
    """relu3_3 of square photos at 128 px, averaged over 8 x 8 fields and flattened: local features of aligned faces.

    Larger photos are averaged down to 128 px, smaller ones enlarged bilinearly.
    """

    def features(x: HostImages) -> Float[Array, "n 16384"]:
        photos = images.to_float(x)
        photos = images.pool_to(photos, FEATURE_PX) if photos.shape[1] > FEATURE_PX else _enlarged(photos)
        return images.pool_to(_relus(_vgg(), photos, blocks=3)[-1], 8).reshape(len(x), -1)

    return _batched(features, batch, x)


def _enlarged(x: Images, px: int | None = None) -> Float[Array, "b _ _ 3"]:
    """The shorter side to `px`, by default `FEATURE_PX`; larger images stay as they are."""
    n, h, w, _ = x.shape
    factor = (px or FEATURE_PX) / min(h, w)
    if factor <= 1:
        return x
    return jax.image.resize(
        x, (n, round(h * factor), round(w * factor), 3), "bilinear", precision=lax.Precision.HIGHEST
    )


@jax.jit
def _distance(
    heads: list[Float[Array, " _"]], a: list[Float[Array, "n _ _ _"]], b: list[Float[Array, "n _ _ _"]]
) -> Float[Array, " n"]:
    return feature.lpips(a, b, heads, LENGTH)


def _batched(of, batch: int, *arrays: HostImages) -> np.ndarray:
    """`of` in batches of one size (one compilation), the last padded by repeating; as many rows as came in."""
    n, h, w, _ = arrays[0].shape
    pixels = max(h, FEATURE_PX) * max(w, FEATURE_PX)
    size = max(1, min(batch, n, MOST_PIXELS // pixels))
    rows = []
    for index, new in images.batches(n, size):
        rows.append(np.asarray(of(*(x[index] for x in arrays)))[:new])
    return np.concatenate(rows) if rows else np.asarray(of(*arrays))
