"""Held-out figures of weights: what a training shows of itself, from a file, on a prepared data set or on drawn faces.

python experiments/heldout.py runs/congress64 --data data/congress64 --out figures.json
python experiments/heldout.py runs/quickstart --judge runs/judge.safetensors

Centre squares of half and three quarters of the side; see `fec_jax.metrics.heldout` for what is measured, and how.
Wishes are judged by D's own head or, on drawn faces, by the sweeps' independent judge (`experiments/sweeps/judge.py`).
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jax

from experiments.sweeps import judge as drawn_judge
from fec_jax.data.source import Source, open_source
from fec_jax.data.synthetic.source import SyntheticFaces
from fec_jax.metrics import heldout
from fec_jax.train.viewer import print_figures
from fec_jax.weights.load import predictor, weights_from


def figures(weights_path: Path, train: Source, test: Source, judge: heldout.Classify | None = None) -> dict[str, float]:
    """Figures of the weights and of the mean training face on the photos of `test`. Without a judge, D judges."""
    weights = weights_from(weights_path)
    g, px = predictor(weights), weights.meta.resolution_px
    photos, attrs = test.load(range(len(test)))
    result = heldout.reconstruction_figures(g, photos, attrs)
    baseline = heldout.reconstruction_figures(heldout.mean_face(train), photos, attrs)
    result |= {f"mean_face/{name}": value for name, value in baseline.items()}
    if judge is None and weights.d_params is not None:
        d_params, discriminator = weights.d_params, weights.meta.build_discriminator()
        judge = jax.jit(lambda x: discriminator.apply({"params": d_params}, x, 1.0, resolution_px=px)[1])
    if judge is not None and weights.meta.attribute_names:
        result |= heldout.attribute_figures(g, judge, photos, attrs, weights.meta.attribute_names)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a .safetensors file or a workdir")
    parser.add_argument("--data", help="what `fec prepare` wrote; default: 128 drawn faces")
    parser.add_argument(
        "--judge", type=Path, help="for drawn faces: the judge's file, trained and written if not there"
    )
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args()
    if args.judge and args.data:
        parser.error("--judge knows drawn faces only: leave --data out")
    px = weights_from(args.weights).meta.resolution_px
    judge = drawn_judge.classify(px, args.judge) if args.judge else None
    if args.data:
        train, test = open_source(args.data, px, "train"), open_source(args.data, px, "test")
    else:
        train, test = SyntheticFaces(2048, px, split="train"), SyntheticFaces(128, px, split="test")
    result = figures(args.weights, train, test, judge)
    print_figures(result, lambda text, *values: print(text % values), resolution_px=px)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
