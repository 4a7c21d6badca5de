"""Add to weights what another run learnt from the same beginning (task arithmetic, arXiv 2212.04089).

python experiments/portraits128/add.py WEIGHTS BEGINNING OTHER SHARE OUT

Each argument but SHARE is a weights file or a workdir. WEIGHTS and OTHER were both trained from BEGINNING, which is of
OTHER's size. OUT, in float32 for `config.init_from`, has WEIGHTS + SHARE x (OTHER - BEGINNING) in both networks; layers
that only WEIGHTS has, those of larger resolutions, stay.
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict, unflatten_dict

from fec_jax.types import UserError
from fec_jax.weights.format import Weights, save_weights
from fec_jax.weights.load import weights_from


def add(weights: Weights, beginning: Weights, other: Weights, share: float) -> Weights:
    """`weights` + share x (`other` - `beginning`), both networks. Raises UserError if they do not belong together."""
    metas = [x.meta for x in (weights, beginning, other)]
    for what in ("attribute_names", "alignment", "generator", "discriminator"):  # the latter: growth, skip, widths
        found = [getattr(meta, what) for meta in metas]
        if any(value != found[0] for value in found):
            raise UserError(f"the weights have different {what}: {found}")
    added = {"share": share, "kimg": other.meta.training.get("kimg")}
    meta = dataclasses.replace(
        weights.meta,
        training={**weights.meta.training, "added": added},
        loss_networks=tuple(sorted({*weights.meta.loss_networks, *other.meta.loss_networks})),
        splits=tuple(dict.fromkeys((*weights.meta.splits, *other.meta.splits))),
    )
    return dataclasses.replace(
        weights,
        meta=meta,
        g_params=_added(weights.g_params, beginning.g_params, other.g_params, share),
        d_params=_added(weights.d_params, beginning.d_params, other.d_params, share),
    )


def _added(params: Any, beginning: Any, other: Any, share: float) -> Any:
    flat, was, now = (dict[str, Any](flatten_dict(tree or {}, sep="/")) for tree in (params, beginning, other))
    shapes, shapes_was, shapes_now = ({name: x.shape for name, x in tree.items()} for tree in (flat, was, now))
    if not was or shapes_was != shapes_now:
        raise UserError("BEGINNING and OTHER have other layers, or one has no discriminator")
    if not shapes_was.items() <= shapes.items():
        raise UserError("WEIGHTS lack layers of BEGINNING, or have them in another width: they did not come from it")
    return unflatten_dict({n: x + share * (now[n] - was[n]) if n in was else x for n, x in flat.items()}, sep="/")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("weights", "beginning", "other"):
        parser.add_argument(name, type=Path)
    parser.add_argument("share", type=float)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    weights = add(weights_from(args.weights), weights_from(args.beginning), weights_from(args.other), args.share)
    print(save_weights(args.out, weights))


if __name__ == "__main__":
    main()
