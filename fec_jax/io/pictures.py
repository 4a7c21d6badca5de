"""Opening pictures of unknown origin: the same for training photos, photos to complete and masks.

| the file has                | what happens                                                                     |
|-----------------------------|----------------------------------------------------------------------------------|
| another format than PNG, JPEG, WEBP, HEIC, AVIF, TIFF, BMP, GIF | refused, by content: the extension does not count |
| HEIC or HEIF                | read with the extra `photos` (pillow-heif); without it refused with that hint    |
| more than `MAX_PIXELS` or `MAX_BYTES` | refused before any pixel is decoded                                    |
| missing or damaged data     | refused: never a picture with a grey lower half                                  |
| a camera's raw data (DNG, CR2, NEF, ...) | refused: what is easily read of it is a small preview               |
| several pictures            | the first; `still`: refused if they are an animation or pages, except in a GIF   |
| EXIF orientation            | turned upright                                                                   |
| CMYK                        | RGB in sRGB, by its own profile if it has one                                    |
| an ICC profile              | networks see sRGB (relative colorimetric); one that cannot be read counts as sRGB |
| 16 bits of grey             | networks see the nearest of 8 bits                                               |
| 10 or 12 bits (HEIC, AVIF)  | the nearest of 8 bits                                                            |
| alpha                       | networks see the picture over white                                              |
| one transparent colour (PNG) | the same; refused if it has 16 bits                                             |
"""

import contextlib
import io
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageCms, ImageOps

from fec_jax.io import formats
from fec_jax.io.names import shown
from fec_jax.types import UserError, one_line

MAX_PIXELS = 80_000_000  # below the size at which Pillow itself begins to warn
MAX_BYTES = 256 * 2**20

# Tags of TIFF.
_NEW_SUBFILE_TYPE, _BITS_PER_SAMPLE, _PHOTOMETRIC, _DNG_VERSION = 254, 258, 262, 50706
_EXIF_IFD, _GPS_IFD, _INTEROP = 0x8769, 0x8825, 0xA005
_ABOUT = (270, 271, 272, 306, 315, 316, 33432)
"""Description, make, model, time, artist, computer, copyright: the other tags say how the TIFF itself is laid out."""


class PictureError(Exception):
    """One picture cannot be used; the message says why, without the file's name, and `advice` what to do."""

    def __init__(self, reason: str, advice: str = "choose another picture"):
        super().__init__(reason)
        self.advice = advice


def open_picture(content: Path | bytes, *, still: bool = False, full_depth: bool = False) -> Image.Image:
    """The decoded picture (of a path, or a file's bytes), upright, with its `info`, in the mode that the file has.

    still        refuse an animation or a file of several pages, instead of taking the first; of a GIF it is taken
    full_depth   refuse 16-bit colour, of which Pillow keeps the upper 8 bits

    Raises `PictureError` for every file that cannot be used.
    """
    data = b""
    try:
        data = content if isinstance(content, bytes) else _read(content)
        _check_bytes(len(data))
        # Pillow's own bomb warning comes earlier than its bomb error, and later than the cap here.
        with Image.open(io.BytesIO(data), formats=formats.readable()) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(f"{image.width} x {image.height} pixels")
            if image.format == "TIFF":
                _check_tiff(image, data)
            # A JPEG's or a HEIC's further pictures are previews and depth maps; the first one is the photo.
            if still and image.format in ("PNG", "WEBP", "AVIF", "TIFF") and getattr(image, "n_frames", 1) > 1:
                many = "a file of several pages" if image.format == "TIFF" else "an animation"
                raise PictureError(many, "save the one picture you mean as a PNG")
            if full_depth and _sixteen_bits(image, data):
                raise PictureError("16 bits per colour, which cannot be kept", "save it as an 8-bit PNG")
            image.load()
            if image.format == "PNG":
                _scale_key(image, bits=data[24])
            return _upright(image)
    except PictureError:
        raise
    except Image.UnidentifiedImageError:
        raise PictureError(*formats.refusal(data)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large("too many pixels") from None
    except Exception as error:  # Pillow's decoders report damage with OSError, SyntaxError, struct.error, ...
        raise PictureError(f"damaged or incomplete: {one_line(error)}", "save it again") from None


def _check_tiff(image: Image.Image, data: bytes) -> None:
    tags = getattr(image, "tag_v2", {})
    if data[8:10] == b"CR" or _DNG_VERSION in tags or tags.get(_NEW_SUBFILE_TYPE, 0) & 1:
        raise PictureError("a camera's raw data", "develop it, and save it as JPEG, PNG or 8-bit TIFF")
    if image.mode.startswith("I;16") and tags.get(_PHOTOMETRIC) == 0:
        raise PictureError("16 bits of grey with 0 as white", "save it as a PNG")


def _sixteen_bits(image: Image.Image, data: bytes) -> bool:
    """More than 8 bits in each of several channels."""
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (1,))
        return len(bits) > 1 and max(bits) > 8
    return image.format == "PNG" and data[24] == 16 and data[25] != 0


def _scale_key(image: Image.Image, bits: int) -> None:
    """Brings a PNG's transparent colour to the 8 bits that Pillow brings the pixels to."""
    key = image.info.get("transparency")
    if key is not None and bits == 16:
        raise PictureError("16 bits with a transparent colour, which cannot be kept", "save it as an 8-bit PNG")
    if isinstance(key, int) and image.mode == "L":
        image.info["transparency"] = key * 255 // (2**bits - 1)


def _read(path: Path) -> bytes:
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
            raise PictureError("not a file", "check the path")
        _check_bytes(found.st_size)
        return path.read_bytes()
    except FileNotFoundError:
        if os.path.islink(path):
            raise PictureError("a link that leads nowhere", "fix or remove it") from None
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
    text = dict(getattr(image, "text", {}))  # of a PNG
    exif = _tiff_exif(image) if image.format == "TIFF" else None
    try:
        image = ImageOps.exif_transpose(image)  # of its EXIF only the orientation goes
    except Exception:  # a photo with unreadable EXIF is used as it is
        image = image.copy()
    image.info["png_text"] = text
    if exif is not None:
        image.info["exif"] = exif
    return image


def _tiff_exif(image: Image.Image) -> bytes | None:
    """What a TIFF says of camera, time and place, as other formats have it; Pillow leaves it among the TIFF's tags."""
    with contextlib.suppress(Exception):  # damaged EXIF
        tags, exif = image.getexif(), Image.Exif()
        for tag in _ABOUT:
            if tag in tags:
                exif[tag] = tags[tag]
        for ifd in (_EXIF_IFD, _GPS_IFD):
            if found := {tag: value for tag, value in tags.get_ifd(ifd).items() if tag != _INTEROP}:
                exif.get_ifd(ifd).update(found)
        return exif.tobytes()
    return None


def plain(image: Image.Image) -> Image.Image:
    """The picture in L, LA, RGB, RGBA or I;16, with nothing lost but a CMYK's own values. `PictureError`: other modes.

    Palettes become RGB, or RGBA if one of the colours is transparent; so does a PNG's transparent colour. Its `info`
    has what the file said (`png_text`: the text of a PNG), a CMYK's profile excepted.
    """
    info = image.info
    if image.mode == "CMYK":
        image = _converted(image, image.info.get("icc_profile"), None, "RGB") or image.convert("RGB")
        image.info = {key: value for key, value in info.items() if key != "icc_profile"}  # it is for CMYK values
    elif image.mode in ("P", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("I;16B", "I;16L", "I;16N"):
        image = Image.fromarray(np.asarray(image).astype(np.uint16))
        image.info = info
    elif image.mode in ("YCbCr", "RGBX", "RGBa"):
        image = image.convert("RGBA" if image.mode == "RGBa" else "RGB")
    if "transparency" in image.info and image.mode in ("L", "RGB"):
        image = image.convert(image.mode + "A")
    if image.mode not in ("L", "LA", "RGB", "RGBA", "I;16"):
        raise PictureError(f"its colour mode {image.mode} is not supported", "save it as an 8-bit RGB PNG")
    return image


def taken(image: Image.Image) -> Image.Image:
    """A picture that the caller has opened, upright and `plain`. `PictureError`: damaged, closed, another mode."""
    try:
        image.load()
        upright = _upright(image)
    except Exception as error:
        raise PictureError(f"damaged or closed: {one_line(error)}", "open it again") from None
    return plain(upright.convert({"HSV": "RGB", "La": "LA"}.get(image.mode, image.mode)))


def named(path: Path, what: str, full_depth: bool = False) -> Image.Image:
    """A still picture, `plain`, that a person named as their `what` ("photo", "mask"). UserError: it cannot be used."""
    if not os.path.lexists(path):
        raise UserError(f"{what} {shown(path)} does not exist: check the path")
    if os.path.isdir(path):
        raise UserError(f"{what} {shown(path)} is a folder: give a {formats.NAMES}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own bomb warning: our cap is lower
            return plain(open_picture(path, still=True, full_depth=full_depth))
    except PictureError as error:
        raise UserError(f"cannot use {what} {shown(path)} ({error}): {error.advice}") from error


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
