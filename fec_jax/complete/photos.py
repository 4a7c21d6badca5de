"""Reading and writing photos and masks: every kind of file becomes one `Photo`, or one clear error.

Files are opened as `io.pictures` does it, like training photos: PNG, JPEG, WEBP, HEIC, AVIF, TIFF, BMP, GIF. What the
network sees is the same as in training.

| the file holds                   | kept as     | remark                                                          |
| -------------------------------- | ----------- | --------------------------------------------------------------- |
| 8-bit RGB                        | RGB         | context pixels byte for byte                                    |
| 8-bit grey; 1, 2, 4-bit grey     | L           | stays grey; the hole gets the luma of the completion            |
| 16-bit grey (PNG, TIFF)          | I;16        | stays 16 bit; the hole has the network's 8 bits                 |
| grey or RGB with alpha           | LA, RGBA    | alpha kept everywhere, in the hole too; seen over white         |
| palette                          | RGB, or RGBA | RGBA if the palette has transparency                            |
| one transparent colour (PNG key) | LA, RGBA    | the key becomes an alpha channel; with 16 bits: error           |
| CMYK (JPEG, TIFF)                | RGB         | by its own profile if it has one, else by Pillow's formula      |
| 16-bit RGB, 16-bit with alpha    | error       | cannot be read without losing bits                              |
| 10 or 12 bits (HEIC, AVIF)       | RGB         | 8 bits of them                                                  |
| animation, several pages         | error       | which picture would be meant is unknown; of a GIF the first     |
| EXIF orientation                 | applied     | all other metadata: see `complete.metadata`                     |
| ICC profile                      | carried over | only what the network sees is sRGB; a broken one counts as sRGB |

| written as  | pixels                                                    | refused                          |
| ----------- | --------------------------------------------------------- | -------------------------------- |
| .png        | all of the above, lossless                                |                                  |
| .webp       | lossless; grey becomes RGB                                | 16 bits; a side above 16,383 px; |
|             |                                                           | grey with a colour profile       |
| .jpg, .jpeg | quality 95, 4:4:4: context pixels are close, not exact    | 16 bits; transparency            |

Masks: any of these modes; see `io.mask_files`.
"""

import io
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8, UInt16
from PIL import Image

from fec_jax.complete.metadata import Metadata, read_metadata
from fec_jax.io import mask_files, output, pictures
from fec_jax.types import UserError, one_line

LOSSLESS, LOSSY = (".png", ".webp"), (".jpg", ".jpeg")
"""Endings of names that can be written to."""
_SAME = 4.0  # of 255: a mask that differs less from the photo, on average, is the photo (saved again as JPEG, say)


@dataclass(frozen=True)
class Photo:
    """A photo as its file holds it, upright, and as the network sees it.

    pixels   the file's own values [h, w, c]: c = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha; uint16: 16-bit grey
    rgb      the same in 8-bit sRGB, over white where it is transparent [h, w, 3]
    icc      the colour profile, or None
    meta     what else the file says
    """

    pixels: UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w 1"]
    rgb: UInt8[np.ndarray, "h w 3"]
    icc: bytes | None = None
    meta: Metadata = field(default_factory=Metadata)

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

    def opaque(self, where: Bool[np.ndarray, "h w"]) -> "Photo":
        """The photo without transparency where `where` is true, so that the completion is visible."""
        if self.pixels.shape[2] not in (2, 4):
            return self
        pixels = self.pixels.copy()
        pixels[where, -1] = 255
        return replace(self, pixels=pixels)


def read_photo(path: Path) -> Photo:
    """Reads a photo by the table at the top of this file.

    Raises UserError: no such file, another format, damaged, too large, 16-bit colour, animated.
    """
    image = pictures.named(path, "photo", full_depth=True)
    pixels = np.asarray(image)
    pixels = pixels.reshape(*pixels.shape[:2], -1).copy()
    return Photo(pixels, pictures.seen(image), image.info.get("icc_profile") or None, read_metadata(image.info))


def read_mask(path: Path, size_px: tuple[int, int], invert: bool = False, **options: Any) -> Bool[np.ndarray, "h w"]:
    """`hole_of` a mask's file, with its `options`. Raises UserError as it does, and as `mask_files.open_mask` does."""
    return hole_of(mask_files.open_mask(path), f"mask {path}", size_px, invert, **options)


def hole_of(
    mask: mask_files.Mask,
    what: str,
    size_px: tuple[int, int],
    invert: bool = False,
    *,
    source: str = "white",
    resize: bool = False,
    photo: Photo | None = None,
) -> Bool[np.ndarray, "h w"]:
    """The hole that a mask marks, for a photo of `size_px` (width, height). Errors call the mask `what`.

    invert   black marks it (of "alpha": what is opaque)
    source   "white": white marks the hole; "alpha": what is transparent
    resize   scale a mask of another size
    photo    refuse the mask if it shows this photo

    Raises UserError: another size, a picture in colour, an empty mask and a full one.
    """
    if source == "white":
        _check_mask(what, mask, photo)
    hole = mask.painted(invert) if source == "white" else mask.erased(invert)
    if hole.shape != size_px[::-1]:
        if not resize:
            raise UserError(
                f"{what} is {hole.shape[1]} x {hole.shape[0]} px but the photo is {size_px[0]} x {size_px[1]} px "
                "(upright, EXIF turn applied): they must be equal, or scale it with --mask-resize"
            )
        grey = Image.fromarray(hole * np.uint8(255)).resize(size_px, Image.Resampling.BILINEAR)
        hole = np.asarray(grey) >= 128
    return _checked_hole(hole, what, source, invert)


def erased_hole(photo: Photo, invert: bool = False) -> Bool[np.ndarray, "h w"]:
    """The transparent part of the photo itself; `invert`: the opaque part. UserError: it has none, or nothing else."""
    if photo.pixels.shape[2] not in (2, 4):
        raise UserError("the photo has no transparency that could mark the hole: give a mask with --mask")
    mask = mask_files.Mask(photo.rgb, photo.rgb[..., 0], photo.pixels[..., -1])
    return _checked_hole(mask.erased(invert), "the photo's transparency", "alpha", invert)


def _check_mask(name: str, mask: mask_files.Mask, photo: Photo | None) -> None:
    """Refuses what is a picture, before its light parts are taken for the hole."""
    what = None
    if photo is not None and mask.grey.shape == photo.rgb.shape[:2]:
        opaque = mask.alpha >= 128
        difference = np.abs(mask.rgb[opaque].astype(np.int16) - photo.rgb[opaque])
        # Not so of a black photo, which every mask with a small hole is like.
        if difference.size and difference.mean() < _SAME and np.ptp(photo.rgb) > 128 and photo.rgb.std() > 4 * _SAME:
            what = "is the photo itself"
    if what is None and mask.in_colour():
        what = "is a picture in colour"
    if what is not None:
        erased = mask.erased().any() and not mask.erased().all()
        advice = (
            "if the erased part of it is the hole, add --mask-from alpha"
            if erased
            else "paint one, or use another file"
        )
        raise UserError(f"{name} {what}, not a mask (white in the hole, black elsewhere): {advice}")


def _checked_hole(hole: Bool[np.ndarray, "h w"], what: str, source: str, invert: bool) -> Bool[np.ndarray, "h w"]:
    marks = ("black" if invert else "white") if source == "white" else ("opaque" if invert else "transparent")
    other = "drop" if invert else "use"
    if not hole.any():
        raise UserError(
            f"{what}: nothing to complete, no pixel is {marks}; {other} --invert-mask if it is the other way round"
        )
    if hole.all():
        raise UserError(
            f"{what} covers the whole photo, no context is left: mark only the part to complete ({marks}), "
            f"or {other} --invert-mask"
        )
    return hole


def check_output(path: Path, force: bool, inputs: tuple[Path, ...] = ()) -> None:
    """Refuses, before any work is done, an output of another format, that is an input, or is taken.

    Raises UserError, as `output.check_free` does too.
    """
    output.check_free(path, force=True)
    if path.suffix.lower() not in LOSSLESS + LOSSY:
        raise UserError(
            f"cannot write {path}: write .png or (lossless) .webp, which keep the known pixels exactly, or .jpg; "
            f"use {path.with_suffix('.png').name}"
        )
    if any(os.path.exists(path) and os.path.exists(other) and os.path.samefile(path, other) for other in inputs):
        raise UserError(f"cannot write {path}: it is an input, and would be lost; choose another name")
    output.check_free(path, force)


def write_photo(path: Path, photo: Photo, software: str, keep_metadata: bool = False) -> None:
    """Writes `photo` by the table above, aside first and then in place at once: a failure leaves nothing behind.

    software        the provenance mark: the PNG text `Software`, the EXIF tag of that name in WEBP and JPEG
    keep_metadata   write the photo's EXIF, XMP and text again

    Raises UserError: the format cannot hold these pixels, or the file system refuses.
    """
    image = Image.fromarray(photo.pixels[..., 0] if photo.pixels.shape[2] == 1 else photo.pixels)
    suffix, meta = path.suffix.lower(), photo.meta
    if suffix != ".png" and image.mode == "I;16":
        raise _lacks(path, "8 bits and the photo has 16")
    options: dict[str, Any] = {"icc_profile": photo.icc}
    if keep_metadata and meta.xmp and suffix != ".png":
        options["xmp"] = meta.xmp
    if suffix == ".webp":
        if image.mode[0] == "L" and photo.icc:  # of RGB values it would make other colours
            raise _lacks(path, "no grey and the photo's colour profile is one of grey")
        # `exact` keeps the colours under full transparency.
        options |= {"lossless": True, "exact": True, "exif": meta.all_exif(software, keep_metadata, dpi=True)}
        data = _encode(path, image.convert("RGBA" if image.mode.endswith("A") else "RGB"), "WEBP", options)
    elif suffix in LOSSY:
        if image.mode.endswith("A"):
            if photo.pixels[..., -1].min() < 255:
                raise _lacks(path, "no transparency and the photo has some")
            image = image.convert(image.mode[:-1])
        options |= {"quality": 95, "subsampling": 0, "exif": meta.all_exif(software, keep_metadata)}
        data = _encode(path, image, "JPEG", options | ({"dpi": _whole(meta.dpi)} if meta.dpi else {}))
    else:
        options |= {"pnginfo": meta.png(software, keep_metadata), "dpi": meta.dpi}
        if keep_metadata and meta.exif:
            options["exif"] = meta.all_exif(software, keep_metadata)
        data = _encode(path, image, "PNG", options)
    output.write_aside(path, data)


def _lacks(path: Path, what: str) -> UserError:
    kind = path.suffix.lstrip(".").upper()
    return UserError(f"cannot write {path}: {kind} holds {what}; use {path.with_suffix('.png').name}")


def _whole(dpi: tuple[float, float]) -> tuple[int, int]:
    return round(dpi[0]), round(dpi[1])


def _encode(path: Path, image: Image.Image, kind: str, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    try:
        image.save(buffer, kind, **options)
    except (OSError, ValueError) as e:  # a side over WEBP's 16383 px, metadata over a JPEG's 64 kB
        raise UserError(
            f"cannot write {path}: {one_line(e)}; use a .png of at most {pictures.MAX_PIXELS // 10**6} megapixels"
        ) from e
    return buffer.getvalue()
