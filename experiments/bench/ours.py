"""Our side of the benchmark: a completion or a training step to be timed, and the inputs of the twin."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.bench.cases import NAMES, WIDTHS, config
from fec_jax import xla_options
from fec_jax.config.build import networks_only
from fec_jax.estimate import cost
from fec_jax.masks import holes
from fec_jax.nets.generator import Generator
from fec_jax.train import examples
from fec_jax.train.recipe import Batch, Clock, Constants
from fec_jax.train.run import Run

Given = dict[str, Any]
Side = Callable[[], np.ndarray]


def completion(width: str, px: int, batch: int) -> tuple[Side, Given]:
    """One forward pass of G, its result in host memory."""
    base, cap, latent = WIDTHS[width]
    g = Generator(max_px=px, base=base, cap=cap, num_attrs=len(NAMES), latent=latent)
    rng = np.random.default_rng(0)
    real = rng.uniform(-1, 1, (batch, px, px, 3)).astype(np.float32)
    mask = np.broadcast_to(np.asarray(holes.center(px)), (batch, px, px, 1)).astype(np.float32)
    attrs = rng.integers(0, 2, (batch, len(NAMES))).astype(np.float32)
    inputs = tuple(map(jnp.asarray, (real * (1 - mask), mask, attrs)))
    params = jax.jit(lambda key: g.init(key, *inputs, 1.0, resolution_px=px)["params"])(jax.random.key(0))
    forward = jax.jit(lambda p, *x: g.apply({"params": p}, *x, 1.0, resolution_px=px))
    compiled = forward.lower(params, *inputs).compile(compiler_options=xla_options.options())
    given = {"params": params, "masked": inputs[0], "mask": mask, "attrs": attrs, "px": px}
    return lambda: np.asarray(compiled(params, *inputs)), jax.device_get(given)


def train_step(width: str, px: int, batch: int) -> tuple[Side, Given]:
    """D's and G's updates with all five losses; its result are G's and D's loss.

    Also samples masks, attributes and history; the twin receives them as inputs.
    """
    run = twins_run(width, px, batch, "float32")
    programs, (state, photos, clock, teachers) = cost.ready(run, run.phases[-1])
    given = twins_inputs(run, photos, clock, teachers)

    def step() -> np.ndarray:
        nonlocal state
        number = int(state.nimg) // batch
        state, metrics = programs(number, state, photos, clock, teachers)
        losses = np.array([metrics.g_loss, metrics.d_loss])
        jax.block_until_ready(state)
        return losses

    return step, given


def twins_run(width: str, px: int, batch: int, dtype: str) -> Run:
    """A run without what the twin lacks: penalty, augmentation, and examples from the history."""
    values = config(width, px, batch, 1.0)
    values["augment"]["mirror"] = False
    values["history"]["share"] = 0.0
    values["dtype"] = dtype
    return networks_only(values, NAMES)


def twins_inputs(run: Run, photos: Batch, clock: Clock, teachers: Constants) -> Given:
    """What the twin is given, of what the run's first step is given."""
    r, phase = run.recipe, run.phases[-1]
    ex = examples.make(
        photos.real, photos.attrs, jnp.arange(phase.batch), clock.seed, clock.alpha,
        sampler=r.sampler, mask_px=phase.resolution_px, augment=r.augment, keep_probability=r.keep_probability,
        most_flips=r.most_flips,
    )  # fmt: skip
    networks = run.new_state(phase)
    given = {"g": networks.g_params, "d": networks.d_params, "vgg": teachers.vgg, "real": ex.real, "mask": ex.mask}
    given = jax.device_get({**given, "attrs": ex.attrs, "wanted_attrs": ex.wanted_attrs})
    return {**given, "px": phase.resolution_px, "lambdas": r.lambdas}
