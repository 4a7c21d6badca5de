"""What the page does with an opened photo: holes, completions, contact sheets, the file to download.

Plain functions: nothing here knows the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from fec_jax.app.opened import CANVAS, Opened, read_picture
from fec_jax.complete import centred, photos, regions
from fec_jax.complete.completer import Completer, Result
from fec_jax.complete.metadata import mark
from fec_jax.complete.variations import ALL, tile, variations
from fec_jax.types import UserError

BRUSH = (244, 63, 94)
OPACITY = 0.55
"""Of the brush, so that what is under it stays in view."""
COVERED = 64
"""From this alpha on (of 255) a pixel of the layer is hole; the brush leaves 140."""
REGIONS = ("mouth", "eyes", "nose", "lower-face", "face")
NO_HOLE = "nothing to complete: brush over a part of the face, or choose one with a button"


@dataclass(frozen=True)
class Variant:
    """One cell of a contact sheet: what it shows, with which values, how well, and the face."""

    caption: str
    values: dict[str, float]
    score: float
    image: Image.Image


def hole_of(opened: Opened, layer: bytes | None) -> Bool[np.ndarray, "h w"]:
    """The brush's layer, a picture with alpha that covers the canvas, as a hole of the photo's size. None: no hole.

    Raises UserError: the layer is no such picture.
    """
    w, h = opened.photo.size_px
    if not layer:
        return np.zeros((h, w), bool)
    image = read_picture(layer)
    if "A" not in image.getbands():
        raise UserError("the brush layer that the browser sent has no alpha: reload the page")
    alpha = image.getchannel("A").resize(CANVAS, Image.Resampling.BILINEAR)
    alpha = alpha.resize((w, h), Image.Resampling.BILINEAR, box=opened.canvas_box)
    return np.asarray(alpha) >= COVERED


def layer_of(opened: Opened, hole: Bool[np.ndarray, "h w"]) -> Image.Image:
    """The hole as the brush would have painted it on the canvas."""
    left, top, right, bottom = opened.canvas_box
    share = Image.fromarray(hole.astype(np.uint8) * 255).resize((right - left, bottom - top), Image.Resampling.BILINEAR)
    inside = Image.fromarray((np.asarray(share) >= 128).astype(np.uint8) * 255)
    layer = Image.new("RGBA", CANVAS, (*BRUSH, 0))
    layer.paste((*BRUSH, round(255 * OPACITY)), (left, top), inside)
    return layer


def region(opened: Opened, name: str) -> Bool[np.ndarray, "h w"]:
    """A part of the chosen face, by its name. Raises UserError: it lies outside the photo."""
    w, h = opened.photo.size_px
    if opened.where is None:
        return regions.centred(name, h, w)
    return regions.region(name, opened.where.face, opened.where.square, h, w)


def kept_inside(opened: Opened, hole: Bool[np.ndarray, "h w"]) -> tuple[Bool[np.ndarray, "h w"], int]:
    """The part of the hole that the network can see, and how many pixels were outside of that.

    Raises UserError: nothing is left.
    """
    if not hole.any():
        raise UserError(NO_HOLE)
    h, w = hole.shape
    inside = np.zeros_like(hole)
    if opened.where is None:
        inside[centred.square(h, w)] = True
    else:
        rows, columns = opened.where.square.bounds(h, w)
        inside[rows, columns] = opened.where.square.covers(rows, columns)
    kept = hole & inside
    if not kept.any():
        raise UserError("the brush is too far from the chosen face for the network: brush nearer to it")
    if not (inside & ~hole).any():
        raise UserError("the brush covers all that the network sees of the face: leave some of it")
    return kept, int(hole.sum() - kept.sum())


def fill(completer: Completer, opened: Opened, values: Mapping[str, float]) -> Result:
    """Completes `opened.hole` with a value for every attribute. Raises UserError: no hole."""
    if opened.hole is None:
        raise UserError(NO_HOLE)
    return completer.fill(opened.photo.rgb, opened.hole, values, opened.where)


def vary(completer: Completer, opened: Opened, values: Mapping[str, float], which: str = ALL) -> list[Variant]:
    """A contact sheet: every attribute turned round, or one of them (`which`) in five steps, the others as set.

    Raises UserError: no hole, no attributes, or no such attribute.
    """
    variants = []
    for _, wanted in variations(which, values):
        result = fill(completer, opened, wanted)
        name = next((n for n in wanted if wanted[n] != values[n]), None) if which == ALL else which
        caption = "As set" if name is None else f"{spoken(name)} {wanted[name]:g}"
        variants.append(Variant(caption, wanted, result.score, Image.fromarray(tile(result.completed, result.square))))
    return variants


def spoken(name: str) -> str:
    """An attribute's name as words: `Gray_Hair` is Gray hair."""
    words = name.replace("_", " ").split()
    return " ".join([words[0], *(word.lower() for word in words[1:])]) if words else name


def shown(opened: Opened, result: Result) -> Image.Image:
    """The completed photo at the size that the browser shows."""
    return Image.fromarray(result.completed).resize(opened.shown_size, Image.Resampling.LANCZOS, reducing_gap=3)


def divider(result: Result) -> float:
    """Where "before" ends and "after" begins at first, in percent of the width: just left of the hole."""
    first = int(np.argmax(result.hole.any(axis=0)))
    return round(max(2.0, 100 * first / result.hole.shape[1] - 4), 1)


def write_result(folder: Path, opened: Opened, result: Result) -> Path:
    """The completed photo at its own size and depth, as `fec complete` writes it, with the provenance mark."""
    path = folder / f"{opened.stem}_completed.png"
    photos.write_photo(path, opened.photo.replaced(result.completed, result.hole), mark(result.attrs, result.score))
    return path


def write_preview(path: Path, image: Image.Image, values: Mapping[str, float], score: float) -> Path:
    """A completed picture for the browser; it has the provenance mark too, for the browser can save it."""
    photos.write_photo(path, photos.Photo(np.asarray(image), np.asarray(image)), mark(values, score))
    return path
