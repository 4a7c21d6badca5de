"""Between a photo and the square, upright crop of a face that the networks were trained on.

A `Square` is where that crop lies in the photo: turned, of any size, also beyond the photo's border. Coordinates in a
photo are in its pixels, x to the right and y down, (0, 0) the outer corner of the first pixel; coordinates in the
crop are shares of its side.

**To the network** (`network_input`): the photo is turned at its own scale or finer by bicubic interpolation, then
averaged over areas, so that nothing aliases. Pixels under the hole are cut before that: nothing of them can reach the
network. A network pixel is a hole pixel, 1 in the mask and 0 in the image, if less than half of it is known
(under the hole, or beyond the photo); one that is known in part has the mean of that part. **Back** (`to_photo`):
bicubic, antialiased where the photo's face is smaller than the network's.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from PIL import Image

from fec_jax.complete.opencv import cv2
from fec_jax.images import HALF_RANGE

SHARP_PX = 1024
"""The network's image is enlarged to this, or four times its size, by bicubic interpolation, and further linearly."""
FINE = 8
"""A crop that is more than so many times as wide as the network's is shrunk before it is turned: that is faster."""

KNOWN = 0.5
"""Least share of a network pixel that is known, for it to count as known: by the mean of that part."""


@dataclass(frozen=True)
class Alignment:
    """Where a crop has its eyes, in shares of its side: `apart` from each other, level, their middle at `middle`."""

    apart: float = 0.24
    middle: tuple[float, float] = (0.5, 0.45)


@dataclass(frozen=True)
class Square:
    """The crop in the photo: `matrix` [2, 3] takes (x, y, 1) in shares of the crop's side to the photo's pixels."""

    matrix: Float[np.ndarray, "2 3"]

    @property
    def side_px(self) -> float:
        """The side in the photo's pixels."""
        return float(np.hypot(*self.matrix[:, 0]))

    @property
    def degrees(self) -> float:
        """By how much the face is turned in the photo, clockwise as seen, -180 to 180."""
        return math.degrees(math.atan2(self.matrix[1, 0], self.matrix[0, 0]))

    def to_photo(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Points of the crop (shares) in the photo (pixels)."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]

    def to_crop(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Points of the photo (pixels) in the crop (shares)."""
        return (points - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T

    def coordinates(self, rows: slice, columns: slice) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
        """x and y in the crop (shares) of the centre of every pixel of these rows and columns of the photo."""
        inverse = np.linalg.inv(self.matrix[:, :2])
        x = np.arange(columns.start, columns.stop) + 0.5 - self.matrix[0, 2]
        y = np.arange(rows.start, rows.stop)[:, None] + 0.5 - self.matrix[1, 2]
        return inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y

    def covers(self, rows: slice, columns: slice) -> Bool[np.ndarray, "h w"]:
        """True in those of the pixels whose centre lies in the square."""
        u, v = self.coordinates(rows, columns)
        return (u >= 0) & (u < 1) & (v >= 0) & (v < 1)

    def bounds(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of a photo that the square meets. One pixel of the photo's border if it meets none."""
        corners = self.to_photo(np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float))
        left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, (width - 1, height - 1))
        right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int), (left + 1, top + 1), (width, height))
        return slice(int(top), int(bottom)), slice(int(left), int(right))

    def moved(self, x: float, y: float) -> "Square":
        """The same square in a picture that begins `x` px further left and `y` px further up."""
        return Square(self.matrix + np.array([[0, 0, x], [0, 0, y]]))


def around_eyes(eyes: Float[np.ndarray, "2 2"], alignment: Alignment) -> Square:
    """The square that puts `eyes` (left and right in the picture, in pixels) where `alignment` wants them."""
    (ax, ay), (bx, by) = eyes
    x, y = (bx - ax) / alignment.apart, (by - ay) / alignment.apart
    turn = np.array([[x, -y], [y, x]])
    return Square(np.column_stack([turn, eyes.mean(axis=0) - turn @ np.array(alignment.middle)]))


def whole(rows: slice, columns: slice) -> Square:
    """An upright square of a photo's pixels."""
    side = float(rows.stop - rows.start)
    return Square(np.array([[side, 0.0, columns.start], [0.0, side, rows.start]]))


def cut_out(photo: UInt8[np.ndarray, "h w 3"], square: Square, size_px: int) -> UInt8[np.ndarray, "s s 3"]:
    """The crop at `size_px`, antialiased; beyond the photo the border repeats. For detectors, not for the network."""
    if square.side_px > 2 * FINE * size_px:
        rows, columns = _near(photo, square)
        photo, square = _smaller(photo[rows, columns], square.moved(-columns.start, -rows.start), FINE * size_px)
    fine = max(size_px, math.ceil(square.side_px))
    turned = _warp(photo, square, fine, border=cv2().BORDER_REPLICATE)
    return turned if fine == size_px else cv2().resize(turned, (size_px, size_px), interpolation=cv2().INTER_AREA)


def network_input(
    photo: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], square: Square, size_px: int
) -> tuple[Float32[np.ndarray, "s s 3"], Float32[np.ndarray, "s s 1"]]:
    """`masked` in [-1, 1] and the binary `mask`, at the network's size `size_px`."""
    photo, hole, square = _around(photo, hole, square)
    photo = np.where(hole[..., None], np.uint8(0), photo)
    if square.side_px > 2 * FINE * size_px:
        photo, hole, square = _shrunk(photo, hole, square, FINE * size_px)
    fine = max(size_px, math.ceil(square.side_px))
    # Bicubic interpolation looks one pixel further than linear: so does the mask.
    reach = cv2().dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)
    unknown = (_warp(reach, square, fine, linear=True, border_value=1.0) > 0).astype(np.float32)
    image = _warp(photo, square, fine)
    image = image * (1 - unknown)[..., None]
    if fine != size_px:
        image, unknown = (cv2().resize(x, (size_px, size_px), interpolation=cv2().INTER_AREA) for x in (image, unknown))
    mask = unknown[..., None] > 1 - KNOWN
    masked = np.where(mask, 0, image / np.maximum(1 - unknown, KNOWN)[..., None] / HALF_RANGE - 1)
    return masked.astype(np.float32), mask.astype(np.float32)


def to_photo(
    image: Float32[np.ndarray, "s s c"], square: Square, rows: slice, columns: slice
) -> Float32[np.ndarray, "h w c"]:
    """The network's image as it lies in the photo, of `rows` and `columns` of the photo; the border repeats outside."""
    size_px = min(math.ceil(square.side_px), max(SHARP_PX, 4 * image.shape[0]))
    image = resized(image, size_px)
    matrix = square.moved(-columns.start, -rows.start).matrix
    out = columns.stop - columns.start, rows.stop - rows.start
    # warpAffine is given where each pixel of the photo comes from.
    there = np.linalg.inv(np.vstack([_pixels(matrix, size_px), [0, 0, 1]]))[:2]
    flags = cv2().INTER_LINEAR | cv2().WARP_INVERSE_MAP
    found = cv2().warpAffine(np.ascontiguousarray(image), there, out, flags=flags, borderMode=cv2().BORDER_REPLICATE)
    return found.reshape(out[1], out[0], -1)


def resized(x: Float32[np.ndarray, "s s c"], size_px: int) -> Float32[np.ndarray, "{size_px} {size_px} c"]:
    """Bicubic interpolation, in float, antialiased where it makes smaller; the same array if the size is the same."""
    if x.shape[0] == size_px:
        return x
    channels = [Image.fromarray(np.ascontiguousarray(x[..., c], np.float32)) for c in range(x.shape[2])]
    return np.stack([np.asarray(c.resize((size_px, size_px), Image.Resampling.BICUBIC)) for c in channels], -1)


def _pixels(matrix: Float[np.ndarray, "2 3"], size_px: int) -> Float[np.ndarray, "2 3"]:
    """The same map between indices of pixels: from a crop of `size_px` to the photo. A centre is half a pixel in."""
    found = matrix.copy()
    found[:, :2] /= size_px
    found[:, 2] += found[:, :2] @ (0.5, 0.5) - 0.5
    return found


def _warp(x, square: Square, size_px: int, *, linear: bool = False, border: int = 0, border_value: float = 0.0):
    how = cv2().INTER_LINEAR if linear else cv2().INTER_CUBIC
    return cv2().warpAffine(
        x,
        _pixels(square.matrix, size_px),
        (size_px, size_px),
        flags=how | cv2().WARP_INVERSE_MAP,
        borderMode=border,  # 0: constant
        borderValue=border_value,
    )


def _around(photo: np.ndarray, hole: np.ndarray, square: Square) -> tuple[np.ndarray, np.ndarray, Square]:
    """The part of photo and hole that the square meets, and the square in it."""
    rows, columns = _near(photo, square)
    return photo[rows, columns], hole[rows, columns], square.moved(-columns.start, -rows.start)


def _near(photo: np.ndarray, square: Square) -> tuple[slice, slice]:
    rows, columns = square.bounds(*photo.shape[:2])
    margin = 3  # of the interpolation
    return (
        slice(max(0, rows.start - margin), rows.stop + margin),
        slice(max(0, columns.start - margin), columns.stop + margin),
    )


def _shrunk(
    photo: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"], square: Square, side_px: int
) -> tuple[np.ndarray, np.ndarray, Square]:
    """Photo, cut already, and hole at a size at which the square has about `side_px`: means of what is known."""
    share, _ = _smaller((~hole).astype(np.float32), square, side_px)
    sums, square = _smaller(photo, square, side_px)
    means = sums / np.maximum(share, KNOWN)[..., None]
    return np.clip(np.round(means), 0, 255).astype(np.uint8), share < KNOWN, square


def _smaller(x: np.ndarray, square: Square, side_px: int) -> tuple[np.ndarray, Square]:
    """`x` [h, w] or [h, w, c] by area averaging, at a size at which the square has about `side_px`."""
    (h, w), scale = x.shape[:2], side_px / square.side_px
    size = max(1, round(w * scale)), max(1, round(h * scale))
    scales = np.array([[size[0] / w], [size[1] / h]])
    return cv2().resize(x, size, interpolation=cv2().INTER_AREA), Square(square.matrix * scales)


def box_of(hole: Bool[np.ndarray, "h w"]) -> tuple[slice, slice]:
    """The rows and columns from the first to the last that have a pixel of the hole; there must be one."""
    rows, columns = (np.flatnonzero(hole.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
