"""Tiny runs for tests: opened in this process, or trained by the real program in another one."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tiny_config

from fec_jax.config import build
from fec_jax.train.run import Run
from fec_jax.weights.format import Meta, Weights

REPO = Path(__file__).parents[1]
TIMINGS = {"images_per_s", "eta_phase_s", "eta_run_s", "memory_mib"}


def config(changes: Mapping[str, Any] | None = None, last_px: int = 16) -> Any:
    """`tiny_config` cut off after `last_px`, with `changes` by dotted key."""
    result = tiny_config.get_config()
    result.resolution_px = last_px
    for name in [name for name in result.schedule if int(name[2:]) > last_px]:
        del result.schedule[name], result.batch[name]
    result.update_from_flattened_dict(dict(changes or {}))
    return result


def run(changes: Mapping[str, Any] | None = None, last_px: int = 16) -> Run:
    """`config` as a run."""
    return build.build(config(changes, last_px))


def weights_of(run: Run, px: int, **changes: Any) -> Weights:
    """Random weights of a run's networks, as if it had reached `px`."""
    rng = np.random.default_rng(px)
    g, d = run.recipe.generator, run.recipe.discriminator
    generator = {"base": g.base, "cap": g.cap, "latent": g.latent, "skip": g.skip, "growth": g.growth}
    generator |= {name: getattr(g, name) for name in ("prior", "offset") if getattr(g, name)}
    discriminator = {"base": d.base, "cap": d.cap, "growth": d.growth}
    discriminator |= {"on_features": True} if d.on_features else {}
    meta = Meta(run.attribute_names, px, generator, discriminator, splits=("old",), loss_networks=("alexnet",))
    meta = dataclasses.replace(meta, **changes)

    def random(shapes):
        return jax.tree.map(lambda x: 0.1 * rng.normal(size=x.shape).astype(np.float32), shapes)

    return Weights(random(meta.g_shapes()), random(meta.d_shapes()), meta)


def program(
    workdir: Path, *options: str, fault: str = "", devices: int = 1, config: str = "tests/tiny_config.py"
) -> subprocess.Popen[str]:
    """Starts `python -m fec_jax.main` on `config`; with a `fault`, under `saboteur`, see there."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    words = ["tests/saboteur.py"] if fault else ["-m", "fec_jax.main"]
    return subprocess.Popen(
        [sys.executable, *words, f"--config={config}", f"--workdir={workdir}", *options],
        cwd=REPO,
        env=os.environ | {"XLA_FLAGS": flags, "FAULT": fault, "PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train(workdir: Path, *options: str, fault: str = "", devices: int = 1) -> tuple[int, str]:
    """Runs `program` to its end: exit code and what it printed on stderr."""
    with program(workdir, *options, fault=fault, devices=devices) as process:
        _, errors = process.communicate(timeout=300)
    return process.returncode, errors


def lines(workdir: Path) -> list[dict[str, Any]]:
    """`metrics.jsonl` without what depends on the clock on the wall."""
    text = (workdir / "metrics.jsonl").read_text()
    text = text[: text.rfind("\n") + 1]  # the program may be writing the next one
    return [{k: v for k, v in json.loads(line).items() if k not in TIMINGS} for line in text.splitlines()]
