"""Pictures of weights for their model card: scikit-image's public-domain `astronaut`, and synthetic faces.

python experiments/card.py docs/portraits128.png
python experiments/card.py docs/portraits64.png --weights portraits64
python experiments/card.py other.png --weights runs/own

A row per face, at the network's own resolution: the photo, the hole (the centre square of three quarters of the side;
of half the side in the last row), completed with the photo's attributes, and with one attribute flipped per column.
Needs the extra `eval`, for the photo.
"""

import argparse
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from fec_jax.complete.completer import Completer
from fec_jax.data.synthetic.source import ATTRIBUTES, SyntheticFaces
from fec_jax.masks import holes
from fec_jax.metrics.extra import need
from fec_jax.train.writers import write_grid
from fec_jax.weights.format import Weights
from fec_jax.weights.load import weights_from

ASTRONAUT_BOX = (133, 19, 317, 203)  # eyes level, 0.24 of the width apart, at 0.45 of the height
ASTRONAUT_ATTRS = {"Male": 0, "Smiling": 1, "Eyeglasses": 0, "Young": 1, "Gray_Hair": 0, "No_Beard": 1, "Bald": 0}
SYNTHETIC = (3, 11)
TILE_PX = 128


def astronaut(px: int) -> UInt8[np.ndarray, "h h 3"]:
    """Eileen Collins, NASA, public domain."""
    photo = Image.fromarray(need("skimage.data").astronaut()).crop(ASTRONAUT_BOX)
    return np.asarray(photo.resize((px, px), Image.Resampling.BOX))


def rows(weights: Weights) -> tuple[list[list[UInt8[np.ndarray, "h h 3"]]], list[str]]:
    """The pictures, and the titles of the columns."""
    completer, px, names = Completer(weights), weights.meta.resolution_px, weights.meta.attribute_names
    synthetic, labels = SyntheticFaces(64, px, split="test").load(SYNTHETIC)
    faces = [(astronaut(px), ASTRONAUT_ATTRS, holes.WIDE)]
    faces += [
        (face, dict(zip(ATTRIBUTES, map(int, of), strict=True)), holes.WIDE)
        for face, of in zip(synthetic, labels, strict=True)
    ]
    faces += [(astronaut(px), ASTRONAUT_ATTRS, 0.5)]
    result = []
    for photo, of_photo, share in faces:
        hole = np.asarray(holes.center(px, share))[:, :, 0] > 0
        kept = {name: of_photo[name] for name in names}
        wanted = [kept, *({**kept, name: 1 - kept[name]} for name in names)]
        completed = [completer.complete(photo, hole, attrs, align="off").completed for attrs in wanted]
        result.append([photo, np.where(hole[:, :, None], np.uint8(128), photo), *completed])
    return result, ["photo", "hole", "completed", *(f"~{name}" for name in names)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the PNG to write")
    parser.add_argument("--weights", type=Path, help="a .safetensors file or a workdir; default: the shipped ones")
    args = parser.parse_args()
    pictures, titles = rows(weights_from(args.weights))
    write_grid(args.out, np.array(pictures), titles, tile_px=TILE_PX)


if __name__ == "__main__":
    main()
