"""The state of a run from step to step: what a checkpoint holds."""

import dataclasses
import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.core import Tracer

from fec_jax import xla_options
from fec_jax.nets.discriminator import Discriminator
from fec_jax.nets.generator import Generator
from fec_jax.schedule import Phase
from fec_jax.train import history
from fec_jax.train.optimizers import Adam
from fec_jax.types import Params


@flax.struct.dataclass
class State:
    """nimg: images seen, int32 []. g_ema: average of `g_params`. history: split over devices, all else replicated."""

    nimg: Any
    g_params: Params
    d_params: Params
    g_ema: Params
    g_opt: optax.OptState
    d_opt: optax.OptState
    history: history.History


def init_params(seed: int, generator: Generator, discriminator: Discriminator) -> tuple[Params, Params]:
    """Random parameters of both networks, all resolutions; a function of the seed alone."""
    k_g, k_d = jax.random.split(jax.random.key(seed))
    x, attrs = jnp.zeros((1, 4, 4, 3)), jnp.zeros((1, generator.num_attrs))
    # Options are for what is compiled now, not for a part of another program.
    jit = functools.partial(jax.jit, compiler_options=None if isinstance(k_g, Tracer) else xla_options.unoptimised())
    g = jit(lambda k: generator.init(k, x, x[..., :1], attrs, 1.0, resolution_px=4))(k_g)
    d = jit(lambda k: discriminator.init(k, x, 1.0, resolution_px=4))(k_d)
    return g["params"], d["params"]


def create(
    seed: int, generator: Generator, discriminator: Discriminator, g_adam: Adam, d_adam: Adam, phase: Phase, depth: int
) -> State:
    """The state before the first step."""
    g_params, d_params = init_params(seed, generator, discriminator)
    return State(
        nimg=jnp.zeros((), jnp.int32),
        g_params=g_params,
        d_params=d_params,
        g_ema=jax.tree.map(jnp.copy, g_params),
        g_opt=g_adam.transform().init(g_params),
        d_opt=d_adam.transform().init(d_params),
        history=history.empty(phase.batch, depth, phase.resolution_px),
    )


def enter(state: State, phase: Phase, g_adam: Adam, d_adam: Adam, depth: int) -> State:
    """The state with which `phase` begins, from the one with which the phase before ended.

    Where the networks grow, the optimisers and the history are reset: old statistics describe another network, and
    completions of another resolution cannot be shown to D. Otherwise nothing changes.
    """
    if not phase.grows:
        return state
    return dataclasses.replace(
        state,
        g_opt=g_adam.transform().init(state.g_params),
        d_opt=d_adam.transform().init(state.d_params),
        history=history.empty(phase.batch, depth, phase.resolution_px),
    )
