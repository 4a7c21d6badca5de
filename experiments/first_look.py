"""What the shipped weights do, before anything is trained: photos of people who do not exist, completed and edited.

python experiments/first_look.py OUT.png

A row per photo of `docs/photos`: the photo, its hole, the completion with the photo's own attributes, and two edits.
Every second photo is turned by 20 degrees and made smaller first: the face is found and aligned by itself.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from fec_jax import Completer, Result, load_shipped
from fec_jax.train.writers import write_grid
from fec_jax.types import HostImages

PHOTOS = Path(__file__).resolve().parent.parent / "docs" / "photos"
SIDE_PX = 160
TURN_DEGREES, SHRINK = 20, 0.8
REGION = "face"


def turned(photo: Image.Image) -> Image.Image:
    """The photo, smaller and turned, on a blurred copy of itself."""
    small = photo.resize([round(side * SHRINK) for side in photo.size], Image.Resampling.LANCZOS).convert("RGBA")
    small = small.rotate(TURN_DEGREES, Image.Resampling.BICUBIC, expand=True)
    canvas = photo.resize(small.size).filter(ImageFilter.GaussianBlur(photo.width / 16))
    canvas.paste(small, mask=small.getchannel("A"))
    return canvas


def shown(picture: np.ndarray) -> HostImages:
    return np.asarray(Image.fromarray(picture).resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS))


def row(completer: Completer, photo: np.ndarray) -> list[np.ndarray]:
    """Photo, hole, completion, and two edits of it."""
    own: Result = completer.complete(photo, REGION)
    masked = np.where(own.hole[..., None], np.uint8(128), photo)
    edits = ({"Smiling": 1 - round(own.attrs["Smiling"])}, {"Eyeglasses": 1})
    edited = [completer.complete(photo, REGION, edit).completed for edit in edits]
    return [shown(picture) for picture in (photo, masked, own.completed, *edited)]


def main(out: Path) -> None:
    completer, rows = Completer(load_shipped()), []
    for i, path in enumerate(sorted(PHOTOS.glob("*.jpg"))):
        with Image.open(path) as picture:
            photo = np.asarray(turned(picture) if i % 2 else picture)
        rows.append(row(completer, photo))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_grid(out, np.array(rows), ["photo", "hole", "completed", "other smile", "eyeglasses"], tile_px=SIDE_PX)
    print(f"Completed and edited, with the shipped weights: {out}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python experiments/first_look.py OUT.png")
    main(Path(sys.argv[1]))
