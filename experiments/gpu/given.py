"""What both sides are given: networks, weights and inputs, the same on every machine and device."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.bench import ours as bench
from experiments.bench.cases import NAMES, WIDTHS, config
from experiments.gpu_aot.aot import CONFIGS
from experiments.tpu_aot.compile_phase import phase_of
from fec_jax import schedule
from fec_jax.config.build import networks_only
from fec_jax.masks import holes
from fec_jax.nets.generator import Generator
from fec_jax.train.recipe import Batch, Clock
from fec_jax.train.run import Run

Inputs = tuple[np.ndarray, np.ndarray, np.ndarray]


def completion(name: str, px: int, batch: int, dtype: str) -> tuple[Generator, Any, Inputs]:
    """A generator of this width, its parameters, and what it completes: masked, mask, attributes. All on the host."""
    base, cap, latent = WIDTHS[name]
    g = Generator(max_px=px, base=base, cap=cap, num_attrs=len(NAMES), latent=latent, dtype=dtype)
    rng = np.random.default_rng(0)
    mask = np.broadcast_to(np.asarray(holes.center(px)), (batch, px, px, 1)).astype(np.float32)
    masked = rng.uniform(-1, 1, (batch, px, px, 3)).astype(np.float32) * (1 - mask)
    inputs = masked, mask, rng.integers(0, 2, (batch, len(NAMES))).astype(np.float32)
    shapes = jax.eval_shape(lambda key: g.init(key, *inputs, 1.0, resolution_px=px)["params"], jax.random.key(0))
    return g, jax.tree_util.tree_map_with_path(lambda path, x: weights(rng, path[-1].key, x.shape), shapes), inputs


def weights(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A parameter of that name: kernels as He et al. initialise them, scales of 1, small biases."""
    if name == "scale":
        return np.ones(shape, np.float32)
    deviation = math.sqrt(2 / math.prod(shape[:-1])) if name == "kernel" else 0.1
    return rng.standard_normal(shape, np.float32) * np.float32(deviation)


def step(name: str, px: int, batch: int, dtype: str) -> tuple[Run, schedule.Phase]:
    """The run of a config, and its last phase at `px`; of a width, without what the twin lacks."""
    if name in WIDTHS:
        run = bench.twins_run(name, px, batch, dtype)
        return run, run.phases[-1]
    run, phase = phase_of(CONFIGS[name], px)
    if (phase.batch, run.recipe.generator.dtype) != (batch, dtype):
        raise ValueError(f"{name} has a batch of {phase.batch} and {run.recipe.generator.dtype} at {px} px")
    return run, phase


def checked_step(name: str, px: int, batch: int) -> tuple[Run, schedule.Phase]:
    """A run with all that a training has, D's penalty too, in float32."""
    values = config(name, px, batch, 1.0)
    values["loss"]["r1_gamma"] = 1e-5
    run = networks_only(values, NAMES)
    return run, run.phases[-1]


def twins_step(name: str, px: int, batch: int, dtype: str) -> bench.Given:
    """What `bench.twins_inputs` takes from the first step of `fec_jax.estimate.cost.ready`, which is not compiled."""
    run, phase = step(name, px, batch, dtype)
    rng = np.random.default_rng(0)
    photos = Batch(
        real=rng.integers(0, 256, (phase.batch, px, px, 3), np.uint8),
        attrs=rng.integers(0, 2, (phase.batch, len(run.attribute_names)), np.uint8),
    )
    clock = Clock(jnp.float32(1), jnp.float32(phase.row.lr), jnp.int32(0), jax.random.key(0))
    constants = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), run.constants_shape())
    return bench.twins_inputs(run, photos, clock, constants)


def some(image: np.ndarray, most: int = 64) -> list[float]:
    """Values from all over an array, to compare it by."""
    flat = np.asarray(image, np.float32).ravel()
    return [float(x) for x in flat[:: max(1, len(flat) // most)]]
