"""Expected memory of a training step, from the traced program: nothing is compiled.

Arrays are counted as a device lays them out. A TPU has 128 lanes, and pads 16 to 127 channels to fill them: at 1024 px,
with 16 channels, that is most of a step's memory.
"""

import dataclasses
import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core

from fec_jax import schedule
from fec_jax.train import parallel, penalty, steps
from fec_jax.train.run import Run

TPU_LANES = 128
FEWEST_PADDED = 16
"""Images of 3 channels, and what has less than 16, the TPU compiler lays out another way."""


class Known(NamedTuple):
    """A value that is the same in every step: equal ones are computed once. large: it follows from an input."""

    value: int | str
    large: bool


def step_bytes(run: Run, phase: schedule.Phase, devices: int, lanes: int = 1) -> int:
    """Expected bytes of a training step on one of `devices`: most that are alive at once in the traced program.

    Traced, not compiled: it takes a moment at any size and on any machine. What compilers compute from VGG16's
    parameters beforehand comes in addition, see `prepared`. A compiler fuses some away, needs workspace of its own, and
    computes some twice to fit; after compiling, the log gives what the program has. Of this machine's kind of device;
    within `cpu.textbook`, of an accelerator with so many lanes (see `peak_bytes`).
    """
    args = step_shapes(run, phase, phase.batch // devices)
    step = functools.partial(steps.train_step, run.recipe_of(phase), phase.resolution_px, parallel.AXIS)
    jaxpr = jax.make_jaxpr(step, axis_env=[(parallel.AXIS, devices)])(*args).jaxpr
    state, batch, clock, constants, _ = (len(jax.tree.leaves(part)) for part in args)
    first = state + batch + clock
    fixed = [Known(i, True) if first <= i < first + constants else None for i in range(len(jaxpr.invars))]
    return peak_bytes(jaxpr, lanes) + sum(prepared(jaxpr, fixed, lanes)[1].values())


def lanes_of(platform: str) -> int:
    """Lanes of a platform's devices (JAX's name of it), as `step_bytes` wants them."""
    return TPU_LANES if platform == "tpu" else 1


def step_shapes(run: Run, phase: schedule.Phase, local: int) -> parallel.Args:
    """Shapes of what `steps.train_step` is given on a device that has `local` images of the batch."""
    px, n = phase.resolution_px, len(run.attribute_names)
    state = run.packing(phase).shape(jax.eval_shape(lambda: run.new_state(phase)))
    split = jax.tree.map(lambda x: jax.ShapeDtypeStruct((local, *x.shape[1:]), x.dtype), state.history)
    batch = steps.Batch(
        real=jax.ShapeDtypeStruct((local, px, px, 3), jnp.uint8), attrs=jax.ShapeDtypeStruct((local, n), jnp.uint8)
    )
    clock = jax.eval_shape(lambda: steps.Clock(jnp.float32(0), jnp.float32(0), jnp.int32(0), jax.random.key(0)))
    extra = jax.eval_shape(lambda: penalty.none(state.d_params.shape)) if run.recipe.r1_gamma else None
    return dataclasses.replace(state, history=split), batch, clock, run.constants_shape(), extra


def peak_bytes(jaxpr: core.Jaxpr, lanes: int = 1) -> int:
    """Most bytes alive at once if a jaxpr ran equation by equation, freeing what is not needed any more.

    lanes: channels of an activation are padded to a multiple of so many, see `FEWEST_PADDED`.
    """
    size = functools.partial(_bytes, lanes=lanes)
    last: dict[core.Var, int] = {}
    for i, equation in enumerate(jaxpr.eqns):
        last |= dict.fromkeys([*_variables(equation.invars), *equation.outvars], i)
    last |= dict.fromkeys(_variables(jaxpr.outvars), len(jaxpr.eqns))
    alive = {*jaxpr.invars, *jaxpr.constvars}
    live = peak = sum(map(size, alive))
    for i, equation in enumerate(jaxpr.eqns):
        inputs = {*_variables(equation.invars)}
        inner = max((peak_bytes(part, lanes) for part in _inner(equation)), default=0)
        peak = max(peak, live - sum(map(size, inputs)) + inner)
        alive |= {*equation.outvars}
        live += sum(map(size, equation.outvars))
        peak = max(peak, live)
        dead = {v for v in [*inputs, *equation.outvars] if last[v] <= i} & alive
        live -= sum(map(size, dead))
        alive -= dead
    return peak


def prepared(
    jaxpr: core.Jaxpr, inputs: Sequence[Known | None], lanes: int
) -> tuple[list[Known | None], dict[Known, int]]:
    """Bytes of what follows from constant inputs alone and meets other things: VGG16's kernels in Winograd's form.

    Compilers compute these first and once, outside of loops too, and keep them: most are alive at the same time.
    inputs: what is known of each, None for what varies. Also gives what is known of each result.
    """
    known: dict[core.Var, Known] = {v: k for v, k in zip(jaxpr.invars, inputs, strict=True) if k}
    known |= {v: Known(f"{v.aval}", False) for v in jaxpr.constvars}
    kept: dict[Known, int] = {}
    made = set[core.Var]()
    for equation in jaxpr.eqns:
        name, atoms, inner = equation.primitive.name, equation.invars, list(_inner(equation))
        if "branches_platforms" in equation.params:
            atoms = atoms[1:]
        seen = [Known(f"{a.val}", False) if isinstance(a, core.Literal) else known.get(a) for a in atoms]
        results: Sequence[Known | None] = [None] * len(equation.outvars)
        if len(inner) == 1 and len(inner[0].invars) == len(atoms):  # a call, a loop, or the form of this platform
            if name == "scan":
                fixed = _fixed_in(equation)
                seen = [*seen[:fixed], *[None] * (len(seen) - fixed)]
            results, more = prepared(inner[0], seen, lanes)
            kept |= more
        elif not inner and atoms and None not in seen:
            what, large = f"{name} {equation.params} {seen}", any(k.large for k in seen if k)
            results = [Known(hash((what, i)), large) for i in range(len(equation.outvars))]
        elif not inner:
            kept |= {known[a]: _bytes(a, lanes) for a in _variables(atoms) if a in made and known[a].large}
        fresh = {v: r for v, r in zip(equation.outvars, results, strict=True) if r}
        known |= fresh
        made |= {*fresh}
    return [known.get(v) if isinstance(v, core.Var) else None for v in jaxpr.outvars], kept


def count(jaxpr: core.Jaxpr, primitive: str) -> int:
    """How often a primitive is in a jaxpr, with all that it calls."""
    found = 0
    for equation in jaxpr.eqns:
        found += (equation.primitive.name == primitive) + sum(count(part, primitive) for part in _inner(equation))
    return found


def _fixed_in(scan: core.JaxprEqn) -> int:
    """How many of a scan's inputs, the first ones, are the same in every round."""
    if "num_consts" in scan.params:
        return scan.params["num_consts"]
    return len(scan.params["ft_in"].unpack()[0].vals)  # from jax 0.11 on


def _variables(atoms: Iterable[core.Var | core.Literal]) -> list[core.Var]:
    return [a for a in atoms if isinstance(a, core.Var)]


def _inner(equation: core.JaxprEqn) -> Iterator[core.Jaxpr]:
    values = equation.params.values()
    if platforms := equation.params.get("branches_platforms"):  # one form for CPUs, one for all others
        here = jax.default_backend()
        own = [here in names if names else False for names in platforms]
        values = [equation.params["branches"][own.index(True) if any(own) else -1]]
    for value in values:
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, core.ClosedJaxpr):
                yield item.jaxpr
            elif isinstance(item, core.Jaxpr):
                yield item


def _bytes(variable: core.Var, lanes: int) -> int:
    shape, dtype = getattr(variable.aval, "shape", ()), getattr(variable.aval, "dtype", None)
    if len(shape) == 4 and shape[-1] >= FEWEST_PADDED:
        shape = (*shape[:-1], -(-shape[-1] // lanes) * lanes)
    return math.prod(shape) * (getattr(dtype, "itemsize", 4) or 4)
