"""From a workdir to weights to hand out: averaged generator and discriminator of the newest grown checkpoint."""

import json
from pathlib import Path
from typing import Any

import jax

from fec_jax import build
from fec_jax.complete.weights import Meta, Weights
from fec_jax.train import checkpointing, parallel
from fec_jax.train import state as states
from fec_jax.train.run import Run
from fec_jax.types import UserError


def from_workdir(workdir: Path) -> Weights:
    """The weights of a run, whole or still going on; its data need not be there.

    Taken from the newest checkpoint that is not in the middle of a fade, at the resolution reached by then: there alpha
    is 1, and the network is what it looks like. Raises UserError if the folder is no workdir or has no such checkpoint.
    """
    try:
        config = json.loads((workdir / "config.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(
            f"{workdir} is neither a file of weights nor the workdir of a run (no readable config.json in it)"
        ) from error
    if not (workdir / "checkpoints").is_dir():
        raise UserError(f"{workdir} has no checkpoints yet: train first, with --workdir={workdir}")
    checkpoints = checkpointing.Checkpoints(workdir / "checkpoints", read_only=True)
    try:
        for nimg in reversed(checkpoints.saved()):
            facts = checkpoints.facts(nimg)
            run = build.networks_only(config, tuple(facts["attribute_names"]))
            resolution_px = _grown_px(run, nimg)
            if resolution_px:
                trained, _ = checkpoints.read(nimg, run.state_shape(nimg, parallel.mesh(jax.devices()[:1])))
                return _weights(run, trained, resolution_px, facts)
    finally:
        checkpoints.close()
    raise UserError(f"{workdir} has no checkpoint of a finished phase yet: wait for the end of its first one")


def _grown_px(run: Run, nimg: int) -> int | None:
    """The resolution whose layers have alpha 1 after `nimg` images; None at the start and in the middle of a fade."""
    ended = [phase for phase in run.phases if phase.end_nimg == nimg]
    if ended:
        return ended[0].resolution_px
    phase = run.at(nimg).phase
    return phase.resolution_px if phase.kind == "stable" and nimg else None


def _weights(run: Run, trained: states.State, resolution_px: int, facts: dict[str, Any]) -> Weights:
    g, d = run.recipe.generator, run.recipe.discriminator
    data = {key: facts["data"][key] for key in ("name", "license")}
    meta = Meta(
        attribute_names=run.attribute_names,
        resolution_px=resolution_px,
        generator={"base": g.base, "cap": g.cap, "latent": g.latent, "skip": g.skip},
        discriminator={"base": d.base, "cap": d.cap},
        data=data,
        training={"kimg": facts["nimg"] / 1000, "seed": run.seed, "config": run.config},
    )
    return Weights(jax.device_get(trained.g_ema), jax.device_get(trained.d_params), meta)
