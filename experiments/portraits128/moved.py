"""What it costs that a photo is not aligned exactly: test photos moved or scaled, the centre hole where it was.

python experiments/portraits128/moved.py portraits128 --data data/faces128

Photos are moved by `--share` of the side in four directions, in whole pixels, and scaled about the centre by as much
down and up; the border is repeated. Prints a Markdown table: means over the photos of the split. *Moved back*: the
moved photo and its hole moved back before they are completed, as if the move were known.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from fec_jax.complete.opencv import cv2
from fec_jax.data.source import open_source
from fec_jax.masks import sets as mask_sets
from fec_jax.metrics import perceptual, pixel, subjects
from fec_jax.types import HostImages, HostMasks
from fec_jax.weights.load import predictor, weights_from

BATCH = 16


def placed(photos: HostImages | HostMasks, right_px: float, down_px: float, times: float = 1.0) -> np.ndarray:
    """Photos or masks scaled about their centre, then moved."""
    h, w = photos.shape[1:3]
    matrix = np.array(
        [[times, 0, (1 - times) * (w - 1) / 2 + right_px], [0, times, (1 - times) * (h - 1) / 2 + down_px]]
    )
    how = {"flags": cv2().INTER_LINEAR, "borderMode": cv2().BORDER_REPLICATE}
    return np.stack([cv2().warpAffine(photo, matrix, (w, h), **how) for photo in photos]).reshape(photos.shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a .safetensors file, a workdir, or the name of shipped weights")
    parser.add_argument("--data", required=True, help="what `fec prepare` wrote, at the network's size")
    parser.add_argument("--share", type=float, default=0.03)
    parser.add_argument("--split", default="test")
    args = parser.parse_args()
    weights = weights_from(args.weights)
    px = weights.meta.resolution_px
    source = open_source(args.data, px, args.split, weights.meta.attribute_names)
    photos, attrs = source.load(range(len(source)))
    masks = mask_sets.make("center", len(photos), px, 0).masks
    complete, by = subjects.network(predictor(weights), BATCH), round(args.share * px)
    cases = {
        "as it is": (0, 0, 1.0),
        "right": (by, 0, 1.0),
        "left": (-by, 0, 1.0),
        "down": (0, by, 1.0),
        "up": (0, -by, 1.0),
        "smaller": (0, 0, 1 - args.share),
        "larger": (0, 0, 1 + args.share),
    }
    print("| photo | PSNR, dB | LPIPS (VGG16) | moved back: PSNR, dB | LPIPS (VGG16) |\n|---|---|---|---|---|")
    for name, case in cases.items():
        moved = placed(photos, *case)
        cells = [name, *figures(complete(moved, masks, attrs), moved, masks)]
        if case[2] == 1.0:
            right_px, down_px = case[:2]
            moved_back, hole_back = (placed(maps, -right_px, -down_px) for maps in (moved, masks))
            done = placed(complete(moved_back, hole_back, attrs), right_px, down_px)
            cells += figures(np.where(masks > 0, done, moved), moved, masks)
        else:
            cells += ["-", "-"]
        print(f"| {' | '.join(cells)} |", flush=True)


def figures(done: HostImages, photos: HostImages, masks: HostMasks) -> list[str]:
    """Means over the photos, as cells of the table."""
    psnr, lpips = pixel.host_psnr(done, photos, masks).mean(), perceptual.lpips(photos, done, BATCH).mean()
    return [f"{psnr:.2f}", f"{lpips:.4f}"]


if __name__ == "__main__":
    main()
