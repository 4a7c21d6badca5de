"""`program.function` as StableHLO, by `jax.export`: runs with JAX alone, on CPUs, NVIDIA GPUs and TPUs.

A zip with two files: `program`, which `jax.export.deserialize` reads, and `about.json`, `program.about`. One file,
because the program does not know its attributes' names, nor the photos' licence.

It holds the CPU's forms of the layers and the textbook's (`nets.cpu`), and takes those of the platform that it runs on:
as fast as here. Other readers of StableHLO gain nothing from textbook forms alone: a program for several platforms has
the platform's number for its first argument anyway.
"""

import io
import json
import zipfile

import jax
import jax.export

from fec_jax.portable import program
from fec_jax.weights.format import Weights

PLATFORMS = ("cpu", "cuda", "tpu")
PROGRAM, ABOUT = "program", "about.json"


def to_bytes(weights: Weights) -> bytes:
    """The zip; the same for the same weights and versions."""
    shapes = program.arguments(weights)
    exported = jax.export.export(jax.jit(program.function(weights)), platforms=PLATFORMS)(*shapes.values())
    about = {**program.about(weights), "platforms": PLATFORMS, "arguments": list(shapes)}
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, content in ((PROGRAM, bytes(exported.serialize())), (ABOUT, json.dumps(about, indent=1))):
            file.writestr(zipfile.ZipInfo(name), content)  # of no date
    return data.getvalue()
