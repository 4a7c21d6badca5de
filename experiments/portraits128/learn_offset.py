"""Give weights without an `Offset` one that has learnt where faces lie, and leave all else as it is.

python experiments/portraits128/learn_offset.py WEIGHTS OUT --data data/faces128

As in a training of `configs/portraits128.py` (the same photos, masks, colours and loss, `train.offsets`), but nothing
else of G is run, so that a step of 64 photos takes a third of a second on two CPU cores. OUT is in float16.
"""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs.portraits128 import get_config
from fec_jax.config import build
from fec_jax.nets.offset import Offset
from fec_jax.train import examples, offsets
from fec_jax.train.recipe import Recipe
from fec_jax.types import HostImages, Params
from fec_jax.weights.format import Weights, load_weights, save_weights

BATCH, WARMUP, LR, WEIGHT_DECAY = 64, 200, 2e-3, 0.05
AVERAGE = 0.995
AUGMENT = {"shift": 0.0, "scale": 0.03}
"""Photos stay where they are until they are moved on purpose."""


def learn(photos: HostImages, recipe: Recipe, steps: int) -> Params:
    """The parameters of an `Offset`, averaged, after so many steps with these photos."""
    net, rng, seed = Offset(), np.random.default_rng(0), jax.random.key(5)
    x = jnp.zeros((1, 64, 64, 3))
    params = average = net.init(jax.random.key(0), x, x[..., :1])["params"]
    rate = optax.warmup_cosine_decay_schedule(0, LR, min(WARMUP, steps // 2), steps)
    optimizer = optax.adamw(rate, weight_decay=WEIGHT_DECAY)
    opt = optimizer.init(params)
    augment = dataclasses.replace(recipe.augment, **AUGMENT)

    @jax.jit
    def step(params, opt, average, real, number):
        stream = number * BATCH + jnp.arange(BATCH)
        none = jnp.zeros((BATCH, 0), jnp.uint8)
        ex = examples.make(
            real, none, stream, seed, jnp.ones(()), sampler=recipe.sampler, mask_px=recipe.mask_px, augment=augment
        )
        keys = examples.keys(seed, examples.Purpose.OFFSET, stream)

        def loss(params):
            def of(masked, mask) -> Any:
                return net.apply({"params": params}, masked, mask)

            return offsets.loss(of, ex, keys).mean()

        value, grads = jax.value_and_grad(loss)(params)
        updates, opt = optimizer.update(grads, opt, params)
        params = optax.apply_updates(params, updates)
        average = jax.tree.map(lambda a, p: AVERAGE * a + (1 - AVERAGE) * p, average, params)
        return params, opt, average, value

    for number in range(steps):
        real = photos[rng.integers(0, len(photos), BATCH)]
        params, opt, average, value = step(params, opt, average, real, jnp.int32(number))
        if number % 500 == 499:
            print(f"{number + 1} steps: loss {value:.2f}", flush=True)
    return jax.device_get(average)


def with_offset(weights: Weights, params: Params) -> Weights:
    """`weights` with such an `Offset`."""
    meta = dataclasses.replace(weights.meta, generator={**weights.meta.generator, "offset": True})
    return dataclasses.replace(weights, g_params={**weights.g_params, "offset_64": params}, meta=meta)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", required=True, help="what `fec prepare` wrote, at the network's size")
    parser.add_argument("--steps", type=int, default=3000)
    args = parser.parse_args()
    weights = load_weights(args.weights)
    config: Any = get_config()
    config.data.path = args.data
    run = build.build(config)
    source = run.train_source(weights.meta.resolution_px)
    photos, _ = source.load(range(len(source)))
    print(save_weights(args.out, with_offset(weights, learn(photos, run.recipe, args.steps)), "float16"))


if __name__ == "__main__":
    main()
