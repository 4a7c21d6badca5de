"""A photo on the page: opened, its faces found, the attributes of one of them read."""

import functools
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw, ImageFont

from fec_jax.complete import faces, photos, place
from fec_jax.complete.completer import Completer
from fec_jax.complete.photos import Photo
from fec_jax.complete.place import Place
from fec_jax.io import formats, pictures
from fec_jax.types import UserError

SHOWN_PX = 1024
"""The longer side of photos as the browser gets them: their full size would only be slow."""
CANVAS = (1024, 680)
"""Width and height of the canvas that is brushed on, twice those on the screen. The photo fills it, centred; that it
always has one size spares the brush every rule about where a picture or a layer of another size would lie."""
CHOSEN, OTHER, HALO, MARGIN = (99, 102, 241), (255, 255, 255), (15, 23, 42), (248, 250, 252)


@dataclass(frozen=True)
class Opened:
    """photo    as its file holds it
    stem     of the file's name, without the ending
    where    the chosen face and all others; None: no face was found, the photo counts as an aligned crop
    read     each attribute's probability, read from the photo; empty if the weights cannot read
    hole     the last one that was filled, or None
    """

    photo: Photo
    stem: str
    where: Place | None
    read: dict[str, float]
    hole: Bool[np.ndarray, "h w"] | None = field(default=None, repr=False)

    @property
    def shown_size(self) -> tuple[int, int]:
        """(width, height) in the browser."""
        scale = min(1.0, SHOWN_PX / max(self.photo.size_px))
        w, h = (max(1, round(side * scale)) for side in self.photo.size_px)
        return w, h

    @property
    def canvas_box(self) -> tuple[int, int, int, int]:
        """Where the photo lies on the canvas: left, top, right, bottom."""
        w, h = self.photo.size_px
        scale = min(CANVAS[0] / w, CANVAS[1] / h)
        w, h = max(1, round(w * scale)), max(1, round(h * scale))
        left, top = (CANVAS[0] - w) // 2, (CANVAS[1] - h) // 2
        return left, top, left + w, top + h

    @functools.cached_property
    def before(self) -> Image.Image:
        """The photo at `shown_size`."""
        return Image.fromarray(self.photo.rgb).resize(self.shown_size, Image.Resampling.LANCZOS, reducing_gap=3)

    def with_hole(self, hole: Bool[np.ndarray, "h w"]) -> "Opened":
        """The same photo with another hole."""
        return replace(self, hole=hole)


def open_photo(completer: Completer, path: Path, name: str, max_pixels: int) -> Opened:
    """Reads the picture at `path`, that the user calls `name`, and the face with the largest box.

    Raises UserError: not a picture that can be used, or more than `max_pixels`.
    """
    try:
        check_pixels(path, max_pixels)
        photo = photos.read_photo(path)
    except UserError as e:
        raise UserError(str(e).replace(str(path), name)) from e
    found = faces.find(photo.rgb)
    largest = max(range(len(found)), key=lambda i: float(np.prod(found[i].box[2:])), default=None)
    opened = Opened(photo, Path(name).stem or "photo", None, {})
    return choose(completer, opened, None if largest is None else largest + 1)


def check_pixels(path: Path, max_pixels: int) -> None:
    """UserError if the picture says that it has more pixels. Looks at no pixel; damage is not its subject."""
    kinds = formats.readable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=kinds) as head:
                w, h = head.size
    except Image.DecompressionBombError:
        w = h = pictures.MAX_PIXELS
    except Exception:
        return
    if w * h > max_pixels:
        raise UserError(
            f"{path} has more than this page's limit of {max_pixels / 1e6:g} megapixels: make it smaller, "
            "or start the page with a larger --max-megapixels"
        )


def choose(completer: Completer, opened: Opened, number: int | None) -> Opened:
    """The same photo, with the `number`th face from the left (from 1) located and read; None: there is none."""
    rgb = opened.photo.rgb
    where = None
    if number is not None:
        where = place.locate(rgb, None, completer.alignment, completer.resolution_px, number=number)
    return replace(opened, where=where, read=completer.read(rgb, where), hole=None)


def outlined(opened: Opened) -> Image.Image:
    """What is shown under the brush, as large as `CANVAS`: the photo with its faces outlined; several are numbered."""
    left, top, right, bottom = opened.canvas_box
    image = Image.new("RGB", CANVAS, MARGIN)
    photo = Image.fromarray(opened.photo.rgb)
    image.paste(photo.resize((right - left, bottom - top), Image.Resampling.LANCZOS, reducing_gap=3), (left, top))
    if opened.where is None:
        return image
    draw = ImageDraw.Draw(image)
    scale = (right - left) / opened.photo.size_px[0]
    for number, face in enumerate(opened.where.faces, 1):
        chosen = number == opened.where.number
        x, y, w, h = (float(v) * scale for v in face.box)
        x, y = x + left, y + top
        colour, width = (CHOSEN, 4) if chosen else (OTHER, 3)
        draw.rounded_rectangle((x - 2, y - 2, x + w + 2, y + h + 2), 18, outline=HALO, width=width + 4)
        draw.rounded_rectangle((x, y, x + w, y + h), 16, outline=colour, width=width)
        if len(opened.where.faces) > 1:
            _tag(draw, x, y, str(number), colour)
    return image


def _tag(draw: ImageDraw.ImageDraw, x: float, y: float, text: str, colour: tuple[int, int, int]) -> None:
    """A number in a small box, on the upper left corner of an outline."""
    draw.rounded_rectangle((x, y, x + 40, y + 40), 12, fill=colour, outline=HALO, width=2)
    ink = OTHER if colour == CHOSEN else HALO
    draw.text((x + 20, y + 20), text, ink, ImageFont.load_default(28), anchor="mm")


def summary(opened: Opened) -> str:
    """One line about the photo: its faces, and what makes them hard."""
    w, h = opened.photo.size_px
    if opened.where is None:
        note = "No face found: the largest centred square counts as an aligned crop of one."
    elif len(opened.where.faces) == 1:
        note = "One face found."
    else:
        note = f"{len(opened.where.faces)} faces found: choose one."
    warned = [f"{warning[0].upper()}{warning[1:]}." for warning in (opened.where.warnings if opened.where else ())]
    return " ".join([f"{opened.stem}, {w} x {h} px.", note, *warned])


def read_picture(data: bytes) -> Image.Image:
    """A picture that the browser sent (a layer). UserError if it is none."""
    try:
        return pictures.open_picture(data, still=True)
    except pictures.PictureError as e:
        raise UserError(f"the brush layer that the browser sent cannot be used ({e}): reload the page") from e
