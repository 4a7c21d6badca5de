"""Reading and writing photos and masks: every kind of file becomes one `Photo`, or one clear error.

Files are opened as `io.pictures` does it, like training photos; what the network sees is the same as in training.

| the file holds                   | kept as     | remark                                                          |
| -------------------------------- | ----------- | --------------------------------------------------------------- |
| 8-bit RGB                        | RGB         | context pixels byte for byte                                    |
| 8-bit grey; 1, 2, 4-bit grey     | L           | stays grey; the hole gets the luma of the completion            |
| 16-bit grey (PNG)                | I;16        | stays 16 bit; the hole has the network's 8 bits                 |
| grey or RGB with alpha           | LA, RGBA    | alpha kept everywhere, in the hole too; seen over white         |
| palette                          | RGB, or RGBA | RGBA if the palette has transparency                            |
| one transparent colour (PNG key) | LA, RGBA    | the key becomes an alpha channel                                |
| CMYK (JPEG)                      | RGB         | by its own profile if it has one, else by Pillow's formula      |
| 16-bit RGB, 16-bit with alpha    | error       | cannot be read without losing bits                              |
| animation                        | error       | which picture would be meant is unknown                         |
| EXIF orientation                 | applied     | all other EXIF (camera, place) is not carried over              |
| ICC profile                      | carried over | only what the network sees is sRGB; a broken one counts as sRGB |

Masks: any of these modes; see `io.mask_files`.
"""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8, UInt16
from PIL import Image, PngImagePlugin

from fec_jax.io import mask_files, output, pictures
from fec_jax.types import UserError

_SOFTWARE = 0x0131  # EXIF tag


@dataclass(frozen=True)
class Photo:
    """A photo as its file holds it, upright, and as the network sees it.

    pixels   the file's own values [h, w, c]: c = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha; uint16: 16-bit grey
    rgb      the same in 8-bit sRGB, over white where it is transparent [h, w, 3]
    icc      the colour profile, or None
    """

    pixels: UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w 1"]
    rgb: UInt8[np.ndarray, "h w 3"]
    icc: bytes | None = None

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height)"""
        return self.pixels.shape[1], self.pixels.shape[0]

    def replaced(self, fake: UInt8[np.ndarray, "h w 3"], where: Bool[np.ndarray, "h w"]) -> "Photo":
        """The photo with `fake` (8-bit sRGB) where `where` is true; alpha, and all values elsewhere, are its own."""
        colours = 1 if self.pixels.shape[2] < 3 else 3
        values = pictures.from_srgb(fake, colours, self.icc).astype(self.pixels.dtype)
        if self.pixels.dtype == np.uint16:
            values *= 257  # 255 becomes 65535
        pixels, rgb = self.pixels.copy(), self.rgb.copy()
        pixels[where, :colours] = values[where]
        rgb[where] = fake[where]
        return replace(self, pixels=pixels, rgb=rgb)


def read_photo(path: Path) -> Photo:
    """Reads a PNG, JPEG or WEBP by the table at the top of this file.

    Raises UserError: no such file, another format, damaged, too large, 16-bit colour, animated.
    """
    image = pictures.named(path, "photo", full_depth=True)
    pixels = np.asarray(image)
    pixels = pixels.reshape(*pixels.shape[:2], -1).copy()
    return Photo(pixels, pictures.seen(image), image.info.get("icc_profile") or None)


def read_mask(path: Path, size_px: tuple[int, int], invert: bool = False) -> Bool[np.ndarray, "h w"]:
    """The hole that `mask_files.read_mask` finds, for a photo of `size_px` (width, height).

    Raises UserError as `read_photo` does, and for another size, an empty mask and a full one.
    """
    hole = mask_files.read_mask(path, invert)
    if hole.shape != size_px[::-1]:
        raise UserError(
            f"mask {path} is {hole.shape[1]} x {hole.shape[0]} px but the photo is {size_px[0]} x {size_px[1]} px "
            "(upright, EXIF turn applied): they must be equal"
        )
    marks, other = ("black", "drop") if invert else ("white", "use")
    if not hole.any():
        raise UserError(
            f"mask {path}: nothing to fill, no pixel is {marks}; {other} --invert-mask if it is the other way round"
        )
    if hole.all():
        raise UserError(
            f"mask {path} covers the whole photo, no context is left: mark only the part to fill ({marks}), "
            f"or {other} --invert-mask"
        )
    return hole


def check_output(path: Path, force: bool, inputs: tuple[Path, ...] = ()) -> None:
    """Refuses, before any work is done, an output that cannot be lossless, is an input, or is taken.

    Raises UserError, as `output.check_free` does too.
    """
    if path.suffix.lower() not in (".png", ".webp"):
        raise UserError(
            f"cannot write {path}: only .png and (lossless) .webp keep the known pixels exactly; "
            f"use {path.with_suffix('.png').name}"
        )
    if any(path.exists() and other.exists() and path.samefile(other) for other in inputs):
        raise UserError(f"cannot write {path}: it is an input, and would be lost; choose another name")
    output.check_free(path, force)


def write_photo(path: Path, photo: Photo, software: str) -> None:
    """Writes `photo` losslessly, aside first and then in place at once, so that a failure leaves nothing behind.

    `software` is the provenance mark: the PNG text `Software`, the same EXIF tag in WEBP.
    Raises UserError: WEBP for 16-bit grey, or the file system refuses.
    """
    image = Image.fromarray(photo.pixels[..., 0] if photo.pixels.shape[2] == 1 else photo.pixels)
    buffer = io.BytesIO()
    if path.suffix.lower() == ".webp":
        if image.mode == "I;16":
            raise UserError(
                f"cannot write {path}: WEBP holds 8 bits and the photo has 16; use {path.with_suffix('.png').name}"
            )
        exif = Image.Exif()
        exif[_SOFTWARE] = software
        # `exact` keeps the colours under full transparency.
        colour = image.convert("RGBA" if image.mode.endswith("A") else "RGB")
        options = {
            "lossless": True,
            "exact": True,
            "exif": exif,
            "icc_profile": None if image.mode[0] == "L" else photo.icc,
        }
        _encode(path, colour, buffer, format="WEBP", **options)
    else:
        text = PngImagePlugin.PngInfo()
        text.add_text("Software", software)
        _encode(path, image, buffer, format="PNG", pnginfo=text, icc_profile=photo.icc)
    output.write_aside(path, buffer.getvalue())


def _encode(path: Path, image: Image.Image, buffer: io.BytesIO, **options) -> None:
    try:
        image.save(buffer, **options)
    except (OSError, ValueError) as e:  # e.g. a side over WEBP's 16383 px
        raise UserError(
            f"cannot write {path}: {pictures.one_line(e)}; "
            f"use a .png of at most {pictures.MAX_PIXELS // 10**6} megapixels"
        ) from e
