"""Seam removal: the colours of completion and photo meet at the rim. Only the completion changes, never the photo.

Two steps, each measured by `metrics.limits.seam`, PSNR and LPIPS (`experiments/alignment`):

1. **Colours** (`meet`), at the network's size: the outermost pixels of the hole move towards the context beside them,
   and the rest of the hole follows by the smoothest surface between (Laplace's equation: a membrane, as in
   P. Pérez et al., *Poisson image editing*, 2003). Of the step that the network's own image has across the rim,
   three quarters are taken for a contour and kept.
2. **Rim** (`feather`), at the photo's size: what still differs at the nearest pixel of the context, softened along the
   rim, fades over the two outermost network pixels of the hole.
"""

import math

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from fec_jax.complete.align import resized
from fec_jax.complete.opencv import cv2

KEPT = 0.75
"""Share of the network's own step across the rim. 0: colours would be equal there."""
MEMBRANE_PX = 64
"""Side of the membrane; finer differences are left to the feather."""
SWEEPS = 100
"""Jacobi iterations per level of `_membrane`: more change no grey level."""
FADE_PX, SOFT_PX = 2.0, 0.25
"""In pixels of the network, as they lie in the photo."""


def meet(
    image: Float32[np.ndarray, "s s 3"], masked: Float32[np.ndarray, "s s 3"], mask: Float32[np.ndarray, "s s 1"]
) -> Float32[np.ndarray, "s s 3"]:
    """The network's `image` with its colours in the hole moved to meet those of `masked` around it."""
    hole = mask[..., 0] > 0
    if hole.all() or not hole.any():
        return image
    known = 1 - mask
    count = _neighbours(known)
    outside, outside_fake = (_neighbours(x * known) / np.maximum(count, 1) for x in (masked, image))
    rim = hole & (count[..., 0] > 0)
    move = (outside - image + KEPT * (image - outside_fake)) * rim[..., None]
    share = rim[..., None].astype(np.float32)
    if (block := len(image) // MEMBRANE_PX) > 1:
        move, share = (_blocks(x, block) for x in (move, share))
    surface = resized(_membrane(move / np.maximum(share, 1), share[..., 0] > 0), len(image))
    return np.where(hole[..., None], image + surface, image)


def feather(
    fake: Float32[np.ndarray, "h w 3"],
    photo: UInt8[np.ndarray, "h w 3"],
    hole: Bool[np.ndarray, "h w"],
    network_px: float,
) -> Float32[np.ndarray, "h w 3"]:
    """`fake`, in grey levels, with its rim faded into the photo. `network_px`: side of a network pixel in the photo."""
    if hole.all() or not hole.any():
        return fake
    context = (~hole).astype(np.float32)
    difference = (photo - fake) * context[..., None]
    sigma = max(SOFT_PX * network_px, 0.3)
    kernel = (2 * math.ceil(2.5 * sigma) + 1,) * 2
    share = cv2().GaussianBlur(context, kernel, sigma)
    difference = cv2().GaussianBlur(difference, kernel, sigma) / np.maximum(share, 1e-6)[..., None]
    away, nearest = cv2().distanceTransformWithLabels(
        hole.astype(np.uint8), cv2().DIST_L2, 5, labelType=cv2().DIST_LABEL_PIXEL
    )
    at = np.zeros(nearest.max() + 1, np.intp)
    known = np.flatnonzero(~hole)
    at[nearest.ravel()[known]] = known
    rim = hole & (away < 1 + FADE_PX * network_px)
    inner = (away[rim] - 1) / (FADE_PX * network_px)
    fade = 1 - inner * inner * (3 - 2 * inner)
    result = fake.copy()
    result[rim] += difference.reshape(-1, 3)[at[nearest[rim]]] * fade[:, None]
    return result


def _membrane(values: Float32[np.ndarray, "s s 3"], known: Bool[np.ndarray, "s s"]) -> Float32[np.ndarray, "s s 3"]:
    """`values` where they are known; elsewhere the solution of Laplace's equation between them, coarse to fine."""
    size = len(values)
    weight = known.astype(np.float32)
    if size % 2 == 0 and size > 4:
        fewer = _blocks(weight[..., None], 2)
        mean = _blocks(values * weight[..., None], 2) / np.maximum(fewer, 1)
        start = _membrane(mean, fewer[..., 0] > 0).repeat(2, axis=0).repeat(2, axis=1)
    else:
        start = np.broadcast_to(values[known].mean(axis=0), values.shape)
    x = np.where(known[..., None], values, start)
    for _ in range(SWEEPS):
        p = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
        x = np.where(known[..., None], values, (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]) / 4)
    return x.astype(np.float32)


def _neighbours(x: Float32[np.ndarray, "s s c"]) -> Float32[np.ndarray, "s s c"]:
    """Sums over 3 x 3 pixels, nothing beyond the border."""
    sums = cv2().boxFilter(x, -1, (3, 3), normalize=False, borderType=cv2().BORDER_CONSTANT)
    return sums.reshape(x.shape)


def _blocks(x: Float32[np.ndarray, "s s c"], side: int) -> Float32[np.ndarray, "r r c"]:
    """Sums over blocks of side x side pixels."""
    r = len(x) // side
    return x.reshape(r, side, r, side, -1).sum(axis=(1, 3))
