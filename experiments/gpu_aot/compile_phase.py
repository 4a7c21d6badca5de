"""One phase's programs through the XLA:GPU compiler for an H100: the last line of stdout says what they became.

JAX_PLATFORMS=cpu JAX_SKIP_CUDA_CONSTRAINTS_CHECK=1 python -m experiments.gpu_aot.compile_phase hq1024 64

In the environment that `aot.py` makes, which starts this for every phase. JSON: a row for each program.
"""

import dataclasses
import functools
import json
import re
import resource
import sys
import time
from typing import Any

import jax
from jax.experimental import topologies

from experiments.gpu import traffic
from experiments.tpu_aot.compile_phase import arguments, phase_of
from fec_jax.estimate import cost
from fec_jax.train import parallel, penalty, steps

H100 = """
gpu_device_info { threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152
  shared_memory_per_core: 233472 threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535 memory_bandwidth: 3350000000000
  l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 84942979072 shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 minor: 0 } registers_per_core_limit: 65536 registers_per_block_limit: 65536 }
platform_name: "CUDA" dnn_version_info { major: 9 minor: 10 } device_description_str: "NVIDIA H100 80GB HBM3"
"""
"""XLA's GpuTargetConfigProto, from the data sheet."""


def compiled_phase(name: str, px: int) -> list[dict[str, Any]]:
    """Compiles the step of a config's last phase at `px`, and D's penalty if the config has one, for one device.

    The step's row also has the bytes of both that `fec estimate` counts, before fusion.
    """
    run, phase = phase_of(name, px)
    recipe = dataclasses.replace(run.recipe_of(phase), kernels="ohwi")  # as on a machine that has a GPU
    topology = topologies.get_topology_desc(
        platform="cuda", topology_name="", target_config=H100, topology="1x1x1"
    )  # fmt: skip
    mesh = parallel.mesh(topology.devices)
    args = arguments(run, phase, mesh)
    state, batch, clock, *_ = args
    step = functools.partial(steps.train_step, recipe, px, parallel.AXIS)
    programs = {"step": parallel.sharded(step, mesh, state).lower(*args)}
    if recipe.r1_gamma:
        function = functools.partial(penalty.penalty, recipe, px, parallel.AXIS)
        programs["penalty"] = parallel.sharded_penalty(function, mesh).lower(state.d_params, batch, clock)
    found = [{"program": kind, "batch": phase.batch, **figures(lowered)} for kind, lowered in programs.items()]
    found[0]["estimate_accessed_gb"] = round(cost.counted(run, phase, phase.batch, at_most=True).bytes / 1e9, 2)
    return found


def figures(lowered: Any) -> dict[str, Any]:
    """What is in a lowered program, and what the compiler makes of it. GiB; GB that a call reads and writes."""
    text = lowered.as_text()
    begun, cpu = time.perf_counter(), cpu_s()
    compiled = lowered.compile()
    seconds, cpu = time.perf_counter() - begun, cpu_s() - cpu
    memory, optimised = compiled.memory_analysis(), compiled.as_text()
    return {
        "stablehlo_ops": len(re.findall(r"^.*\bstablehlo\.(?!return)", text, re.M)),
        "all_reduces": text.count("stablehlo.all_reduce"),
        **kernels(optimised),
        "temporaries_gib": round(memory.temp_size_in_bytes / 2**30, 3),
        "arguments_gib": round(memory.argument_size_in_bytes / 2**30, 3),
        "accessed_gb": round(traffic.moved(optimised) / 1e9, 2),
        "compile_s": round(seconds, 1),
        "compile_cpu_s": round(cpu, 1),
        "jax": jax.__version__,
    }


def kernels(text: str) -> dict[str, int]:
    """Kernels of an optimised program by kind; XLA names a fusion after what it ends in."""
    fusions = re.findall(r"^\s*(?:ROOT )?%(\S+) = .*? fusion\(", text, re.M)
    return {
        "fusions": len(fusions),
        "convolutions": text.count('custom_call_target="__cudnn$conv'),
        "transposes": sum("transpose" in name for name in fusions),
        "conversions": sum("convert" in name for name in fusions),
    }


def cpu_s() -> float:
    """Seconds of processor time so far, of this process and those that it has started and ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    print(json.dumps(compiled_phase(sys.argv[1], int(sys.argv[2]))))
