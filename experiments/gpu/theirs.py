"""PyTorch's side on a device: the twin with weights and inputs of ours, channels-last, eager or compiled.

JAX only makes the inputs, on the CPU (JAX_PLATFORMS=cpu): the device is torch's alone.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from experiments.bench import twin
from experiments.gpu import given
from experiments.gpu.timing import timed

Figures = dict[str, Any]
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def completion(name: str, px: int, batch: int, dtype: str, seconds: float, side: str, device: str) -> Iterator[Figures]:
    """A forward pass of the twin's G, its weights in `dtype`."""
    _, params, (masked, mask, attrs) = given.completion(name, px, batch, dtype)
    kind = DTYPES[dtype]
    weights = cast(twin.from_flax(params, True, device), kind)
    x, hole = (twin.to_torch(of, True, device).to(kind) for of in (masked, mask))
    wanted = torch.from_numpy(attrs).to(device, kind)
    function = twin.generator
    if side != "eager":
        function = torch.compile(function, mode="reduce-overhead" if side == "graphs" else "default")
    with torch.inference_mode():
        begun = time.perf_counter()
        values = {"image": given.some(twin.to_numpy(function(weights, x, hole, wanted, px).float().cpu()))}
        first_s = time.perf_counter() - begun
        each = timed(lambda: function(weights, x, hole, wanted, px), waiting(device), seconds)
    yield {"ms": each * 1e3, "first_s": first_s, "values": values, **memory(device)}


def step(name: str, px: int, batch: int, dtype: str, seconds: float, side: str, device: str) -> Iterator[Figures]:
    """The twin's training step; bfloat16 by autocast."""
    inputs = given.twins_step(name, px, batch, dtype)
    training = twin.Training(
        *(inputs[part] for part in ("g", "d", "vgg", "lambdas")), px=px, channels_last=True,
        device=device, dtype=DTYPES[dtype], compiled=side != "eager",
    )  # fmt: skip
    real, mask = (twin.to_torch(np.array(inputs[part]), True, device) for part in ("real", "mask"))
    attrs, wanted = (torch.from_numpy(np.array(inputs[part])).to(device) for part in ("attrs", "wanted_attrs"))
    begun = time.perf_counter()
    losses = training.step(real, mask, attrs, wanted)
    values = {part: [loss.item()] for part, loss in zip(("g_loss", "d_loss"), losses, strict=True)}
    first_s = time.perf_counter() - begun
    each = timed(lambda: training.step(real, mask, attrs, wanted), waiting(device), seconds)
    yield {"ms": each * 1e3, "images_per_s": batch / each, "first_s": first_s, "values": values, **memory(device)}


def cast(tree: dict[str, Any], kind: torch.dtype) -> dict[str, Any]:
    return {k: cast(x, kind) if isinstance(x, dict) else x.to(kind) for k, x in tree.items()}


def waiting(device: str) -> Callable[[Any], None]:
    """Waits until the device has done all that it was asked for."""
    return lambda _: torch.cuda.synchronize() if device == "cuda" else None


def memory(device: str) -> Figures:
    return {"peak_gib": torch.cuda.max_memory_reserved() / 2**30 if device == "cuda" else None}


def measure(what: str, *args: Any, side: str, gpu: bool) -> Iterator[Figures]:
    """What the function of this name yields, with torch's version. RuntimeError: `gpu` is wanted, torch sees none."""
    if gpu and not torch.cuda.is_available():
        raise RuntimeError(f"torch {torch.__version__} sees no GPU: install its CUDA build")
    # As XLA does by default: products and convolutions of float32 in TF32, algorithms chosen by trying.
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    functions: dict[str, Callable[..., Iterator[Figures]]] = {"completion": completion, "step": step}
    for figures in functions[what](*args, side, "cuda" if gpu else "cpu"):
        yield {"torch": torch.__version__} | figures
