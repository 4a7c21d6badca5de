"""Opening a photo of unknown origin safely, and making the square training images from it.

| the file has                | what happens                                                           |
|-----------------------------|------------------------------------------------------------------------|
| another format than PNG, JPEG, WEBP | refused, by content: the extension does not count              |
| more than 80 MP or 256 MB  | refused before any pixel is decoded                                    |
| missing or damaged data     | refused: never a picture with a grey lower half                        |
| EXIF orientation            | turned upright                                                         |
| an ICC profile              | converted to sRGB; a profile that cannot be read counts as sRGB        |
| grey, palette, CMYK         | converted to RGB                                                       |
| 16 bits per channel         | the upper 8 bits                                                       |
| alpha                       | laid over white                                                        |
| several frames              | the first                                                              |
"""

import io
import os
import struct
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 80_000_000  # below the size at which Pillow itself begins to warn
MAX_BYTES = 256 * 2**20


class PhotoError(Exception):
    """One photo cannot be used; the message says why, without the file's name."""


def open_photo(content: Path | bytes) -> Image.Image:
    """Opens a photo (a path, or a file's bytes) as an upright 8-bit sRGB picture, by the table above.

    Raises `PhotoError` with the reason for every file that cannot be used.
    """
    try:
        size = len(content) if isinstance(content, bytes) else os.stat(content).st_size
        if size == 0:
            raise PhotoError("the file is empty")
        if size > MAX_BYTES:
            raise PhotoError(f"the file has {size / 2**20:.0f} MB; at most {MAX_BYTES // 2**20} are read")
        source = io.BytesIO(content) if isinstance(content, bytes) else content
        with Image.open(source, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PhotoError(
                    f"{image.width} x {image.height} pixels; at most {MAX_PIXELS // 10**6} million are read"
                )
            image.load()
            return _to_srgb(ImageOps.exif_transpose(image))
    except PhotoError:
        raise
    except FileNotFoundError:
        raise PhotoError("no such file") from None
    except Image.UnidentifiedImageError:
        raise PhotoError("not a PNG, JPEG or WEBP picture") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PhotoError(f"more than {MAX_PIXELS // 10**6} million pixels") from None
    except (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, struct.error) as error:
        # Pillow's decoders report damage with any of these.
        raise PhotoError(f"damaged or incomplete: {' '.join(str(error).split()) or type(error).__name__}") from None


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):  # 16-bit grey; colour PNGs are cut to 8 bits by Pillow itself
        values = np.asarray(image)
        image = Image.fromarray((np.clip(values, 0, 65535) // 257).astype(np.uint8))
        profile = None
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("RGB")
    elif image.mode in ("P", "1"):
        image = image.convert("RGB")
    if profile and image.mode in ("RGB", "L", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None  # a broken profile, or one for another kind of picture
        if converted is not None:
            image = converted
    return image.convert("RGB")


def square(image: Image.Image) -> Image.Image:
    """The largest centred square (178 x 218 -> 178 x 178): no pixel is moved or invented."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def shrink(image: Image.Image, resolution_px: int) -> UInt8[np.ndarray, "{resolution_px} {resolution_px} 3"]:
    """A square picture averaged down to `resolution_px` (paper: low resolutions are made by average pooling).

    When the side is a multiple of `resolution_px` this is exact average pooling; otherwise a box filter as wide as the
    ratio, which weighs the pixels that lie in two blocks. Raises `PhotoError` when the picture is smaller.
    """
    side = image.width
    if side < resolution_px:
        raise PhotoError(f"its square has {side} px, fewer than the {resolution_px} px asked for")
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
