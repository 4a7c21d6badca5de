"""Held-out figures of weights: what a training shows of itself, from a file, on a prepared data set or on drawn faces.

python experiments/heldout.py runs/congress64 --data data/congress64 --out figures.json

Centre squares of half and three quarters of the side; see `fec_jax.metrics.heldout` for what is measured, and how.
"""

import argparse
import json
from pathlib import Path

import jax

from fec_jax.data.source import Source, open_source
from fec_jax.data.synthetic import DrawnFaces
from fec_jax.metrics import heldout
from fec_jax.opening import predictor, weights_from
from fec_jax.train.viewing import report


def figures(weights_path: Path, train: Source, test: Source) -> dict[str, float]:
    """Figures of the weights and of the mean training face on the photos of `test`."""
    weights = weights_from(weights_path)
    g, px = predictor(weights), weights.meta.resolution_px
    photos, attrs = test.load(range(len(test)))
    result = heldout.reconstruction_figures(g, photos, attrs)
    baseline = heldout.reconstruction_figures(heldout.mean_face(train), photos, attrs)
    result |= {f"mean_face/{name}": value for name, value in baseline.items()}
    if weights.d_params is not None and weights.meta.attribute_names:
        d_params, discriminator = weights.d_params, weights.meta.build_discriminator()
        d = jax.jit(lambda x: discriminator.apply({"params": d_params}, x, 1.0, resolution_px=px)[1])
        result |= heldout.attribute_figures(g, d, photos, attrs, weights.meta.attribute_names)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a .safetensors file or a workdir")
    parser.add_argument("--data", help="what `fec prepare` wrote; default: 128 drawn faces")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args()
    px = weights_from(args.weights).meta.resolution_px
    if args.data:
        train, test = open_source(args.data, px, "train"), open_source(args.data, px, "test")
    else:
        train, test = DrawnFaces(2048, px, split="train"), DrawnFaces(128, px, split="test")
    result = figures(args.weights, train, test)
    report(result, lambda text, *values: print(text % values), resolution_px=px)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
