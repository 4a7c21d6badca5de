"""Our side on a device: what JAX and XLA make of a completion or a training step, and what the card can do.

Every function yields its figures as they come; later ones are added to the earlier.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.gpu import given, traffic
from experiments.gpu.timing import timed
from fec_jax import xla_options
from fec_jax.estimate import cost
from fec_jax.nets import cpu
from fec_jax.train import compiling, parallel

Figures = dict[str, Any]


class Compiled:
    """Listens to JAX: seconds that each program took to compile, and whether it was kept from an earlier time."""

    def __init__(self) -> None:
        self.seconds, self.kept, self._found = dict[str, float](), dict[str, bool](), False
        jax.monitoring.register_event_listener(self._event)
        jax.monitoring.register_event_duration_secs_listener(self._duration)

    def _event(self, event: str, **_: object) -> None:
        self._found |= event == "/jax/compilation_cache/cache_hits"

    def _duration(self, event: str, duration_secs: float, **of: object) -> None:
        if event.endswith("backend_compile_duration"):
            name = str(of["fun_name"])
            self.seconds[name], self.kept[name] = self.seconds.get(name, 0.0) + duration_secs, self._found
            self._found = False

    def figures(self, *names: str) -> Figures:
        """Of the programs whose names have one of `names` in them."""
        those = [name for name in self.seconds if any(part in name for part in names)]
        return {
            "compile_s": round(sum(self.seconds[name] for name in those), 2),
            "kept": bool(those) and all(self.kept[name] for name in those),
        }


def rates(name: str, n: int, batch: int, dtype: str, seconds: float) -> Iterator[Figures]:
    """Operations per second of products of n x n matrices, and bytes per second of a copy of 16 such matrices."""

    def product(kind: str, precision: str = "default") -> float:
        with jax.default_matmul_precision(precision):
            multiply = jax.jit(lambda x: x @ x).lower(jax.ShapeDtypeStruct((n, n), kind)).compile()
        x = jnp.full((n, n), 0.5, kind)
        return 2 * n**3 / timed(lambda: multiply(x), jax.block_until_ready, seconds)

    yield {"bfloat16_tflops": product("bfloat16") / 1e12}
    yield {"float32_tflops": product("float32") / 1e12}
    yield {"float32_highest_tflops": product("float32", "highest") / 1e12}
    x = jnp.zeros((16, n, n), jnp.float32)
    copy = jax.jit(lambda x: x + 1).lower(x).compile()
    yield {"copy_gb_s": 2 * x.nbytes / timed(lambda: copy(x), jax.block_until_ready, seconds) / 1e9}


def check_completion(name: str, px: int, batch: int, dtype: str, seconds: float) -> Iterator[Figures]:
    """A completion's values in full float32."""
    g, params, inputs = given.completion(name, px, batch, dtype)
    with jax.default_matmul_precision("highest"):
        image = jax.jit(lambda p, *x: g.apply({"params": p}, *x, 1.0, resolution_px=px))(params, *inputs)
    yield {"values": {"image": given.some(image, 4096)}}


def check_step(name: str, px: int, batch: int, dtype: str, seconds: float) -> Iterator[Figures]:
    """Losses, gradients' norms and D's penalty of the first step in full float32, and the losses of the second."""
    run, phase = given.checked_step(name, px, batch)
    with jax.default_matmul_precision("highest"):
        programs, (state, photos, clock, _) = cost.ready(run, phase)
    constants = parallel.replicate(run.constants(), parallel.mesh())
    state, first = programs(0, state, photos, clock, constants)
    _, second = programs(1, state, photos, clock, constants)
    values = {name: getattr(first, name) for name in ("g_loss", "d_loss", "g_grad_norm", "d_grad_norm", "r1")}
    values |= first.raw | {"g_loss_2": second.g_loss, "d_loss_2": second.d_loss}
    yield {"values": {name: [float(value)] for name, value in values.items()}}


def completion(name: str, px: int, batch: int, dtype: str, seconds: float) -> Iterator[Figures]:
    """A forward pass of G, from arrays on the device to an array on the device."""
    listener = Compiled()
    g, *host = given.completion(name, px, batch, dtype)
    params, inputs = jax.device_put(host)

    def forward(p: Any, *x: jax.Array) -> Any:
        return g.apply({"params": p}, *x, 1.0, resolution_px=px)

    compiled = jax.jit(forward).lower(params, *inputs).compile(compiler_options=xla_options.options())
    values = {"image": given.some(np.asarray(compiled(params, *inputs)))}
    each = timed(lambda: compiled(params, *inputs), jax.block_until_ready, seconds)
    yield {"ms": each * 1e3, **listener.figures("forward"), "values": values, **memory({"g": compiled})}
    yield {"gb": traffic.moved(compiled.as_text() or "") / 1e9, **analysis({"g": compiled}, {})}


def step(name: str, px: int, batch: int, dtype: str, seconds: float) -> Iterator[Figures]:
    """A training step: the mean over all kinds of steps that a training has, queued as a training queues them."""
    listener = Compiled()
    run, phase = given.step(name, px, batch, dtype)
    r = run.recipe
    begun = time.perf_counter()
    programs, (state, photos, clock, constants) = cost.ready(run, phase)
    start_s = time.perf_counter() - begun
    number, losses = 0, list[Any]()

    def period() -> Any:
        nonlocal state, number
        for _ in range(rhythm):
            state, metrics = programs(number, state, photos, clock, constants)
            number += 1
            if number == 1:
                losses[:] = metrics.g_loss, metrics.d_loss
        return state.nimg, metrics.g_loss

    rhythm = math.lcm(*(every for every in (r.r1_every if r.r1_gamma else 1, r.shares_every) if every))
    each = timed(period, jax.block_until_ready, seconds) / rhythm
    values = {name: [float(loss)] for name, loss in zip(("g_loss", "d_loss"), losses, strict=True)}
    figures = {"ms": each * 1e3, "images_per_s": phase.batch / each, "start_s": start_s, "values": values}
    yield figures | listener.figures("train_step", "penalty") | memory(programs.compiled)
    share = {"step": 1.0, "penalty": 1 / max(1, r.r1_every)}
    moved = sum(share[kind] * traffic.moved(program.as_text()) for kind, program in programs.compiled.items())
    yield {"gb": moved / 1e9, **analysis(programs.compiled, share)}


def operations(what: str, name: str, px: int, batch: int, dtype: str) -> float:
    """Operations of a completion or a step as written, for accelerators: counted on the CPU, nothing is compiled."""
    if what == "step":
        run, phase = given.step(name, px, batch, dtype)
        return cost.step_cost(run, phase, phase.batch)[0]
    g, params, inputs = given.completion(name, px, batch, dtype)
    forward = jax.jit(lambda p, *x: g.apply({"params": p}, *x, 1.0, resolution_px=px))
    with cpu.textbook():
        return (forward.lower(params, *inputs).cost_analysis() or {})["flops"]


def memory(programs: dict[str, Any]) -> Figures:
    """GiB: the most that this process has held on the device, XLA's tries while compiling included; and what the
    largest program needs by the compiler's account."""
    needs = []
    for program in programs.values():
        m = program.memory_analysis()
        sizes = m.argument_size_in_bytes + m.output_size_in_bytes + m.temp_size_in_bytes - m.alias_size_in_bytes
        needs.append(sizes / 2**30)
    stats = jax.devices()[0].memory_stats() or {}
    peak = stats.get("peak_bytes_in_use")
    return {"peak_gib": None if peak is None else peak / 2**30, "program_gib": max(needs)}


def analysis(programs: dict[str, Any], share: dict[str, float]) -> Figures:
    """JAX's own account of the compiled programs, which on a GPU leaves out what cuDNN and cuBLAS do."""
    try:
        found = {kind: program.cost_analysis() or {} for kind, program in programs.items()}
    except jax.errors.JaxRuntimeError:  # not every device's library has it
        return {}

    def total(name: str) -> float:
        return sum(share.get(kind, 1.0) * of.get(name, 0.0) for kind, of in found.items()) / 1e9

    return {"analysis_gflop": total("flops"), "analysis_gb": total("bytes accessed")}


def measure(what: str, *args: Any, side: str) -> Iterator[Figures]:
    """What the function of this name yields, with the version.

    side: a check runs in the forms that accelerators have, on whatever device; as `reference`, in the device's own. As
    `operations`, only these are counted.
    """
    functions: dict[str, Callable[..., Iterator[Figures]]] = {
        f.__name__: f for f in (rates, check_completion, check_step, completion, step)
    }
    if side == "operations":
        yield {"gflop": operations(what, *args[:-1]) / 1e9}
        return
    compiling.keep_programs()
    textbook = what.startswith("check_") and side != "reference"
    with cpu.textbook() if textbook else contextlib.nullcontext():
        for figures in functions[what](*args):
            yield {"jax": jax.__version__} | figures
