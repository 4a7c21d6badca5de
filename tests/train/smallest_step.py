"""One training step on networks as small as they go (4 and 8 px), whole and in parts, for the tests beside it."""

import dataclasses
import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from fec_jax import images, schedule, xla_options
from fec_jax.losses.total import Lambdas
from fec_jax.masks import holes
from fec_jax.masks.sampler import MaskSampler
from fec_jax.nets.discriminator import Discriminator
from fec_jax.nets.generator import Generator
from fec_jax.train import examples, parallel, steps
from fec_jax.train import state as states
from fec_jax.train.optimizers import Ema
from fec_jax.weights import published

B, ATTRS, MAX_PX = 4, 2, 8
LR, HALFLIFE_KIMG = 1e-2, 0.016
TERMS = ("adv", "attr", "rec", "feat", "bdy")
LAMBDAS = {"adv": 1.0, "attr": 2.0, "rec": 5.0, "feat": 0.1, "bdy": 3.0}
RECIPE = steps.Recipe(
    generator=Generator(max_px=MAX_PX, base=32, cap=4, num_attrs=ATTRS, latent=4),
    discriminator=Discriminator(max_px=MAX_PX, base=32, cap=4, num_attrs=ATTRS),
    mask_px=MAX_PX,
    sampler=MaskSampler(center_share=1.0),
    lambdas=Lambdas(**LAMBDAS),
    ema=Ema(halflife_kimg=HALFLIFE_KIMG, rampup=1e9),
    feature_min_px=4,
    keep_probability=0.0,
    history_share=1.0,
)


def only(**lambdas):
    """G's losses with these weights, and the others with none."""
    return dict.fromkeys(TERMS, 0.0) | lambdas


class Dials(Lambdas):
    """Weights of G's losses that are arguments of the compiled step: one compilation serves them all.

    D's weight of its attribute loss, and whether there is a feature loss at all, stay those of `LAMBDAS`.
    """

    dials = None

    def of(self, term, d_terms=1.0):
        return self.dials[term]


def dialled(recipe, lambdas):
    dials = Dials(**LAMBDAS)
    object.__setattr__(dials, "dials", lambdas)
    return dataclasses.replace(recipe, lambdas=dials)


@functools.cache
def start(resolution_px=4, depth=2):
    """A state with random values for all parameters."""
    rows = [schedule.Row(r, 0, 1, B, LR, LR) for r in (4, 8) if r <= resolution_px]
    phase = schedule.phases(rows)[-1]
    adam = RECIPE.g_adam
    shape = jax.eval_shape(
        lambda: states.create(0, RECIPE.generator, RECIPE.discriminator, adam, RECIPE.d_adam, phase, depth)
    )
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shape)
    rng = np.random.default_rng(1)

    def random(tree):
        return jax.tree.map(lambda x: (0.4 * rng.normal(size=x.shape)).astype(np.float32), tree)

    return zeros.replace(g_params=random(shape.g_params), d_params=random(shape.d_params), g_ema=random(shape.g_ema))


def batch_at(resolution_px=4, seed=0):
    rng = np.random.default_rng(seed)
    photos = rng.integers(0, 256, (B, resolution_px, resolution_px, 3), np.uint8)
    return {"real": photos, "attrs": rng.integers(0, 2, (B, ATTRS), np.uint8)}


@functools.cache
def vgg():
    return published.load_relu2_2()


def clock_at(alpha=1.0, stream=0):
    return steps.Clock(jnp.float32(alpha), jnp.float32(LR), jnp.int32(stream), jax.random.key(0))


@flax.struct.dataclass
class Weights(steps.Constants):
    """What a step is given, and the weights of its losses."""

    lambdas: dict | None = None


def weights(lambdas):
    return Weights(vgg(), lambdas={name: jnp.float32(value) for name, value in lambdas.items()})


def packing(resolution_px=4):
    return states.Packing(RECIPE, resolution_px)


def packed(state, resolution_px=4):
    """As steps and their parts want a state."""
    return packing(resolution_px).packed(state)[0]


@functools.cache
def compiled(resolution_px=4):
    mesh = parallel.mesh(jax.devices()[:1])

    def function(state, batch, clock, weights, _):
        recipe = dialled(RECIPE, weights.lambdas)
        return steps.train_step(recipe, resolution_px, parallel.AXIS, state, batch, clock, weights)

    args = (
        parallel.place(packed(start(resolution_px), resolution_px), mesh),
        parallel.to_devices(batch_at(resolution_px), mesh),
        parallel.replicate(clock_at(), mesh),
        parallel.replicate(weights(LAMBDAS), mesh),
        None,
    )
    return parallel.compile_step(function, mesh, "shard_map", args), mesh


def step(state, resolution_px=4, *, lambdas=LAMBDAS, alpha=1.0, stream=0):
    """One step from a state of host arrays, as the loop makes it; the new state and figures on the host."""
    function, mesh = compiled(resolution_px)
    vectors, later = packing(resolution_px).packed(state)
    new, metrics = function(
        parallel.place(vectors, mesh),
        parallel.to_devices(batch_at(resolution_px, seed=stream), mesh),
        parallel.replicate(clock_at(alpha, stream), mesh),
        parallel.replicate(weights(lambdas), mesh),
        None,
    )
    return packing(resolution_px).named(jax.device_get(new), later), jax.device_get(metrics)


@functools.cache
def part(function, recipe):
    """A part of the 4 px step, compiled, under the axis name it averages over; G's losses are a device's own."""

    def first(lambdas, *args):
        axis = () if function is steps.g_losses else (parallel.AXIS,)
        call = functools.partial(function, dialled(recipe, lambdas), 4, *axis, *args)
        return jax.tree.map(lambda x: x[0], jax.vmap(lambda _: call(), axis_name=parallel.AXIS)(jnp.zeros(1)))

    return jax.jit(first, compiler_options=xla_options.unoptimised())


def examples_by_hand(flipped=(True, False, True, False), resolution_px=4):
    real = images.to_float(jnp.asarray(batch_at(resolution_px)["real"]))
    mask = jnp.broadcast_to(holes.center(resolution_px), (B, resolution_px, resolution_px, 1))
    attrs = jnp.asarray(batch_at()["attrs"], jnp.float32)
    wish = jnp.asarray(flipped)
    wanted = jnp.where(wish[:, None] & (jnp.arange(ATTRS) == 0), 1 - attrs, attrs)
    return examples.Examples(
        real=real, mask=mask, masked=holes.cut(real, mask), attrs=attrs, wanted_attrs=wanted, flipped=wish
    )


def fake_at(resolution_px=4, seed=3):
    return jax.random.uniform(jax.random.key(seed), (B, resolution_px, resolution_px, 3), minval=-1.0)


STREAM = jnp.arange(B)
