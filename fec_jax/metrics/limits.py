"""Measures of the limits that the paper names: a visible seam, unlike eyes, skin without texture.

Each compares a completion with the photo it was made from, is 0 for the photo itself, and may be above or below: the
mean over many images says whether completions in general have more of it than photos have.

Faces are aligned: the eyes level, 0.24 of the width apart around the middle, at 0.45 of the height. Where a figure does
not apply to an image, it is NaN.
"""

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from fec_jax.metrics.extra import need
from fec_jax.metrics.pixel import PerImage
from fec_jax.types import HostImages, HostMasks

# Shares of the width and of the height: x, y.
IRISES = ((0.38, 0.45), (0.62, 0.45))
IRIS_RADIUS = 0.022
"""Share of the width. An iris of 11.7 mm, where the eyes are 63 mm apart."""
SKIN = ((0.36, 0.64, 0.26, 0.34), (0.27, 0.36, 0.53, 0.62), (0.64, 0.73, 0.53, 0.62))
"""Boxes of forehead and cheeks: x from, x to, y from, y to. Above brows, below glasses, beside the smile's folds."""
FEWEST_SKIN_PIXELS = 9
TEXTURE_SIGMA_PX = 1.0
ROUNDING = 1 / 12
"""Variance that rounding to grey levels adds: texture below it does not show in a file."""


def seam(completed: HostImages, real: HostImages, mask: HostMasks) -> Float64[np.ndarray, " b"]:
    """By how much the step across the rim of the hole is higher than the photo's, in grey levels of 255.

    mean |d completed| - mean |d real| over channels and all pairs of neighbours, side by side or one above the other,
    of which one is hole and the other is not; d is the pair's difference. A hole brighter by k than flat surroundings
    gives k. Below 0: a rim smoother than the photo, where contours that crossed it are lost; no seam shows. Pairs of
    opposite sign cancel on purpose: contours that moved along the rim are no seam. NaN without a rim.
    """
    hole = mask > 0.5
    step, count = np.zeros(len(real)), np.zeros(len(real))
    for axis in (1, 2):
        rim = np.diff(hole, axis=axis)
        higher = np.abs(np.diff(completed.astype(np.float64), axis=axis))
        higher -= np.abs(np.diff(real.astype(np.float64), axis=axis))
        step += (higher * rim).sum(axis=(1, 2, 3))
        count += 3 * rim.sum(axis=(1, 2, 3))
    return _ratio(step, count)


def symmetry(completed: HostImages, real: HostImages, mask: HostMasks) -> Float64[np.ndarray, " b"]:
    """By how much the colours of the two irises differ more than in the photo, in CIELAB units (delta E of 1976).

    The colour of an iris is the mean over a disc of its size where the alignment puts it, pixels at the edge counting
    in part; differences of about 2 are just visible. Closed or hidden eyes are measured as what is seen there. NaN
    unless both discs lie wholly in the hole.
    UserError when scikit-image is not installed (extra `eval`).
    """
    n, h, w, _ = real.shape
    lab = need("skimage.color").rgb2lab
    discs = np.stack([_disc(h, w, x, y) for x, y in IRISES])
    inside = ((mask[..., 0] > 0.5) | (discs.sum(axis=0) == 0)).all(axis=(1, 2))
    found = np.full(n, np.nan)
    for i in np.flatnonzero(inside):
        left_right = [np.einsum("eyx,yxc->ec", discs, lab(photo[i])) for photo in (completed, real)]
        ours, photos = (np.linalg.norm(left - right) for left, right in left_right)
        found[i] = ours - photos
    return found


def texture(completed: HostImages, real: HostImages, mask: HostMasks) -> Float64[np.ndarray, " b"]:
    """How much finer structure than in the photo the skin in the hole has: log2 of the ratio of energies.

    0: as much; -1: half; 1: twice. The energy is the mean square, over channels and pixels, of what a Gaussian blur of
    1 px takes away, so the finest detail that the resolution can show: compare figures of one resolution only. The skin
    is what of boxes on forehead and cheeks lies in the hole; hair or glasses there count as skin. The blur sees nothing
    but the hole, so that a seam is no texture. The variance of rounding is added to both energies: perfectly smooth
    skin is not minus infinity. NaN with fewer than 9 pixels of skin in the hole.
    UserError when SciPy is not installed (extra `eval`).
    """
    n, h, w, _ = real.shape
    boxes = _boxes(h, w)
    found = np.full(n, np.nan)
    for i in range(n):
        hole = mask[i, :, :, 0] > 0.5
        if (boxes & hole).sum() >= FEWEST_SKIN_PIXELS:
            ours, photos = (_fine_energy(x[i], hole, boxes & hole) + ROUNDING for x in (completed, real))
            found[i] = np.log2(ours / photos)
    return found


LIMITS: dict[str, PerImage] = {"seam": seam, "symmetry": symmetry, "texture": texture}


def _ratio(total: Float64[np.ndarray, " b"], count: Float64[np.ndarray, " b"]) -> Float64[np.ndarray, " b"]:
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def _centres(px: int) -> Float64[np.ndarray, " px"]:
    return np.arange(px) + 0.5


def _disc(h: int, w: int, x: float, y: float) -> Float64[np.ndarray, "h w"]:
    """Weights, of sum 1, of an iris's pixels: about the share of each that the disc covers."""
    away = np.hypot(_centres(w)[None, :] - x * w, _centres(h)[:, None] - y * h)
    # At least the nearest pixels: at very low resolution the iris is smaller than one.
    cover = np.clip(max(IRIS_RADIUS * w, 0.5) + 0.5 - away, 0, 1)
    return cover / cover.sum()


def _boxes(h: int, w: int) -> Bool[np.ndarray, "h w"]:
    x, y = _centres(w) / w, _centres(h) / h
    inside = np.zeros((h, w), bool)
    for left, right, top, bottom in SKIN:
        inside |= ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None, :]
    return inside


def _fine_energy(
    photo: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], skin: Bool[np.ndarray, "h w"]
) -> float:
    """Mean square, over the pixels of skin, of what the blur takes away; only the hole has weight in it."""

    def blur(x: Float64[np.ndarray, "h w _"]) -> Float64[np.ndarray, "h w _"]:
        return need("scipy.ndimage").gaussian_filter(x, (TEXTURE_SIGMA_PX, TEXTURE_SIGMA_PX, 0), mode="constant")

    weight = hole[..., None].astype(np.float64)
    fine = photo[skin] - blur(photo * weight)[skin] / blur(weight)[skin]
    return float(np.square(fine).mean())
