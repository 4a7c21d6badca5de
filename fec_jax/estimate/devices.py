"""Chips by their data sheets."""

import dataclasses
import re

from fec_jax.types import UserError

HERE = "here"


@dataclasses.dataclass(frozen=True)
class Device:
    """A chip by its makers' data sheet. Peaks are of dense matrix products, in operations per second.

    half_flops: in bfloat16 (float16 where there is no bfloat16). flops: in float32, or what runs it (TF32). memory:
    bytes. bandwidth: of this memory, bytes per second. platform: JAX's name of what compiles for it.
    """

    half_flops: float
    flops: float
    memory: float
    bandwidth: float
    platform: str = "gpu"


DEVICES = {
    "v5e": Device(197e12, 98e12, 16e9, 819e9, "tpu"),
    "h200": Device(989e12, 495e12, 141e9, 4800e9),
    "h100": Device(989e12, 495e12, 80e9, 3350e9),
    "a100": Device(312e12, 156e12, 80e9, 2039e9),
    "l4": Device(121e12, 60e12, 24e9, 300e9),
    "t4": Device(65e12, 8.1e12, 16e9, 320e9),
    "titan-xp": Device(12.1e12, 12.1e12, 12e9, 547.6e9),
}


def parse_device(text: str) -> tuple[str, int]:
    """Name and number of devices: `v5e-8` is eight, `h100` is one. UserError for one that is not known."""
    name, count = text, 1
    found = re.fullmatch(r"(.+?)-(\d+)", text)
    if found and found[1] in DEVICES:
        name, count = found[1], int(found[2])
    if name not in DEVICES or count < 1:
        raise UserError(f"--device {text}: use {', '.join(DEVICES)}, with -N for N of them (v5e-8), or {HERE}")
    return name, count
