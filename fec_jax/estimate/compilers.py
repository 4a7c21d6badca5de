"""What compilers made of published phases: bytes left after fusion, and seconds of compiling.

Copied from experiments/, which is not part of the package; tests/estimate/test_compilers.py checks them against it.
"""

LEFT_BY_FUSION = {
    "tpu": {128: 0.23, 64: 0.18, 32: 0.51, 16: 0.90},
    "gpu": {128: 0.21, 64: 0.16, 32: 0.155, 16: 0.15},
}
"""Platform -> channels at a phase's resolution -> bytes that the compiled step moves, over XLA's count before fusion.

Of `hq1024` (experiments/tpu_aot, v5e-8; experiments/gpu_aot, one H100): accessed_gb over estimate_accessed_gb without
the bytes of drawing masks (`cost.mask_bytes`), of which next to none are left. 128 channels: means of six resolutions,
0.31 at 4 px to 0.16 at 128 px (TPU), 0.28 to 0.16 (GPU). TPUs pad fewer channels to 128 lanes, GPUs pad nothing. The
TPU's programs were compiled at the lowest effort, which overstates: 54 GB instead of 37 for the one phase tried with
both. The GPU's are what operands and results of all kernels hold, caches apart.
"""

SECONDS_PER_CONVOLUTION = {"tpu": 0.43, "gpu": 0.52}
"""Seconds to compile a phase's programs, over the number of their convolutions: means over the published phases.

tpu: the rows of the paper's recipe in experiments/tpu_aot, at the lowest effort (the default took 5 times as long for
the one phase tried).
gpu: processor time of experiments/gpu_aot without autotuning: 0.8 to 1.9 at 4 px, 0.2 to 0.8 from 32 px on. With it
433 convolutions were not done after 230 s on an H200.
"""

REACHED = 0.2
"""Share of the roofline that was reached, the one time that something ran on an accelerator.

`hq1024`'s generator, one photo of 1024 px, bfloat16, on an H200: 3.42 ms. Its 210 GFLOP are 0.21 ms at the data sheet's
peak; its 22.1 GB before fusion, times 0.15, are 0.69 ms at the data sheet's bandwidth. (A product of large matrices
reached 650 of 989 TFLOP/s.) How fast a training step runs is unknown.
"""


def fused(platform: str, channels: int) -> float:
    """The share of the bytes before fusion that is left after it. channels: at the phase's resolution."""
    shares = LEFT_BY_FUSION["tpu" if platform == "tpu" else "gpu"]
    return shares[max((width for width in shares if width <= channels), default=min(shares))]
