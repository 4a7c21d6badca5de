"""What a run will be, before it starts: phases, parameters, memory."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator

import jax
import jax.numpy as jnp
from jax.extend import core

from fec_jax import schedule
from fec_jax.nets import layers
from fec_jax.train import parallel, state, steps
from fec_jax.train.run import Run


def lines(run: Run) -> Iterator[str]:
    """The report, line by line: devices, data, attributes, parameters, every phase's images, and the most memory."""
    r = run.recipe
    source = run.train_source(run.phases[-1].resolution_px)
    g, d = jax.eval_shape(lambda: state.init_params(run.seed, r.generator, r.discriminator))
    devices = jax.devices()
    yield f"devices: {len(devices)} x {devices[0].device_kind} ({devices[0].platform}), {run.mode}, {r.generator.dtype}"
    yield f"data: {source.name}, {len(source)} photos to train on, licence: {source.license}"
    yield f"attributes: {', '.join(run.attribute_names) or 'none'}"
    yield f"parameters: G {parameters(g):,}  D {parameters(d):,}  (all resolutions up to {r.mask_px} px)"
    for phase in run.phases:
        images = phase.end_nimg - phase.start_nimg
        yield (
            f"phase {phase.index:2d}: {phase.name:13s} {images / 1000:9.1f} kimg, {images // phase.batch:7d} steps of "
            f"{phase.batch:4d}"
        )
    yield f"all: {schedule.total_nimg(run.phases) / 1000:.1f} kimg"
    peak, px = max((step_bytes(run, phase, len(devices)), phase.resolution_px) for phase in largest(run))
    yield f"memory: about {peak / 2**20:,.0f} MiB per device at the most, at {px} px"


def largest(run: Run) -> list[schedule.Phase]:
    """Phases that may need most memory: the last, and those with maps half as large as the largest; of every resolution
    one. To trace them all would keep a run of nine resolutions waiting.
    """
    g = run.recipe.generator

    def numbers(phase: schedule.Phase) -> int:
        px = phase.resolution_px
        return phase.batch * px * px * layers.channels(px, g.base, g.cap)

    most = max(map(numbers, run.phases))
    phases = [of_one[-1] for of_one in schedule.by_resolution(run.phases)]
    return [phase for phase in phases if 2 * numbers(phase) > most or phase is phases[-1]]


def parameters(tree: object) -> int:
    """Number of numbers in a tree of arrays or shapes."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def step_bytes(run: Run, phase: schedule.Phase, devices: int) -> int:
    """Expected memory of a training step on one of `devices`: most bytes alive at once in the traced program.

    Traced, not compiled: it takes a moment at any size and on any machine. A compiler fuses some of it away and needs
    workspace of its own; the log gives what a device really used.
    """
    args = step_shapes(run, phase, phase.batch // devices)
    step = functools.partial(steps.train_step, run.recipe_of(phase), phase.resolution_px, parallel.AXIS)
    return peak_bytes(jax.make_jaxpr(step, axis_env=[(parallel.AXIS, devices)])(*args).jaxpr)


def step_shapes(
    run: Run, phase: schedule.Phase, local: int
) -> tuple[state.State, steps.Batch, steps.Clock, steps.Given]:
    """Shapes of what `steps.train_step` is given on a device that has `local` images of the batch."""
    px, n = phase.resolution_px, len(run.attribute_names)
    whole = jax.eval_shape(lambda: run.new_state(phase))
    split = jax.tree.map(lambda x: jax.ShapeDtypeStruct((local, *x.shape[1:]), x.dtype), whole.history)
    batch = steps.Batch(
        real=jax.ShapeDtypeStruct((local, px, px, 3), jnp.uint8), attrs=jax.ShapeDtypeStruct((local, n), jnp.uint8)
    )
    clock = jax.eval_shape(lambda: steps.Clock(jnp.float32(0), jnp.float32(0), jnp.int32(0), jax.random.key(0)))
    return dataclasses.replace(whole, history=split), batch, clock, run.given_shape()


def peak_bytes(jaxpr: core.Jaxpr) -> int:
    """Most bytes alive at once if a jaxpr ran equation by equation, freeing what is not needed any more."""
    last: dict[core.Var, int] = {}
    for i, equation in enumerate(jaxpr.eqns):
        last |= dict.fromkeys([*_variables(equation.invars), *equation.outvars], i)
    last |= dict.fromkeys(_variables(jaxpr.outvars), len(jaxpr.eqns))
    alive = {*jaxpr.invars, *jaxpr.constvars}
    live = peak = sum(map(_bytes, alive))
    for i, equation in enumerate(jaxpr.eqns):
        inputs = {*_variables(equation.invars)}
        inner = max(map(peak_bytes, _inner(equation)), default=0)
        peak = max(peak, live - sum(map(_bytes, inputs)) + inner)
        alive |= {*equation.outvars}
        live += sum(map(_bytes, equation.outvars))
        peak = max(peak, live)
        dead = {v for v in [*inputs, *equation.outvars] if last[v] <= i} & alive
        live -= sum(map(_bytes, dead))
        alive -= dead
    return peak


def _variables(atoms: Iterable[core.Var | core.Literal]) -> list[core.Var]:
    return [a for a in atoms if isinstance(a, core.Var)]


def _inner(equation: core.JaxprEqn) -> Iterator[core.Jaxpr]:
    for value in equation.params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, core.ClosedJaxpr):
                yield item.jaxpr
            elif isinstance(item, core.Jaxpr):
                yield item


def _bytes(variable: core.Var) -> int:
    shape, dtype = getattr(variable.aval, "shape", ()), getattr(variable.aval, "dtype", None)
    size = 1
    for side in shape:
        size *= side
    return size * (getattr(dtype, "itemsize", 4) or 4)
