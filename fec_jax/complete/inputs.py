"""Photos and masks as callers have them: paths, PIL images and arrays.

| given           | as a photo                                                 | as a mask                        |
| --------------- | ---------------------------------------------------------- | -------------------------------- |
| a path          | upright (EXIF), in sRGB, over white, as `fec complete` does | white marks the hole, likewise  |
| a PIL image     | likewise; not of mode I, F or LAB                          | likewise                         |
| an uint8 array  | RGB [h, w, 3]                                              | [h, w]: 128 and above, or just 1 |
| a bool array    | refused                                                    | [h, w]: true in the hole         |
| another array   | refused: its range is not known                            | refused                          |
| a name          | a path                                                     | a part of the face (`regions`)   |
"""

import os
from pathlib import Path
from typing import Any, get_args

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from fec_jax.complete import photos
from fec_jax.complete.regions import Region
from fec_jax.io import mask_files, pictures
from fec_jax.types import UserError

PhotoLike = np.ndarray | Image.Image | str | Path
MaskLike = np.ndarray | Image.Image | str | Path


def photo(given: Any) -> UInt8[np.ndarray, "h w 3"]:
    """The photo as the network sees it: sRGB. UserError: neither path, PIL image nor uint8 [h, w, 3]; unreadable."""
    if isinstance(given, str | os.PathLike):
        return photos.read_photo(Path(given)).rgb
    if isinstance(given, Image.Image):
        return pictures.seen(_opened(given, "photo"))
    array = _array(given, "photo", "uint8 [height, width, 3]")
    if array.dtype != np.uint8:
        raise UserError(f"the photo is an array of {array.dtype}: give sRGB as uint8, 0 to 255{_scaled(array)}")
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise UserError(
            f"the photo is an array of shape {array.shape}: give RGB as [height, width, 3], "
            "or grey and transparent photos as PIL images"
        )
    return array


def region_name(mask: Any) -> str:
    """The part of the face that `mask` names; empty for a path and all else."""
    named = isinstance(mask, str) and (mask in get_args(Region) or not _like_a_path(mask))
    return mask if named else ""


def hole(given: Any, photo: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """True in the hole of `photo` (as `photo` gives it). UserError: another kind or size, a picture, unreadable."""
    if isinstance(given, Image.Image | str | os.PathLike):
        size, seen = (photo.shape[1], photo.shape[0]), photos.Photo(photo, photo)
        if isinstance(given, Image.Image):
            return photos.hole_of(mask_files.mask_of(_opened(given, "mask")), "the mask", size, photo=seen)
        return photos.read_mask(Path(given), size, photo=seen)
    array = _array(given, "mask", "bool or uint8 [height, width]")
    if array.dtype not in (np.bool_, np.uint8):
        raise UserError(f"the mask is an array of {array.dtype}: give bool, true in the hole, or uint8 with 255 there")
    if array.ndim != 2:
        raise UserError(f"the mask is an array of shape {array.shape}: give [height, width]")
    if array.shape != photo.shape[:2]:
        raise UserError(f"mask {array.shape} and photo {photo.shape[:2]} differ in (height, width): they must be equal")
    return array if array.dtype == np.bool_ else array >= (1 if array.max() == 1 else 128)


def _array(given: Any, what: str, wanted: str) -> np.ndarray:
    if not hasattr(given, "dtype") or not hasattr(given, "shape"):
        raise UserError(f"the {what} is a {type(given).__name__}: give a path, a PIL image or an array, {wanted}")
    return np.asarray(given)


def _scaled(array: np.ndarray) -> str:
    """How to get there."""
    if array.dtype == np.uint16:
        return ", e.g. (photo // 257).astype('uint8')"
    return ", e.g. (photo * 255).round().astype('uint8') if it is from 0 to 1" if array.dtype.kind == "f" else ""


def _opened(image: Image.Image, what: str) -> Image.Image:
    try:
        return pictures.taken(image)
    except pictures.PictureError as error:
        raise UserError(f"cannot use the {what} ({error}): {error.advice}") from error


def _like_a_path(text: str) -> bool:
    return bool(Path(text).suffix) or os.sep in text or os.path.exists(text)
