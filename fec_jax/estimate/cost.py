"""How long a run will take, and what it will cost, before it starts.

For a device that is not here: a step takes as long as its operations at the device's peak or as its bytes at the
bandwidth of its memory, whichever is longer (the roofline), over a utilisation that the user may state. Operations are
those that XLA counts in the lowered program (nothing is compiled, no chip is needed); bytes, those that compilers left
of its count in published phases (`compilers`). For this machine: the step of every resolution is compiled and timed.
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fec_jax import schedule
from fec_jax.estimate import compilers, memory
from fec_jax.estimate.devices import DEVICES, HERE, parse_device
from fec_jax.nets import cpu, layers
from fec_jax.train import compiling, parallel, penalty, steps
from fec_jax.train.programs import Programs
from fec_jax.train.run import Run
from fec_jax.train.state import State
from fec_jax.types import UserError


@dataclasses.dataclass(frozen=True)
class Stage:
    """A resolution's part of a run. flops, bytes: of a step on one device, bytes after fusion (`here`: before it).

    memory: expected on one device, see `memory.step_bytes`; `here`: the compiled step's. hours: fade and stable phase
    together. compile_s: seconds, once. binds: what a step waits for, "compute" or "memory"; "timed" on this machine.
    """

    resolution_px: int
    images: int
    batch: int
    flops: float
    bytes: float
    memory: int
    hours: float
    compile_s: float
    binds: str


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of a step on one device: operations and bytes as XLA counts them, before fusion.

    of_masks: bytes of these that drawing the masks takes. convolutions: how many are written in its programs.
    """

    flops: float
    bytes: float
    of_masks: float
    convolutions: int

    def fused(self, platform: str, channels: int) -> float:
        """Bytes that are left after fusion, see `compilers.fused`: of drawing masks next to none."""
        return (self.bytes - self.of_masks) * compilers.fused(platform, channels)


def stages(run: Run, device: str, utilisation: float) -> Iterator[Stage]:
    """The resolutions of a run, one after the other, on `device` (see `parse_device`; or "here"). Errors come at once.

    UserError: unknown device; a utilisation that is not in (0, 1]; a batch that the devices cannot share.
    """
    if not 0 < utilisation <= 1:
        raise UserError(f"--utilisation is {utilisation:g}: it must be above 0 and at most 1")
    count = jax.device_count() if device == HERE else parse_device(device)[1]
    for phase in run.phases:
        if phase.batch % count:
            raise UserError(
                f"config.batch.px{phase.resolution_px} is {phase.batch}: {count} devices cannot share it; use "
                f"{max(1, round(phase.batch / count)) * count}"
            )
    return _stages(run, device, count, utilisation)


def _stages(run: Run, device: str, count: int, utilisation: float) -> Iterator[Stage]:
    for phases in schedule.by_resolution(run.phases):
        phase = phases[-1]
        images, local = phase.end_nimg - phases[0].start_nimg, phase.batch // count
        if device == HERE:
            found, binds = counted(run, phase, local), "timed"
            moved, (to_compile, seconds, needed) = found.bytes, timed(run, phase)
        else:
            kind, g = DEVICES[parse_device(device)[0]], run.recipe.generator
            found = counted(run, phase, local)
            channels = layers.channels(phase.resolution_px, g.base, g.cap)
            moved = found.fused(kind.platform, channels)
            with cpu.textbook():  # what accelerators run
                needed = memory.step_bytes(run, phase, count, memory.lanes_of(kind.platform))
            to_compile = found.convolutions * compilers.SECONDS_PER_CONVOLUTION[kind.platform]
            peak = kind.flops if g.dtype == "float32" else kind.half_flops
            longer, binds = max((found.flops / peak, "compute"), (moved / kind.bandwidth, "memory"))
            seconds = longer / utilisation
        hours = images / phase.batch * seconds / 3600
        yield Stage(phase.resolution_px, images, phase.batch, found.flops, moved, needed, hours, to_compile, binds)


def step_cost(run: Run, phase: schedule.Phase, local: int, at_most: bool = False) -> tuple[float, float]:
    """FLOPs and bytes of a step with `local` images on a device, see `counted`."""
    found = counted(run, phase, local, at_most)
    return found.flops, found.bytes


def counted(run: Run, phase: schedule.Phase, local: int, at_most: bool = False) -> Cost:
    """What a step with `local` images on a device costs.

    D's gradient penalty, a program of its own before every `r1_every`-th step, counts as that part of it; the second
    way back through D that measures shares every `shares_every` steps, not at all. at_most: with the whole penalty.
    """
    recipe, px = run.recipe_of(phase), phase.resolution_px
    args, mesh = memory.step_shapes(run, phase, local), parallel.mesh(jax.devices()[:1])
    step = functools.partial(steps.train_step, recipe, px, parallel.AXIS)
    parts = list[tuple[float, Any, tuple[Any, ...]]]()
    parts.append((1.0, parallel.sharded(step, mesh, args[0]), args))
    if recipe.r1_gamma:
        function = functools.partial(penalty.penalty, recipe, px, parallel.AXIS)
        state, batch, clock, *_ = args
        share = 1.0 if at_most else 1 / recipe.r1_every
        parts.append((share, parallel.sharded_penalty(function, mesh), (state.d_params, batch, clock)))
    total, convolutions = np.zeros(2), 0
    for share, program, arguments in parts:
        with cpu.textbook():  # what accelerators run; of the rounds of a loop XLA would count one
            traced = program.trace(*arguments)
            analysis = traced.lower().cost_analysis()
        total += share * np.array([analysis["flops"], analysis["bytes accessed"]])
        convolutions += memory.count(traced.jaxpr.jaxpr, "conv_general_dilated")
    return Cost(float(total[0]), float(total[1]), mask_bytes(recipe, local), convolutions)


def mask_bytes(recipe: steps.Recipe, count: int) -> float:
    """Bytes that XLA counts, before fusion, for drawing `count` masks at the final resolution."""
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), count))
    drawn = jax.jit(lambda keys: recipe.sampler(keys, recipe.mask_px)).lower(keys)
    return float((drawn.cost_analysis() or {})["bytes accessed"])


def ready(run: Run, phase: schedule.Phase) -> tuple[Programs, tuple[State, steps.Batch, steps.Clock, steps.Constants]]:
    """The compiled programs of a phase on the devices of this machine, and arguments for them: photos of noise."""
    mesh = parallel.mesh()
    rng, px = np.random.default_rng(0), phase.resolution_px
    batch = parallel.to_devices(
        {
            "real": rng.integers(0, 256, (phase.batch, px, px, 3), np.uint8),
            "attrs": rng.integers(0, 2, (phase.batch, len(run.attribute_names)), np.uint8),
        },
        mesh,
    )
    numbers = jnp.float32(1), jnp.float32(phase.row.lr), jnp.int32(0), jax.random.key(0)
    # Zeros for networks and directions take the same time, and need no weights and no data.
    constants = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), run.constants_shape())
    clock, constants = parallel.replicate((steps.Clock(*numbers), constants), mesh)
    state, _ = run.packing(phase).packed(run.new_state(phase))
    args = parallel.place(state, mesh), batch, clock, constants
    return Programs(run, phase, mesh, args), args


def measured_step(run: Run, phase: schedule.Phase, repeats: int = 3) -> float:
    """Seconds of a step on the devices of this machine: compiled, then timed; the mean over all that a step may have.

    Some steps have D's penalty, some measure shares, some both; each kind is timed, and counts as often as it comes.
    """
    return timed(run, phase, repeats)[1]


def timed(run: Run, phase: schedule.Phase, repeats: int = 3) -> tuple[float, float, int]:
    """Seconds to make and compile a phase's programs, those of a step (see `measured_step`), and the step's memory.

    Bytes of one device, arguments included, as compiled; expected, where a program does not say (`pmap`).
    """
    begun = time.perf_counter()
    programs, (state, batch, clock, constants) = ready(run, phase)
    to_compile, mesh = time.perf_counter() - begun, parallel.mesh()
    mib = compiling.memory_mib(programs.compiled["step"])
    lanes = memory.lanes_of(jax.default_backend())
    needed = memory.step_bytes(run, phase, mesh.size, lanes) if mib is None else round(mib * 2**20)

    def seconds(number: int) -> float:
        nonlocal state
        state = dataclasses.replace(state, nimg=parallel.replicate(jnp.int32(number * phase.batch), mesh))
        begun = time.perf_counter()
        state, metrics = programs(number, state, batch, clock, constants)
        jax.block_until_ready((state, metrics))
        return time.perf_counter() - begun

    r = run.recipe
    rhythms = [every for every in (r.r1_every if r.r1_gamma else 0, r.shares_every) if every]
    kinds: dict[tuple[bool, ...], list[int]] = {}
    for number in range(math.lcm(*rhythms)):
        kinds.setdefault(tuple(number % every == 0 for every in rhythms), []).append(number)
    seconds(0)
    medians = [(len(kind), float(np.median([seconds(kind[0]) for _ in range(repeats)]))) for kind in kinds.values()]
    return to_compile, sum(count * median for count, median in medians) / math.lcm(*rhythms), needed


def table(rows: Iterator[Stage], device: str, price: float | None, say: Callable[[str], object]) -> None:
    """Says the stages line by line as they come, then the sum; `price`: of an hour of all devices together."""
    say(" resolution      kimg   batch  GFLOP/step    GB/step  memory GB    binds     hours  compile s")
    known = DEVICES.get(device if device == HERE else parse_device(device)[0])
    total, compiling, too_large = 0.0, 0.0, list[str]()
    for s in rows:
        say(
            f"{s.resolution_px:8d} px {s.images / 1000:9.1f} {s.batch:7d} {s.flops / 1e9:11.1f} {s.bytes / 1e9:10.2f} "
            f"{s.memory / 1e9:10.2f} {s.binds:>8} {s.hours:9.3f} {s.compile_s:10.0f}"
        )
        total, compiling = total + s.hours, compiling + s.compile_s / 3600
        if known and s.memory > known.memory:
            too_large.append(f"{s.resolution_px} px")
    cost = f"; {(total + compiling) * price:.2f} at {price:g} an hour" if price is not None else ""
    say(f"all: {total:.3g} hours, and {compiling:.2g} of compiling{cost}")
    if too_large:
        say(
            f"may not fit the device's {known.memory / 1e9 if known else 0:.0f} GB, by this count: "
            f"{', '.join(too_large)}; compilers compute some of it twice to fit, or lower config.batch there"
        )
