"""One phase's training step through the TPU compiler: the last line of stdout is what it became, in JSON.

python -m experiments.tpu_aot.compile_phase hq1024 2x4 64

A process of its own, because libtpu takes over the process that loads it. `aot.py` starts one for every phase.
"""

import functools
import importlib
import json
import sys
import time
from importlib import metadata
from typing import Any

import jax
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding

from experiments.tpu_aot import hlo
from fec_jax import schedule, xla_options
from fec_jax.config import build
from fec_jax.data.synthetic.source import ATTRIBUTES
from fec_jax.estimate import cost, memory
from fec_jax.nets import cpu
from fec_jax.train import parallel, penalty, steps
from fec_jax.train.run import Run


def phase_of(name: str, px: int) -> tuple[Run, schedule.Phase]:
    """A config's run, and its last phase at `px`. name: of configs/, or dotted."""
    config = importlib.import_module(name if "." in name else f"configs.{name}").get_config()
    run = build.networks_only(config.to_dict(), tuple(config.attributes) or ATTRIBUTES)
    return run, next(phase for phase in reversed(run.phases) if phase.resolution_px == px)


def arguments(run: Run, phase: schedule.Phase, mesh: Mesh) -> tuple[Any, ...]:
    """Shapes of the whole step's arguments, each with how it lies over `mesh`."""

    def lying(tree: Any, shardings: Any) -> Any:
        return jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), tree, shardings)

    def alike(tree: Any, spec: jax.P) -> Any:
        return lying(tree, jax.tree.map(lambda _: NamedSharding(mesh, spec), tree))

    state, batch, *rest = memory.step_shapes(run, phase, phase.batch)
    state = lying(state, parallel.state_shardings(state, mesh))
    return state, alike(batch, parallel.SPLIT), *(alike(tree, parallel.SAME) for tree in rest)


def compiled_phase(name: str, topology: str, px: int, effort: float = 0.0) -> dict[str, Any]:
    """Compiles the step of a phase for the topology; figures are of one device and one step, GB are 10^9 bytes.

    effort: XLA's `exec_time_optimization_effort`, 0 by default; -1 compiles some times faster, to slower code.
    """
    run, phase = phase_of(name, px)
    mesh = parallel.mesh(topologies.get_topology_desc(platform="tpu", topology_name=f"v5e:{topology}").devices)
    args = arguments(run, phase, mesh)
    step = functools.partial(steps.train_step, run.recipe, px, parallel.AXIS)
    lowered = parallel.sharded(step, mesh, args[0]).lower(*args)
    options: dict[str, Any] = dict(xla_options.OPTIONS["tpu"])
    if effort:
        options["exec_time_optimization_effort"] = effort
    begun = time.perf_counter()
    compiled = lowered.compile(compiler_options=options)
    seconds = time.perf_counter() - begun
    return {
        "batch_per_device": phase.batch // mesh.size,
        "remat_min_px": run.recipe.generator.remat_min_px,
        **with_penalty(costs(compiled), run, px, mesh, args),
        **contents(compiled.as_text()),
        **estimates(run, phase, mesh.size),
        "compile_s": round(seconds, 1),
        "jax": jax.__version__,
        "libtpu": metadata.version("libtpu"),
    }


def costs(compiled: Any) -> dict[str, float]:
    """The compiler's own account of operations and memory."""
    count, memory = compiled.cost_analysis(), compiled.memory_analysis()
    sizes = (
        memory.argument_size_in_bytes,
        memory.output_size_in_bytes,
        memory.temp_size_in_bytes,
        memory.alias_size_in_bytes,
    )
    names = ("arguments_gb", "outputs_gb", "temporaries_gb", "aliased_gb")
    return {
        "gflop": round(count["flops"] / 1e9, 3),
        "accessed_gb": round(count["bytes accessed"] / 1e9, 2),
        **{name: round(size / 1e9, 3) for name, size in zip(names, sizes, strict=True)},
        "peak_gb": round(hlo.peak_bytes(*sizes) / 1e9, 3),
        "code_gb": round(memory.generated_code_size_in_bytes / 1e9, 3),
    }


def with_penalty(found: dict[str, float], run: Run, px: int, mesh: Mesh, args: tuple[Any, ...]) -> dict[str, float]:
    """The costs of a step, with the operations of D's penalty if the config has one: it is a program of its own."""
    if not run.recipe.r1_gamma:
        return found
    function = functools.partial(penalty.penalty, run.recipe, px, parallel.AXIS)
    lowered = parallel.sharded_penalty(function, mesh).lower(args[0].d_params, args[1], args[2])
    flops = lowered.compile().cost_analysis()["flops"]
    return found | {"gflop": round(found["gflop"] + flops / 1e9, 3)}


def contents(text: str) -> dict[str, Any]:
    """Collectives of a step, and what its convolutions compute in."""
    crossing, found = hlo.collectives(text), hlo.convolutions(text)
    products = [c for c in found if c.is_product]
    by_number, by_flops = hlo.in_bfloat16([c for c in found if not c.is_product])
    return {
        "collectives": hlo.counted(crossing),
        "all_reduces": [
            {"arrays": c.arrays, "scalars": c.scalars, "mb": round(c.bytes / 1e6, 1)}
            for c in crossing
            if c.kind == "all-reduce"
        ],
        "convolutions": len(found) - len(products),
        "convolutions_in_bfloat16": round(by_number, 4),
        "convolution_flops_in_bfloat16": round(by_flops, 4),
        "matrix_products": len(products),
        "matrix_products_in_bfloat16": round(hlo.in_bfloat16(products)[0], 4),
    }


def estimates(run: Run, phase: schedule.Phase, devices: int) -> dict[str, float]:
    """What `fec estimate` says of the same step: on average, and with the penalty and all that a step may have."""
    mean, most = (cost.counted(run, phase, phase.batch // devices, at_most) for at_most in (False, True))
    with cpu.textbook():
        expected = memory.step_bytes(run, phase, devices, memory.TPU_LANES)
    return {
        "estimate_gflop": round(mean.flops / 1e9, 3),
        "estimate_with_penalty_gflop": round(most.flops / 1e9, 3),
        "estimate_accessed_gb": round(most.bytes / 1e9, 2),  # before fusion
        "estimate_gb": round(expected / 1e9, 3),
    }


if __name__ == "__main__":
    config, topology, px, effort = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    print(json.dumps(compiled_phase(config, topology, px, effort)))
