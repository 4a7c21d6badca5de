"""What weights of a smaller size give in crops of a larger one: completed small, enlarged, pasted into the photo.

python experiments/portraits128/enlarged.py portraits64 --data data/faces128 --resolution 128

The larger photos' own masks (of seed 0, those of `fec evaluate`); a pixel of the small network is hole where any pixel
under it is. `--data` must be prepared at both sizes. Prints a Markdown table: means over the photos of the split.
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

MASKS = ("center", "wide", "paper", "lama-thick")
BATCH = 16


def enlarged(completed: HostImages, photos: HostImages, masks: HostMasks) -> HostImages:
    """Small completions, enlarged (bicubic) to the photos' size, in the holes of the photos."""
    size = photos.shape[2], photos.shape[1]
    large = np.stack([cv2().resize(image, size, interpolation=cv2().INTER_CUBIC) for image in completed])
    return np.where(masks > 0.5, large, photos)


def shrunk(masks: HostMasks, px: int) -> HostMasks:
    """Masks at `px`: 1 where any pixel is."""
    n, by = len(masks), masks.shape[1] // px
    return masks.reshape(n, px, by, px, by, 1).max(axis=(2, 4))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a .safetensors file, a workdir, or the name of shipped weights")
    parser.add_argument("--data", required=True, help="what `fec prepare` wrote, at both sizes")
    parser.add_argument("--resolution", type=int, required=True, help="the larger size, in pixels")
    parser.add_argument("--split", default="test")
    args = parser.parse_args()
    weights = weights_from(args.weights)
    px, names = weights.meta.resolution_px, weights.meta.attribute_names
    source = open_source(args.data, args.resolution, args.split, names)
    photos, attrs = source.load(range(len(source)))
    small, _ = open_source(args.data, px, args.split, names).load(range(len(source)))
    complete = subjects.network(predictor(weights), BATCH)
    print("| masks | PSNR, dB | LPIPS (VGG16) | LPIPS (AlexNet) |\n|---|---|---|---|")
    for name in MASKS:
        masks = mask_sets.make(name, len(photos), args.resolution, 0).masks
        done = enlarged(complete(small, shrunk(masks, px), attrs), photos, masks)
        figures = [f"{pixel.host_psnr(done, photos, masks).mean():.2f}"]
        figures += [f"{how(photos, done, BATCH).mean():.4f}" for how in (perceptual.lpips, perceptual.lpips_alex)]
        print(f"| {name} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
