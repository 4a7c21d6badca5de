"""Crops of snapshots to train on: the face found, turned upright and put where the networks expect it."""

import numpy as np
from jaxtyping import UInt8

from fec_jax.complete import faces
from fec_jax.complete.align import Alignment, Square, cut_out
from fec_jax.io.pictures import PictureError

BEYOND = 0.05
"""The most of a crop that may lie beyond the photo's border, where its border is repeated."""
_NEXT = 0.5  # a second face of so much of the largest one's area makes it unclear whose photo it is


def aligned(photo: UInt8[np.ndarray, "h w 3"], size_px: int) -> UInt8[np.ndarray, "{size_px} {size_px} 3"]:
    """The crop around the photo's largest face, by `Alignment()`, at `size_px`.

    Raises PictureError: no face, two faces of about one size, a face too small for `size_px`, or too near the border.
    """
    found = sorted(faces.find(photo), key=lambda face: -float(face.box[2:].prod()))
    if not found:
        raise PictureError("no face is found in it")
    if len(found) > 1 and found[1].box[2:].prod() > _NEXT * found[0].box[2:].prod():
        raise PictureError(f"{len(found)} faces, none of them much larger than the others")
    face = faces.precise(photo, faces.upright(photo, found[0]))
    square = faces.square_of(face, Alignment())
    if square.side_px < size_px:
        raise PictureError(
            f"the square around its face has {square.side_px:.0f} px, fewer than the {size_px} px needed"
        )
    beyond = _beyond(square, photo.shape[0], photo.shape[1])
    if beyond > BEYOND:
        raise PictureError(f"its face is too near the border: {beyond:.0%} of the crop lie beyond it")
    return cut_out(photo, square, size_px)


def _beyond(square: Square, height: int, width: int) -> float:
    """The share of the square that lies outside a photo of this size."""
    at = (np.arange(64) + 0.5) / 64
    x, y = square.to_photo(np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)).T
    return float(((x < 0) | (x > width) | (y < 0) | (y > height)).mean())
