"""How far completions are from the photos, pixel by pixel; differences over 255 grey levels.

`l1_hole` and `psnr_hole` take images in [-1, 1] on the device, for figures during a training. `PIXEL` has the figures
of an evaluation, on host arrays.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64, UInt8

from fec_jax import images
from fec_jax.metrics.extra import need
from fec_jax.types import HostImages, HostMasks, Images, Masks

PerImage = Callable[[HostImages, HostImages, HostMasks], Float64[np.ndarray, " b"]]
"""(completed, real, mask) -> one figure per image; NaN where a figure does not apply to an image."""

SSIM_WINDOW_PX = 11


def l1_hole(completed: Images, real: Images, mask: Masks) -> Float[Array, " b"]:
    """Mean absolute difference in the hole, in [0, 1]; both images rounded to 8 bits first, as in a file."""
    return _mean(jnp.abs(_unit(completed) - _unit(real)), mask)


def psnr_hole(completed: Images, real: Images, mask: Masks) -> Float[Array, " b"]:
    """Peak signal to noise ratio in the hole, dB, of 8-bit images: -10 log10 of each image's mean squared difference.

    At most 100 dB, for identical images. Averages over a data set are means of these, not of the squared differences.
    """
    return -10 * jnp.log10(jnp.maximum(_mean(jnp.square(_unit(completed) - _unit(real)), mask), 1e-10))


def host_l1(completed: HostImages, real: HostImages, where: HostMasks) -> Float64[np.ndarray, " b"]:
    """Mean absolute difference of the pixels `where` is 1, in [0, 1]. NaN where there are none."""
    return _region_mean(np.abs(_difference(completed, real)), where)


def host_psnr(completed: HostImages, real: HostImages, where: HostMasks) -> Float64[np.ndarray, " b"]:
    """Peak signal to noise ratio of the pixels `where` is 1, dB, at most 100. NaN where there are none."""
    return -10 * np.log10(np.maximum(_region_mean(np.square(_difference(completed, real)), where), 1e-10))


def ssim_hole(completed: HostImages, real: HostImages, mask: HostMasks) -> Float64[np.ndarray, " b"]:
    """Structural similarity in the hole: the mean of the SSIM map over its pixels and the channels. NaN for no hole.

    At most 1, for equal images. Near the rim the windows take in context. For formula and errors see `ssim_whole`.
    """
    maps = [_ssim(c, r)[1] for c, r in zip(completed, real, strict=True)]
    return _region_mean(np.stack(maps) if maps else np.zeros(completed.shape), mask)


def ssim_whole(completed: HostImages, real: HostImages, mask: HostMasks) -> Float64[np.ndarray, " b"]:
    """Structural similarity of the whole image, at most 1 (Wang et al., IEEE Trans. Image Processing 13(4), 2004).

    By scikit-image as in that paper: Gaussian windows of 11 px (sigma 1.5), population variances, 8-bit range; the
    channels one by one, then averaged. As scikit-image returns it: the map's mean without a border of 5 px, where
    windows would reach beyond the image. `mask` is not used.

    ValueError for images smaller than the window; UserError when scikit-image is not installed (extra `eval`).
    """
    return np.array([_ssim(c, r)[0] for c, r in zip(completed, real, strict=True)], np.float64)


def _whole(of: PerImage) -> PerImage:
    return lambda completed, real, mask: of(completed, real, np.ones_like(mask))


PIXEL: dict[str, PerImage] = {
    "l1_hole": host_l1,
    "l1_whole": _whole(host_l1),
    "psnr_hole": host_psnr,
    "psnr_whole": _whole(host_psnr),
    "ssim_hole": ssim_hole,
    "ssim_whole": ssim_whole,
}
"""By name, as in a report: hole only, or the whole completed image (whose context is the photo's own)."""


def _ssim(
    completed: UInt8[np.ndarray, "h w 3"], real: UInt8[np.ndarray, "h w 3"]
) -> tuple[float, Float64[np.ndarray, "h w 3"]]:
    """The mean of the SSIM map without its border, and the map."""
    if min(real.shape[:2]) < SSIM_WINDOW_PX:
        size = f"{real.shape[0]} x {real.shape[1]}"
        raise ValueError(f"SSIM has windows of {SSIM_WINDOW_PX} px: images must not be smaller, got {size}")
    mean, ssim_map = need("skimage.metrics").structural_similarity(
        completed,
        real,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=-1,
        full=True,
    )
    return float(mean), ssim_map


def _difference(completed: HostImages, real: HostImages) -> Float64[np.ndarray, "b h w 3"]:
    return (completed.astype(np.float64) - real) / 255


def _region_mean(x: Float64[np.ndarray, "b h w 3"], where: HostMasks) -> Float64[np.ndarray, " b"]:
    total, count = (x * where).sum(axis=(1, 2, 3)), 3 * where.sum(axis=(1, 2, 3), dtype=np.float64)
    return np.divide(total, count, out=np.full(len(x), np.nan), where=count > 0)


def _unit(x: Images) -> Images:
    return images.to_uint8(x).astype(jnp.float32) / 255


def _mean(x: Images, mask: Masks) -> Float[Array, " b"]:
    return (x * mask).sum(axis=(1, 2, 3)) / jnp.maximum(3 * mask.sum(axis=(1, 2, 3)), 1)
