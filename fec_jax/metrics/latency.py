"""How long one completion takes: one photo at a time, synchronised, after warming up."""

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from fec_jax import images
from fec_jax.masks import holes
from fec_jax.metrics.heldout import Predict

CPU_INFO, MODEL = Path("/proc/cpuinfo"), re.compile(r"^model name\s*: (.+)$", re.MULTILINE)
MOST_RUNS, FEWEST_RUNS, SECONDS = 100, 5, 10.0


def latency(predict: Predict, px: int, num_attrs: int) -> dict[str, Any]:
    """Milliseconds (p50, p95) of a completion of one photo, with and without moving it to the device and back.

    `on_device_ms`: masked photo, mask, attributes and result are on the device. `with_transfer_ms`: from an
    8-bit photo in the host's memory to the completed one. Both wait until the result is there.
    """
    real = np.random.default_rng(0).integers(0, 256, (1, px, px, 3), np.uint8)
    mask, attrs = np.asarray(holes.center(px))[None], np.zeros((1, num_attrs), np.float32)
    x, m, a = images.to_float(real), jnp.asarray(mask), jnp.asarray(attrs)
    masked = jax.block_until_ready(holes.cut(x, m))

    def whole() -> np.ndarray:
        x, m = images.to_float(real), jnp.asarray(mask)
        return np.asarray(images.to_uint8(holes.paste(predict(holes.cut(x, m), m, jnp.asarray(attrs)), x, m)))

    on_device, runs = _timed(lambda: jax.block_until_ready(predict(masked, m, a)))
    with_transfer, _ = _timed(whole)
    return {
        "device": _device(),
        "platform": jax.default_backend(),
        "batch": 1,
        "runs": runs,
        "on_device_ms": on_device,
        "with_transfer_ms": with_transfer,
    }


def _device() -> str:
    """What the device is called; of a CPU, which JAX calls "cpu", its model where the system gives it."""
    name = jax.devices()[0].device_kind
    with contextlib.suppress(OSError):
        if jax.default_backend() == "cpu" and (models := MODEL.findall(CPU_INFO.read_text())):
            name = f"{models[0]}, {os.cpu_count()} threads"
    return name


def _timed(run: Callable[[], Any]) -> tuple[dict[str, float], int]:
    run()
    run()
    took: list[float] = []
    while len(took) < FEWEST_RUNS or (len(took) < MOST_RUNS and sum(took) < SECONDS):
        start = time.perf_counter()
        run()
        took.append(time.perf_counter() - start)
    return {f"p{p}": round(1000 * float(np.percentile(took, p)), 3) for p in (50, 95)}, len(took)
