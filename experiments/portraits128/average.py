"""Average the generators of two weights files of one training run (stochastic weight averaging, arXiv 1803.05407).

python experiments/portraits128/average.py EARLIER LATER SHARE OUT

OUT, in float16, has (1 - SHARE) x EARLIER's generator + SHARE x LATER's; its discriminator and all else are LATER's.
"""

import argparse
import dataclasses
from pathlib import Path

import jax
import numpy as np

from fec_jax.weights.format import load_weights, save_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("earlier", type=Path)
    parser.add_argument("later", type=Path)
    parser.add_argument("share", type=float)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    earlier, later = load_weights(args.earlier), load_weights(args.later)
    share = np.float32(args.share)
    average = jax.tree.map(lambda x, y: (1 - share) * x + share * y, earlier.g_params, later.g_params)
    averaged = {"with_kimg": earlier.meta.training["kimg"], "share": args.share}
    meta = dataclasses.replace(later.meta, training={**later.meta.training, "generator_averaged": averaged})
    print(save_weights(args.out, dataclasses.replace(later, g_params=average, meta=meta), "float16"))


if __name__ == "__main__":
    main()
