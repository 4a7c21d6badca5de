"""Holes without a mask: parts of a face by their names, from its landmarks; and boxes.

A part is a box with round corners, upright with the face, in shares of the crop's side (see `align`). It is placed by
the face's own nose and mouth, so that it fits long and short faces, and ends at the crop.
"""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float

from fec_jax.complete.align import Square, whole
from fec_jax.complete.faces import POINTS, Face
from fec_jax.types import UserError

Region = Literal["mouth", "eyes", "nose", "face", "lower-face"]
ROUND = 4
"""Exponent of the superellipse: 2 would be an ellipse, more is closer to a box."""


def region(name: str, face: Face, square: Square, height: int, width: int) -> Bool[np.ndarray, "height width"]:
    """True in that part of `face` in a photo of `height` x `width`; `square` is the face's crop.

    Raises UserError: another name, or a part that lies outside the photo.
    """
    if name not in get_args(Region):
        raise UserError(f"unknown region {name}: there are {', '.join(get_args(Region))}")
    left, right, top, bottom = np.clip(_box(name, square.to_crop(face.points)), 0.01, 0.99)
    rows, columns = square.bounds(height, width)
    u, v = square.coordinates(rows, columns)
    u, v = (2 * u - left - right) / (right - left), (2 * v - top - bottom) / (bottom - top)
    hole = np.zeros((height, width), bool)
    hole[rows, columns] = u**ROUND + v**ROUND < 1
    if not hole.any():
        raise UserError(f"the {name} of the face lies outside the photo: choose another face or region")
    return hole


def centred(name: str, height: int, width: int) -> Bool[np.ndarray, "height width"]:
    """`region` of a photo that is a crop already: of the average face in its centred square."""
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = whole(slice(top, top + side), slice(left, left + side))
    points = square.to_photo(np.array(POINTS))
    return region(name, Face(points, np.array([left, top, side, side], float), 1.0), square, height, width)


def box(x: int, y: int, w: int, h: int, height: int, width: int) -> Bool[np.ndarray, "height width"]:
    """True in the box of `w` x `h` pixels from (x, y) on. UserError if it is empty or leaves the photo."""
    if w < 1 or h < 1:
        raise UserError(f"--box {x},{y},{w},{h}: width and height must be 1 or more")
    if x < 0 or y < 0 or x + w > width or y + h > height:
        raise UserError(f"--box {x},{y},{w},{h} leaves the photo of {width} x {height} px: give X,Y,W,H inside it")
    hole = np.zeros((height, width), bool)
    hole[y : y + h, x : x + w] = True
    return hole


def _box(name: str, points: Float[np.ndarray, "5 2"]) -> tuple[float, float, float, float]:
    """left, right, top, bottom."""
    eyes, nose, mouth = points[:2].mean(axis=0), points[2], points[3:].mean(axis=0)
    middle = (eyes[0] + mouth[0]) / 2
    chin = mouth[1] + 0.8 * (mouth[1] - eyes[1])
    return {
        "mouth": (mouth[0] - 0.18, mouth[0] + 0.18, nose[1] + 0.3 * (mouth[1] - nose[1]), mouth[1] + 0.11),
        "eyes": (eyes[0] - 0.25, eyes[0] + 0.25, eyes[1] - 0.115, eyes[1] + 0.065),
        "nose": (nose[0] - 0.10, nose[0] + 0.10, eyes[1] - 0.005, nose[1] + 0.06),
        "face": (middle - 0.29, middle + 0.29, eyes[1] - 0.205, chin + 0.02),
        "lower-face": (middle - 0.27, middle + 0.27, nose[1] - 0.05, chin + 0.02),
    }[name]
