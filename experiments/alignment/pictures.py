"""The pictures of this folder and of the docs: the astronaut as it is, and photos of people who do not exist.

python experiments/alignment/pictures.py docs/faces.png
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from fec_jax.complete import regions
from fec_jax.complete.completer import Completer
from fec_jax.complete.variations import sheet, shown, tile
from fec_jax.weights.shipped import load_shipped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    photo, completer = data.astronaut(), Completer(load_shipped())
    holes = {"mouth": "mouth", "eyes": "eyes", "wide box": regions.box(172, 72, 104, 104, *photo.shape[:2])}
    tiles, titles = [], []
    for name, hole in holes.items():
        result = completer.complete(photo, hole)
        glasses = completer.complete(photo, hole, {"Eyeglasses": 1})
        smile = completer.complete(photo, hole, {"Smiling": 0})
        pictures = [photo, shown(photo, result.hole), result.completed, glasses.completed, smile.completed]
        tiles += [tile(x, result.square) for x in pictures]
        titles += ["photo", name, f"completed, score {result.score:.2f}", "Eyeglasses=1", "Smiling=0"]
    Image.fromarray(np.asarray(sheet(tiles, titles))).save(args.out, optimize=True)


if __name__ == "__main__":
    main()
