"""Opening pictures of unknown origin, one way for training photos, photos to complete and masks.

| the file has                | what happens                                                                     |
|-----------------------------|----------------------------------------------------------------------------------|
| another format than PNG, JPEG, WEBP | refused, by content: the extension does not count                        |
| more than `MAX_PIXELS` or `MAX_BYTES` | refused before any pixel is decoded                                    |
| missing or damaged data     | refused: never a picture with a grey lower half                                  |
| EXIF orientation            | turned upright                                                                   |
| CMYK                        | RGB in sRGB, by its own profile if it has one                                    |
| an ICC profile              | networks see sRGB (relative colorimetric); one that cannot be read counts as sRGB |
| 16 bits of grey             | networks see the nearest of 8 bits                                               |
| alpha                       | networks see the picture over white                                              |
"""

import io
import os
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageOps

from fec_jax.types import UserError

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 80_000_000  # below the size at which Pillow itself begins to warn
MAX_BYTES = 256 * 2**20


class PictureError(Exception):
    """One picture cannot be used; the message says why, without the file's name, and `advice` what to do."""

    def __init__(self, reason: str, advice: str = "choose another picture"):
        super().__init__(reason)
        self.advice = advice


def open_picture(content: Path | bytes, *, still: bool = False, full_depth: bool = False) -> Image.Image:
    """The decoded picture (of a path, or a file's bytes), upright, with its `info`, in the mode that the file has.

    still        refuse an animation, instead of taking its first picture
    full_depth   refuse 16-bit colour, of which Pillow keeps the upper 8 bits

    Raises `PictureError` for every file that cannot be used.
    """
    try:
        data = content if isinstance(content, bytes) else _read(content)
        _check_bytes(len(data))
        # Pillow's own bomb warning comes earlier than its bomb error, and later than the cap here.
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(f"{image.width} x {image.height} pixels")
            # A JPEG's further pictures are previews and depth maps; the first one is the photo.
            if still and image.format in ("PNG", "WEBP") and getattr(image, "n_frames", 1) > 1:
                raise PictureError("an animation", "save the one picture you mean as a PNG")
            if full_depth and data[:4] == b"\x89PNG" and data[24] == 16 and data[25] != 0:
                raise PictureError("16 bits per colour, which cannot be kept", "save it as an 8-bit PNG")
            image.load()
            return _upright(image)
    except PictureError:
        raise
    except Image.UnidentifiedImageError:
        raise PictureError("not a PNG, JPEG or WEBP picture", "convert it to PNG") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large("too many pixels") from None
    except Exception as error:  # Pillow's decoders report damage with OSError, SyntaxError, struct.error, ...
        raise PictureError(f"damaged or incomplete: {one_line(error)}", "save it again") from None


def _read(path: Path) -> bytes:
    try:
        _check_bytes(os.stat(path).st_size)
        return path.read_bytes()
    except FileNotFoundError:
        raise PictureError("no such file", "check the path") from None
    except OSError as error:
        raise PictureError(f"cannot be read: {error.strerror or error}", "check its permissions") from None


def _check_bytes(size: int) -> None:
    if size == 0:
        raise PictureError("the file is empty", "save it again")
    if size > MAX_BYTES:
        raise PictureError(
            f"the file has {size / 2**20:.0f} MiB, over the limit of {MAX_BYTES // 2**20} MiB", "make it smaller"
        )


def _too_large(size: str) -> PictureError:
    return PictureError(f"{size}, over the limit of {MAX_PIXELS // 10**6} megapixels", "make it smaller")


def _upright(image: Image.Image) -> Image.Image:
    info = dict(image.info)
    try:
        image = ImageOps.exif_transpose(image)
    except Exception:  # unreadable EXIF must not cost the photo: it is shown as it lies
        image = image.copy()
    image.info = info
    return image


def plain(image: Image.Image) -> Image.Image:
    """The picture in L, LA, RGB, RGBA or I;16, with nothing lost but a CMYK's own values. `PictureError`: other modes.

    Palettes become RGB, or RGBA if one of the colours is transparent; so does a PNG's transparent colour.
    """
    if image.mode == "CMYK":
        image = _converted(image, image.info.get("icc_profile"), None, "RGB") or image.convert("RGB")
        image.info = {key: value for key, value in image.info.items() if key != "icc_profile"}  # it is for CMYK values
    elif image.mode in ("P", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    if "transparency" in image.info and image.mode in ("L", "RGB"):
        image = image.convert(image.mode + "A")
    if image.mode not in ("L", "LA", "RGB", "RGBA", "I;16"):
        raise PictureError(f"its colour mode {image.mode} is not supported", "save it as an 8-bit RGB PNG")
    return image


def named(path: Path, what: str, full_depth: bool = False) -> Image.Image:
    """A still picture, `plain`, that a person named as their `what` ("photo", "mask"). UserError: it cannot be used."""
    if not path.exists():
        raise UserError(f"{what} {path} does not exist: check the path")
    if not path.is_file():
        raise UserError(f"{what} {path} is not a file: give a PNG, JPEG or WEBP")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning: our cap is lower
            return plain(open_picture(path, still=True, full_depth=full_depth))
    except PictureError as error:
        raise UserError(f"cannot use {what} {path} ({error}): {error.advice}") from error


def seen(image: Image.Image) -> UInt8[np.ndarray, "h w 3"]:
    """What the networks see of a `plain` picture: 8-bit sRGB, over white where it is transparent."""
    values = np.asarray(image)
    values = values.reshape(*values.shape[:2], -1)
    colours = values[..., : 1 if values.shape[2] < 3 else 3]
    if colours.dtype != np.uint8:
        colours = np.round(colours / 257).astype(np.uint8)
    profile = image.info.get("icc_profile") or None
    flat = Image.fromarray(np.ascontiguousarray(colours[..., 0] if colours.shape[2] == 1 else colours))
    rgb = np.array(_converted(flat, profile, None, "RGB") or flat.convert("RGB"))
    if values.shape[2] in (2, 4) and (alpha := values[..., -1:].astype(np.uint16)).min() < 255:
        rgb = ((rgb * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return rgb


def from_srgb(rgb: UInt8[np.ndarray, "h w 3"], colours: int, icc: bytes | None) -> UInt8[np.ndarray, "h w {colours}"]:
    """sRGB to grey (`colours` 1) or RGB (3) values under the profile `icc`."""
    mode, image = "L" if colours == 1 else "RGB", Image.fromarray(rgb)
    values = np.array(_converted(image, None, icc, mode) or image.convert(mode))
    return values.reshape(*values.shape[:2], colours)


def _converted(image: Image.Image, source: bytes | None, target: bytes | None, mode: str) -> Image.Image | None:
    """`image` from one ICC profile to another (None: sRGB); None if both are sRGB or the profile does not work."""
    if not source and not target:
        return None
    srgb = ImageCms.createProfile("sRGB")
    try:
        old, new = (io.BytesIO(p) if p else srgb for p in (source, target))
        # Relative colorimetric keeps white white both ways.
        return ImageCms.profileToProfile(
            image, old, new, renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode=mode
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def one_line(error: Exception) -> str:
    """An exception's message on one line; its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
