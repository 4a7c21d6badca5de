"""Train the `Offset` of weights, which learns where faces lie, and leave all else as it is.

python experiments/portraits128/learn_offset.py WEIGHTS OUT --data data/faces128

It begins with the one that WEIGHTS have; if they have none, from random parameters.

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

BATCH, WARMUP, WEIGHT_DECAY = 64, 200, 0.05
AVERAGE = 0.995
AUGMENT = {"shift": 0.0, "scale": 0.03}
"""Photos stay where they are until they are moved on purpose."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Steps, the highest rate, the share of photos that stay where they are, and the seed of what is drawn."""

    steps: int
    lr: float
    unmoved: float
    seed: int


def untrained() -> Params:
    """Random parameters of an `Offset`."""
    x = jnp.zeros((1, 64, 64, 3))
    return Offset().init(jax.random.key(0), x, x[..., :1])["params"]


def learn(params: Params, photos: HostImages, recipe: Recipe, plan: Plan) -> Params:
    """`params` of an `Offset`, trained on with these photos, averaged."""
    net, rng, seed = Offset(), np.random.default_rng(plan.seed), jax.random.key(plan.seed)
    average, steps = params, plan.steps
    rate = optax.warmup_cosine_decay_schedule(0, plan.lr, min(WARMUP, steps // 2), steps)
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

            return offsets.loss(of, ex, keys, plan.unmoved).mean()

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
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--unmoved", type=float, default=offsets.UNMOVED, help="share of photos that stay")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    weights = load_weights(args.weights)
    config: Any = get_config()
    config.data.path = args.data
    run = build.build(config)
    source = run.train_source(weights.meta.resolution_px)
    photos, _ = source.load(range(len(source)))
    plan = Plan(args.steps, args.lr, args.unmoved, args.seed)
    learnt = learn(weights.g_params.get("offset_64") or untrained(), photos, run.recipe, plan)
    print(save_weights(args.out, with_offset(weights, learnt), "float16"))


if __name__ == "__main__":
    main()
