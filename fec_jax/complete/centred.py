"""Photos that are aligned crops already: the largest centred square, by area averaging."""

import numpy as np
from jaxtyping import Bool, Float, Num, UInt8

from fec_jax import images
from fec_jax.types import UserError

EMPTY = "the mask is empty: nothing to complete; mark the hole in white"


def square(height: int, width: int) -> tuple[slice, slice]:
    """The largest centred square of a photo: rows, columns."""
    s = min(height, width)
    top, left = (height - s) // 2, (width - s) // 2
    return slice(top, top + s), slice(left, left + s)


def square_of(hole: Bool[np.ndarray, "h w"]) -> tuple[slice, slice]:
    """`square` of the photo that the hole is in. UserError if there is no hole or it leaves the square."""
    (h, w), s = hole.shape, min(hole.shape)
    inside = square(h, w)
    if not hole.any():
        raise UserError(EMPTY)
    outside = int(hole.sum() - hole[inside].sum())
    if outside:
        raise UserError(
            f"the hole leaves the centred {s} x {s} square that the network sees of the {w} x {h} photo ({outside} px "
            "outside): crop photo and mask to a square around the face"
        )
    return inside


def network_input(
    photo: UInt8[np.ndarray, "s s 3"], hole: Bool[np.ndarray, "s s"], size_px: int
) -> tuple[Float[np.ndarray, "{size_px} {size_px} 3"], Float[np.ndarray, "{size_px} {size_px} 1"]]:
    """`masked` in [-1, 1] and the binary `mask` at the network's size; see "No leak" in `completer`."""
    mask = touched(hole, size_px)
    # The hole is cut before averaging too: a running sum would carry its values on as rounding errors.
    # One channel at a time: a large photo in float64 would need four times the memory.
    averaged = [area(np.where(hole, 0, np.asarray(images.to_float(photo[..., c]))), size_px) for c in range(3)]
    return np.where(mask[..., None], 0, np.stack(averaged, -1)), mask[..., None].astype(np.float32)


def shrunk(photo: UInt8[np.ndarray, "s s 3"], size_px: int) -> Float[np.ndarray, "{size_px} {size_px} 3"]:
    """The photo at the network's size, in [-1, 1]."""
    return np.stack([area(np.asarray(images.to_float(photo[..., c])), size_px) for c in range(3)], -1)


def touched(hole: Bool[np.ndarray, "h w"], size_px: int) -> Bool[np.ndarray, "{size_px} {size_px}"]:
    """True in every new pixel whose area meets the hole."""
    return _touched_rows(_touched_rows(hole, size_px).T, size_px).T


def _touched_rows(hole: Bool[np.ndarray, "h w"], rows: int) -> Bool[np.ndarray, "{rows} w"]:
    h, w = hole.shape
    total = np.zeros((h + 1, w), np.int32)
    np.cumsum(hole, axis=0, out=total[1:])
    new = np.arange(rows)
    first, last = new * h // rows, -(-(new + 1) * h // rows)
    return total[last] > total[first]


def area(x: Num[np.ndarray, "h w"] | Bool[np.ndarray, "h w"], size_px: int) -> Float[np.ndarray, "{size_px} {size_px}"]:
    """Mean over the area of each new pixel: average pooling where the sides divide, its continuation elsewhere.

    Pillow's BOX is something else: it counts a pixel that lies in two new ones wholly to that which has its centre.
    """
    return _area_rows(_area_rows(x, size_px).T, size_px).T.astype(np.float32)


def _area_rows(x: Num[np.ndarray, "h w"] | Bool[np.ndarray, "h w"], rows: int) -> Float[np.ndarray, "{rows} w"]:
    h, w = x.shape
    total = np.zeros((h + 1, w))
    np.cumsum(x, axis=0, dtype=np.float64, out=total[1:])
    border = np.arange(rows + 1) * (h / rows)
    below = np.minimum(border.astype(int), h - 1)
    share = (border - below)[:, None]
    at_border = (1 - share) * total[below] + share * total[below + 1]
    return np.diff(at_border, axis=0) * (rows / h)
