"""Held-out figures of weights, as a training logs them: on a prepared data set or on synthetic faces.

python experiments/heldout.py runs/congress64 --data data/congress64 --out figures.json
python experiments/heldout.py runs/quickstart --judge runs/judge.safetensors

Centre holes of half and three quarters of the side; `fec_jax.metrics.heldout` defines the figures. Attribute edits are
measured by D's own head or, on synthetic faces, by the sweeps' independent classifier (`experiments/sweeps/judge.py`).
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jax

from experiments.sweeps import judge as independent
from fec_jax.data.pooled import Pooled
from fec_jax.data.source import Source, open_source
from fec_jax.data.synthetic.source import SyntheticFaces
from fec_jax.metrics import heldout
from fec_jax.train.viewer import print_figures
from fec_jax.weights.load import predictor, weights_from


def figures(
    weights_path: Path, train: Source, test: Source, classify: heldout.Classify | None = None
) -> dict[str, float]:
    """Figures of the weights and of the mean training face on the photos of `test`. `classify`: default D's head."""
    weights = weights_from(weights_path)
    g, px = predictor(weights), weights.meta.resolution_px
    photos, attrs = test.load(range(len(test)))
    result = heldout.reconstruction_figures(g, photos, attrs)
    baseline = heldout.reconstruction_figures(heldout.mean_face(train), photos, attrs)
    result |= {f"mean_face/{name}": value for name, value in baseline.items()}
    if classify is None and weights.d_params is not None:
        d_params, discriminator = weights.d_params, weights.meta.build_discriminator()
        classify = jax.jit(lambda x: discriminator.apply({"params": d_params}, x, 1.0, resolution_px=px)[1])
    if classify is not None and weights.meta.attribute_names:
        result |= heldout.attribute_figures(g, classify, photos, attrs, weights.meta.attribute_names)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="a .safetensors file or a workdir")
    parser.add_argument("--data", help="what `fec prepare` wrote; default: 128 synthetic faces")
    parser.add_argument(
        "--judge", type=Path, help="for synthetic faces: the classifier's file, trained and written if missing"
    )
    parser.add_argument("--out", type=Path, help="JSON file to write")
    args = parser.parse_args()
    if args.judge and args.data:
        parser.error("--judge is for synthetic faces only: leave --data out")
    meta = weights_from(args.weights).meta
    px, names = meta.resolution_px, meta.attribute_names
    classify = independent.classify(px, args.judge) if args.judge else None
    if args.data:
        train, test = (open_source(args.data, px, split, names) for split in ("train", "test"))
    else:
        drawn = SyntheticFaces(2048, px, split="train"), SyntheticFaces(128, px, split="test")
        train, test = (Pooled(faces, px, names) for faces in drawn)
    result = figures(args.weights, train, test, classify)
    print_figures(result, lambda text, *values: print(text % values), resolution_px=px)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
