"""Average the generators of two weights files of one training run (stochastic weight averaging, arXiv 1803.05407).

python experiments/portraits128/average.py EARLIER LATER SHARE OUT

OUT, in float16, has (1 - SHARE) x EARLIER's generator + SHARE x LATER's; layers that EARLIER lacks are LATER's. Its
discriminator is LATER's, and so is all that it says of itself but the losses' networks and the splits seen, which are
of both.
"""

import argparse
import dataclasses
from pathlib import Path

import jax

from fec_jax.weights.format import Weights, load_weights, save_weights


def average(earlier: Weights, later: Weights, share: float) -> Weights:
    """`later`, with (1 - share) x the generator of `earlier` + share x its own."""
    mean = {
        name: jax.tree.map(lambda x, y: (1 - share) * x + share * y, earlier.g_params.get(name, layer), layer)
        for name, layer in later.g_params.items()
    }
    training = {
        **later.meta.training,
        "generator_averaged": {"with_kimg": earlier.meta.training["kimg"], "share": share},
    }
    meta = dataclasses.replace(
        later.meta,
        training=training,
        loss_networks=tuple(sorted({*earlier.meta.loss_networks, *later.meta.loss_networks})),
        splits=tuple(dict.fromkeys((*earlier.meta.splits, *later.meta.splits))),
    )
    return dataclasses.replace(later, g_params=mean, meta=meta)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("earlier", type=Path)
    parser.add_argument("later", type=Path)
    parser.add_argument("share", type=float)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    weights = average(load_weights(args.earlier), load_weights(args.later), args.share)
    print(save_weights(args.out, weights, "float16"))


if __name__ == "__main__":
    main()
