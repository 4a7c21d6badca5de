"""Compiler options that differ from XLA's defaults."""

import functools

import jax

OPTIONS: dict[str, dict[str, str | bool]] = {
    # XLA (jaxlib 0.10) gives convolutions, reductions and products to the YNNPACK library, which runs most of those of
    # this project on a single core. Naming no kind of operation for it leaves them to XLA, which takes all cores.
    "cpu": {"xla_cpu_experimental_ynn_fusion_type": ""},
    # One all-reduce for the gradients of each network, the metrics included. By default XLA joins no more than about
    # 128 MB, less than G's (experiments/tpu_aot).
    "tpu": {"xla_jf_crs_combiner_threshold_in_bytes": str(2**31)},
}
"""Compiler options of training steps and completions, by backend."""


@functools.cache
def options() -> dict[str, str | bool]:
    """`OPTIONS` of this machine's devices, for `compiler_options` of JAX; an XLA that does not know them gets none."""
    wanted = OPTIONS.get(jax.default_backend(), {})
    try:
        jax.jit(lambda: 0, compiler_options=wanted).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return wanted


def unoptimised() -> dict[str, str | bool | int]:
    """For a program that runs once: on CPUs, optimising the code of a network's random arrays takes half a minute."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else {}
