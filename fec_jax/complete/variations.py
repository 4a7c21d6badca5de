"""Contact sheets of edits: the same hole, completed with different attributes."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw

from fec_jax.complete.align import Square
from fec_jax.types import UserError

ALL = "all"
STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
TILE_PX = 256
PER_ROW = 5


def variations(which: str, values: Mapping[str, float]) -> list[tuple[str, dict[str, float]]]:
    """Titles and attributes' values. `all`: as `values` are, then each attribute flipped; a name: in five steps.

    Raises UserError: not one of the names, or `all` for weights without attributes.
    """
    if which == ALL:
        if not values:
            raise UserError("--vary all: these weights have no attributes; drop --vary")
        flipped = {name: 0 if value >= 0.5 else 1 for name, value in values.items()}
        edits = [(f"{name}={value}", {**values, name: value}) for name, value in flipped.items()]
        return [("completed", dict(values)), *edits]
    if which not in values:
        raise UserError(f"--vary {which}: write all or one of {', '.join(values) or 'none'}")
    return [(f"{which}={step:g}", {**values, which: step}) for step in STEPS]


def tile(picture: UInt8[np.ndarray, "h w 3"], square: Square) -> UInt8[np.ndarray, "t t 3"]:
    """The face and its surroundings, as they lie in the photo, on a tile of `TILE_PX`; white beyond the photo."""
    rows, columns = square.bounds(*picture.shape[:2])
    part = Image.fromarray(np.ascontiguousarray(picture[rows, columns]))
    scale = TILE_PX / max(part.size)
    size = max(1, round(part.width * scale)), max(1, round(part.height * scale))
    sheet = Image.new("RGB", (TILE_PX, TILE_PX), "white")
    sheet.paste(part.resize(size, Image.Resampling.LANCZOS), ((TILE_PX - size[0]) // 2, (TILE_PX - size[1]) // 2))
    return np.asarray(sheet)


def shown(photo: UInt8[np.ndarray, "h w 3"], hole: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """The photo with its hole in grey."""
    return np.where(hole[..., None], np.uint8(128), photo)


def sheet(tiles: list[UInt8[np.ndarray, "t t 3"]], titles: list[str]) -> UInt8[np.ndarray, "H W 3"]:
    """Tiles in rows of five, each under its title."""
    gap, head = 4, 18
    rows = -(-len(tiles) // PER_ROW)
    columns = min(PER_ROW, len(tiles))
    picture = Image.new("RGB", (columns * (TILE_PX + gap) + gap, rows * (TILE_PX + head + gap) + gap), "white")
    draw = ImageDraw.Draw(picture)
    for i, (one, title) in enumerate(zip(tiles, titles, strict=True)):
        y, x = (i // PER_ROW) * (TILE_PX + head + gap) + gap, (i % PER_ROW) * (TILE_PX + gap) + gap
        draw.text((x + 2, y + 2), title[:40], fill="black")
        picture.paste(Image.fromarray(one), (x, y + head))
    return np.asarray(picture)
