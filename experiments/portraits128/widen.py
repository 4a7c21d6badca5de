"""Widen the generator of a weights file: the same function, with more channels to learn with.

python experiments/portraits128/widen.py WEIGHTS BASE CAP OUT

As Net2Net (arXiv 1511.05641), but new channels begin as random ones that nothing looks at yet, not as copies: what they
give to the old channels and to pixels starts at 0. The discriminator stays. OUT is in float16.
"""

import argparse
import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from fec_jax.weights.format import Weights, load_weights, save_weights

POSITIONS_AT_4_PX = 16


def widen(weights: Weights, base: int, cap: int, seed: int = 0) -> Weights:
    """`weights` with a generator of these widths (`config.generator.base`, `cap`), at least as large as its own.

    Raises ValueError if a layer would be narrower.
    """
    meta = dataclasses.replace(weights.meta, generator={**weights.meta.generator, "base": base, "cap": cap})
    attrs = jnp.zeros((1, len(meta.attribute_names)))
    new = meta.build_generator().init(
        jax.random.key(seed), jnp.zeros((1, 4, 4, 3)), jnp.zeros((1, 4, 4, 1)), attrs, 1.0, resolution_px=4
    )["params"]
    was = flatten_dict(weights.g_params)
    grown = {path: _grown(path, np.asarray(was[path]), np.array(value)) for path, value in flatten_dict(new).items()}
    return dataclasses.replace(weights, g_params=unflatten_dict(grown), meta=meta)


def _grown(path: tuple[str, ...], old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """`old` in the corner of `new`, whose new inputs give nothing to the old outputs."""
    if old.shape == new.shape:
        return old
    shape = new.shape
    # Between 4 x 4 maps and vectors: channels are the inner part of an axis.
    if path[:2] == ("to_latent", "kernel"):
        old, new = (x.reshape(POSITIONS_AT_4_PX, -1, x.shape[-1]) for x in (old, new))
    elif path[0] == "from_latent":
        old, new = (x.reshape(*x.shape[:-1], POSITIONS_AT_4_PX, -1) for x in (old, new))
    if any(a > b for a, b in zip(old.shape, new.shape, strict=True)):
        raise ValueError(f"{'/'.join(path)} of {old.shape} would become {new.shape}: give a larger BASE or CAP")
    if new.ndim > 1:
        new[..., : old.shape[-1]] = 0
    new[tuple(slice(n) for n in old.shape)] = old
    return new.reshape(shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("base", type=int)
    parser.add_argument("cap", type=int)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    print(save_weights(args.out, widen(load_weights(args.weights), args.base, args.cap), "float16"))


if __name__ == "__main__":
    main()
