"""What compilers made of published phases: bytes left after fusion, and seconds of compiling.

Copied from experiments/, which is not part of the package; tests/estimate/test_compilers.py checks them against it.
"""

LEFT_BY_FUSION = {128: 0.18, 64: 0.22, 32: 0.54, 16: 1.13}
"""Channels at a phase's resolution -> bytes that the compiled step moves, over XLA's count before fusion.

Of `hq1024_paper` through the TPU compiler for v5e (experiments/tpu_aot: accessed_gb / estimate_accessed_gb), where
fewer channels are padded to 128 lanes. 128 channels: 0.16 to 0.19, six resolutions; fewer: means of two batch sizes,
which differ (32 channels: 0.33 and 0.74). Of `hq1024` less is left, 0.04 at 4 px to 0.14 at 128 px, then 0.17, 0.50
and 0.89: with it these shares overstate. Compiled at the lowest effort, which overstates too: 54 GB instead of 37 for
the one phase tried with both. No GPU's compiler has been asked: GPUs pad nothing, and get the value of 128 channels.
"""

SECONDS_PER_CONVOLUTION = {"tpu": 0.43, "gpu": 0.40}
"""Seconds to compile a phase's programs, over the number of their convolutions: means over the published phases.

tpu: the rows of the paper's recipe in experiments/tpu_aot, at the lowest effort (the default took 5 times as long for
the one phase tried).
gpu: processor time of experiments/gpu_aot without autotuning: 1.6 at 4 px, 0.2 to 0.5 from 32 px on. With autotuning
433 convolutions were not done after 230 s on an H200.
"""

REACHED = 0.25
"""Share of the roofline that was reached, the one time that something ran on an accelerator.

`hq1024`'s generator, one photo of 1024 px, bfloat16, on an H200: 3.42 ms. Its 210 GFLOP are 0.21 ms at the data sheet's
peak; its 22.1 GB before fusion, times 0.18, are 0.83 ms at the data sheet's bandwidth. (A product of large matrices
reached 650 of 989 TFLOP/s.) How fast a training step runs is unknown.
"""


def fused(platform: str, channels: int) -> float:
    """The share of the bytes before fusion that is left after it. channels: at the phase's resolution."""
    if platform != "tpu":
        return LEFT_BY_FUSION[max(LEFT_BY_FUSION)]
    narrower = [width for width in LEFT_BY_FUSION if width <= channels]
    return LEFT_BY_FUSION[max(narrower, default=min(LEFT_BY_FUSION))]
