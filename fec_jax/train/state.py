"""The state of a run from step to step: what a checkpoint holds."""

import dataclasses
import functools
from collections.abc import Callable
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
from fec_jax.train import flat, history
from fec_jax.train.optimizers import Adam
from fec_jax.train.recipe import Recipe
from fec_jax.types import Params


@flax.struct.dataclass
class State:
    """nimg: images seen, int32 []. g_ema: average of `g_params`. history: split over devices, all else replicated.

    Parameters, their average and the optimisers' moments: by name, of all layers, as checkpoints hold them; or vectors
    of the layers born at a resolution, as its steps take and give them. `Packing` makes one of the other.
    """

    nimg: Any
    g_params: Any
    d_params: Any
    g_ema: Any
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


def networks(recipe: Recipe, resolution_px: int) -> tuple[flat.Network, flat.Network]:
    """G and D at a resolution, as functions of the vectors that a packed state has."""
    modules: Any = recipe.generator, recipe.discriminator
    kernels = recipe.kernels or flat.wanted_kernels()
    layouts = (flat.Layout.of(shapes, resolution_px, kernels) for shapes in _shapes(*modules))
    g, d = (flat.Network(*pair, resolution_px) for pair in zip(modules, layouts, strict=True))
    return g, d


@functools.cache
def _shapes(generator: Generator, discriminator: Discriminator) -> tuple[Params, Params]:
    return jax.eval_shape(lambda: init_params(0, generator, discriminator))


class Packing:
    """A state by name, and as vectors of what is born at a resolution."""

    def __init__(self, recipe: Recipe, resolution_px: int):
        self._g, self._d = (network.layout for network in networks(recipe, resolution_px))
        self._resolution_px = resolution_px

    def packed(self, state: State) -> tuple[State, State]:
        """The vectors, on the host; and what is not born yet, by name: `named` wants it back."""

        def later(tree: Params) -> Params:
            return jax.device_get(flat.unborn(tree, self._resolution_px))

        return _changed(self._g.vector, self._d.vector, state), _changed(later, later, state)

    def named(self, packed: State, later: State) -> State:
        """All layers by name, on the host."""
        of_g, of_d = (
            lambda vector, rest, layout=layout: {**layout.named(vector), **rest} for layout in (self._g, self._d)
        )
        return _changed(of_g, of_d, packed, later)

    def shape(self, state: State) -> State:
        """The shapes of `packed`, of those of a state by name."""
        g, d = (jax.ShapeDtypeStruct((layout.size,), jnp.float32) for layout in (self._g, self._d))
        return _changed(lambda _: g, lambda _: d, state)


def _changed(of_g: Callable[..., Any], of_d: Callable[..., Any], *states: State) -> State:
    """The first state, with functions of all states' parts for what has the structure of G's or D's parameters."""

    def parts(name: str) -> list[Any]:
        return [getattr(state, name) for state in states]

    def moments(function: Callable[..., Any], name: str) -> Any:
        opts = parts(name)
        return opts[0]._replace(mu=function(*(opt.mu for opt in opts)), nu=function(*(opt.nu for opt in opts)))

    return dataclasses.replace(
        states[0],
        g_params=of_g(*parts("g_params")),
        d_params=of_d(*parts("d_params")),
        g_ema=of_g(*parts("g_ema")),
        g_opt=moments(of_g, "g_opt"),
        d_opt=moments(of_d, "d_opt"),
    )
