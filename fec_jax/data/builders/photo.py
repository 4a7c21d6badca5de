"""Opening training photos, and making the square training images from them.

Photos are opened as `io.pictures` does it, and become what the networks see of a photo to complete, too:

| the file has                | what happens                                                           |
|-----------------------------|------------------------------------------------------------------------|
| an ICC profile              | converted to sRGB; a profile that cannot be read counts as sRGB        |
| grey, palette, CMYK         | converted to RGB                                                       |
| 16 bits of grey             | the nearest of 8 bits                                                  |
| 16 bits per colour          | the upper 8 bits (a photo to complete is refused: they could not be kept) |
| alpha                       | laid over white                                                        |
| several frames              | the first (a photo to complete is refused: which one would be meant?)  |
"""

import io
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from fec_jax.io.pictures import PictureError, open_picture, plain, seen
from fec_jax.types import one_line


def open_photo(content: Path | bytes) -> Image.Image:
    """Opens a photo (a path, or a file's bytes) as an upright 8-bit sRGB picture, by the table above.

    Raises `PictureError` with the reason for every file that cannot be used.
    """
    image = open_picture(content)
    try:
        return Image.fromarray(seen(plain(image)))
    except PictureError:
        raise
    except Exception as error:  # one unforeseen kind of photo must not stop the preparation of all
        raise PictureError(f"cannot be converted to sRGB: {one_line(error)}") from None


def square(image: Image.Image) -> Image.Image:
    """The largest centred square (178 x 218 -> 178 x 178): no pixel is moved or interpolated."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def shrink(image: Image.Image, resolution_px: int) -> UInt8[np.ndarray, "{resolution_px} {resolution_px} 3"]:
    """A square picture averaged down to `resolution_px` (paper: low resolutions are made by average pooling).

    When the side is a multiple of `resolution_px` this is exact average pooling; otherwise a pixel that lies in two
    blocks counts to that which has its centre. Raises `PictureError` when the picture is smaller.
    """
    side = image.width
    if side < resolution_px:
        raise PictureError(f"its square has {side} px, fewer than the {resolution_px} px needed")
    if side % resolution_px == 0:
        small = image.reduce(side // resolution_px) if side > resolution_px else image
    else:
        small = image.resize((resolution_px, resolution_px), Image.Resampling.BOX)
    return np.asarray(small)


def to_png(pixels: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """The pixels as a PNG file: lossless, so that what was averaged once is what is trained on."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


def from_png(png: bytes) -> UInt8[np.ndarray, "h w 3"]:
    """Inverse of `to_png`, for files that this project wrote itself."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        return np.asarray(image)
