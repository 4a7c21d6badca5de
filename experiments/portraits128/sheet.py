"""A sheet of completions to look at: photo, hole, completion; the network's own pixels, without blending at the seam.

python experiments/portraits128/sheet.py PROVENANCE.csv OUT.jpg --data data/faces128 --source faker

PROVENANCE.csv has the columns image_id and source; the photos are those of the split that come from `--source`, in the
data's order. Holes take turns: centre square, wide square, thick strokes (`lama-thick`), of seed 0. Own attributes.
"""

import argparse
import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from fec_jax.data.source import open_source
from fec_jax.masks import sets as mask_sets
from fec_jax.metrics import subjects
from fec_jax.weights.load import predictor, weights_from

MASKS = ("center", "wide", "lama-thick")
GREY, GAP_PX, COLUMNS = 128, 8, 4


def sheet(rows: UInt8[np.ndarray, "n 3 h h 3"]) -> UInt8[np.ndarray, "y x 3"]:
    """The triples side by side, `COLUMNS` in a line."""
    blank = np.full((rows.shape[2], GAP_PX, 3), 255, np.uint8)
    triples = [np.concatenate([*row, blank], axis=1) for row in rows]
    triples += [np.full_like(triples[0], 255)] * (-len(triples) % COLUMNS)
    lines = [np.concatenate(triples[i : i + COLUMNS], axis=1) for i in range(0, len(triples), COLUMNS)]
    return np.concatenate(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("provenance", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", required=True, help="what `fec prepare` wrote, at the network's size")
    parser.add_argument("--source", action="append", required=True, help="may be repeated")
    parser.add_argument("--weights", type=Path, help="default: the shipped ones")
    parser.add_argument("--split", default="test")
    parser.add_argument("--count", type=int, default=20, help="at most so many photos, evenly chosen")
    args = parser.parse_args()
    weights = weights_from(args.weights)
    px = weights.meta.resolution_px
    with args.provenance.open(newline="") as file:
        of = {row["image_id"]: row["source"] for row in csv.DictReader(file)}
    source = open_source(args.data, px, args.split, weights.meta.attribute_names)
    found = [i for i, name in enumerate(source.ids(range(len(source)))) if of.get(name) in args.source]
    if not found:
        parser.error(f"no photo of {args.split} comes from {', '.join(args.source)}")
    found = [found[i * len(found) // args.count] for i in range(args.count)] if len(found) > args.count else found
    photos, attrs = source.load(found)
    masks = np.stack([mask_sets.make(MASKS[i % len(MASKS)], len(found), px, 0).of([i])[0] for i in range(len(found))])
    done = subjects.network(predictor(weights))(photos, masks, attrs)
    holes = np.where(masks > 0.5, np.uint8(GREY), photos)
    Image.fromarray(sheet(np.stack([photos, holes, done], axis=1))).save(args.out, quality=92, subsampling=0)


if __name__ == "__main__":
    main()
