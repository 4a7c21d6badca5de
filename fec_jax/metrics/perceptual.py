"""LPIPS by VGG16 and AlexNet, and VGG16's features of images. Published weights; convolutions in full float32.

LPIPS: Zhang et al., arXiv:1801.03924, as the package `lpips` 0.1 computes it with net="vgg" and the spatial mean.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Float32, Float64

from fec_jax import images
from fec_jax.nets import vgg16
from fec_jax.types import HostImages, Images, Params
from fec_jax.weights import published

# LPIPS's own constants for images in [-1, 1]; (x - SHIFT) / SCALE is torchvision's normalisation of the same images.
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
ALEX_CONVS = ((4, 2, False), (1, 2, True), (1, 1, True), (1, 1, False), (1, 1, False))
"""Of every convolution of AlexNet: stride, padding, and whether 3x3 max pooling by 2 comes before it."""
ALEX_SMALLEST_PX = 31
FEATURE_PX = 128
"""Smaller images are enlarged to this before `vgg_features`: at 64 px relu5_3 has 4 x 4 places only."""
ALEX_FACE_PX = 240
"""Faces are enlarged to this before `alex_face_features`: AlexNet, made for 224 px, steps by 4 px at once."""
MOST_PIXELS = 16 * 256 * 256
"""No more go through at once, whatever the batch: about 3 GB of activations."""


@dataclasses.dataclass(frozen=True, eq=False)
class Vgg16:
    """The convolutions of VGG16 and LPIPS's weights for its channels, on the device. Use `Vgg16.load()`."""

    convs: Params
    """{"conv1_1": {"kernel": [3, 3, in, out], "bias": [out]}, ...}"""
    heads: list[Float[Array, " _"]]
    """LPIPS's weights of the channels of relu1_2, 2_2, 3_3, 4_3, 5_3."""

    @staticmethod
    def load() -> "Vgg16":
        """Read once per process. `UserError` when the weights are not installed (extra `eval`)."""
        return _load()

    def relus(self, x: Images, blocks: int = 5) -> list[Float[Array, "b _ _ _"]]:
        """relu1_2, 2_2, 3_3, 4_3, 5_3 of images in [-1, 1]: [b, h, w, 64] ... [b, h/16, w/16, 512], not negative.

        The first `blocks` of them. Odd heights and widths are halved downwards. ValueError below 16 px.
        """
        if min(x.shape[1:3]) < vgg16.SMALLEST_PX:
            raise ValueError(f"VGG16 needs images of at least {vgg16.SMALLEST_PX} px, got {x.shape[1]} x {x.shape[2]}")
        return _relus(self.convs, x, blocks)


@functools.cache
def _load() -> Vgg16:
    params = published.load_params()
    return Vgg16({name: params[name] for name in vgg16.CONVS}, params["heads"])


def lpips(a: HostImages, b: HostImages, batch: int = 16) -> Float64[np.ndarray, " n"]:
    """The perceptual distance of each image in `a` to that in `b`: whole images, no unit, 0 for equal ones.

    Per layer: features scaled to length 1 over the channels, squared differences weighted by the published head,
    summed over channels, averaged over places; then the sum over the five layers. ValueError below 16 px.
    """
    vgg = Vgg16.load()

    def distance(x: HostImages, y: HostImages) -> Float[Array, " n"]:
        return _distance(vgg.heads, vgg.relus(images.to_float(x)), vgg.relus(images.to_float(y)))

    return _batched(distance, batch, a, b).astype(np.float64)


def lpips_alex(a: HostImages, b: HostImages, batch: int = 16) -> Float64[np.ndarray, " n"]:
    """LPIPS by AlexNet, as the package `lpips` 0.1 computes it with net="alex", its default.

    For networks that were trained on VGG16's opinion, by feature loss or LPIPS: these eyes have not been asked before.
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
    x = (x - jnp.asarray(SHIFT)) / jnp.asarray(SCALE)
    relus = []
    for i, (stride, padding, pooled) in enumerate(ALEX_CONVS, 1):
        if pooled:
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")
        x = _conv(x, arrays[f"conv{i}/kernel"], stride, [(padding, padding)] * 2)
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
    vgg = Vgg16.load()

    def features(x: HostImages) -> Float[Array, "n 512"]:
        return vgg.relus(_enlarged(images.to_float(x)))[-1].mean(axis=(1, 2))

    return _batched(features, batch, x)


def face_features(x: HostImages, batch: int = 16) -> Float32[np.ndarray, "n 16384"]:
    """relu3_3 of square photos at 128 px, averaged over 8 x 8 fields and flattened: what lies where in aligned faces.

    Larger photos are averaged down to 128 px, smaller ones enlarged bilinearly.
    """
    vgg = Vgg16.load()

    def features(x: HostImages) -> Float[Array, "n 16384"]:
        photos = images.to_float(x)
        photos = images.pool_to(photos, FEATURE_PX) if photos.shape[1] > FEATURE_PX else _enlarged(photos)
        return images.pool_to(vgg.relus(photos, 3)[-1], 8).reshape(len(x), -1)

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


@functools.partial(jax.jit, static_argnums=2)
def _relus(convs: Params, x: Images, blocks: int) -> list[Float[Array, "b _ _ _"]]:
    x = (x - jnp.asarray(SHIFT)) / jnp.asarray(SCALE)
    relus = []
    for block, (count, _) in enumerate(vgg16.BLOCKS[:blocks], 1):
        if block > 1:
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        for i in range(1, count + 1):
            conv = convs[f"conv{block}_{i}"]
            x = jax.nn.relu(_conv(x, conv["kernel"], 1, "SAME") + conv["bias"])
        relus.append(x)
    return relus


def _conv(
    x: Float[Array, "b h w c"], kernel: Float[Array, "k k c d"], stride: int, padding: str | list[tuple[int, int]]
) -> Float[Array, "b _ _ d"]:
    # Full precision: accelerators would round the operands, and LPIPS would be off in its fourth digit.
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=lax.Precision.HIGHEST,
    )


@jax.jit
def _distance(
    heads: list[Float[Array, " _"]], a: list[Float[Array, "n _ _ _"]], b: list[Float[Array, "n _ _ _"]]
) -> Float[Array, " n"]:
    def unit(x: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        return x / (jnp.sqrt(jnp.square(x).sum(axis=-1, keepdims=True)) + 1e-10)

    layers = [(head * jnp.square(unit(x) - unit(y))).sum(axis=-1) for head, x, y in zip(heads, a, b, strict=True)]
    return sum((layer.mean(axis=(1, 2)) for layer in layers), jnp.zeros(len(a[0])))


def _batched(of, batch: int, *arrays: HostImages) -> np.ndarray:
    """`of` in batches of one size (one compilation), the last filled up by repeating; as many rows as came in."""
    n, h, w, _ = arrays[0].shape
    pixels = max(h, FEATURE_PX) * max(w, FEATURE_PX)
    size = max(1, min(batch, n, MOST_PIXELS // pixels))
    rows = []
    for index, new in images.batches(n, size):
        rows.append(np.asarray(of(*(x[index] for x in arrays)))[:new])
    return np.concatenate(rows) if rows else np.asarray(of(*arrays))
