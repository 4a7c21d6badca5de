"""From a workdir to weights to hand out: averaged generator and discriminator of the newest grown checkpoint."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax

from fec_jax.config import build
from fec_jax.nets import prior as priors
from fec_jax.train import parallel
from fec_jax.train import state as states
from fec_jax.train.checkpoints import Checkpoints
from fec_jax.train.run import Run
from fec_jax.types import UserError
from fec_jax.weights.format import Meta, Weights

FIGURES = ("psnr_hole_center", "l1_hole_center")
_UNREADABLE = (ValueError, KeyError, OSError, TypeError)


def from_workdir(workdir: Path) -> Weights:
    """The weights of a run, finished or still running; its data need not be there.

    Taken from the newest checkpoint that is not in the middle of a fade, at the resolution reached by then: there alpha
    is 1, and the network is fully grown. One that cannot be read is passed over. Raises UserError if the folder
    is no workdir or has no such checkpoint.
    """
    _check(workdir)
    folder = workdir / "checkpoints"
    if not folder.is_dir():
        raise UserError(f"{workdir} has no checkpoints yet: train first, with --workdir={workdir}")
    tried: set[int] = set()
    reason = ""
    while True:
        checkpoints = Checkpoints(folder, read_only=True)
        try:
            # While a training runs, old checkpoints vanish and new ones come: look again when all have failed.
            left = [nimg for nimg in reversed(checkpoints.saved()) if nimg not in tried]
            if not left:
                break
            for nimg in left:
                tried.add(nimg)
                try:
                    weights = _at(workdir, checkpoints, nimg)
                except _UNREADABLE as error:
                    reason = f"{nimg}: {(str(error).splitlines() or [type(error).__name__])[0]}"
                else:
                    if weights is not None:
                        return weights
        finally:
            checkpoints.close()
    if reason:
        raise UserError(
            f"{workdir} has no checkpoint of a finished phase that can be read ({reason}): "
            "export again when the training has written a new one"
        )
    raise UserError(f"{workdir} has no checkpoint of a finished phase yet: wait for the end of its first one")


def _check(workdir: Path) -> None:
    """UserError if `workdir` is not one. The config of a checkpoint is in its facts: the run may have grown since."""
    try:
        config = json.loads((workdir / "config.json").read_text())
        if not isinstance(config, dict):
            raise ValueError("not a config")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{workdir} is neither a file of weights nor the workdir of a run (no readable config.json in it)"
        ) from error


def _at(workdir: Path, checkpoints: Checkpoints, nimg: int) -> Weights | None:
    """The weights after `nimg` images; None at the start and in the middle of a fade."""
    facts = checkpoints.facts(nimg)
    run = build.networks_only(facts["config"], tuple(facts["attribute_names"]))
    resolution_px = _grown_px(run, nimg)
    if not resolution_px:
        return None
    trained, _ = checkpoints.read(nimg, run.state_shape(nimg, parallel.mesh(jax.local_devices()[:1])))
    return _weights(run, trained, resolution_px, facts, _figures(workdir / "metrics.jsonl", nimg))


def _figures(path: Path, nimg: int) -> dict[str, float]:
    """The newest held-out figures at or before `nimg`, with the kimg they belong to; empty if there are none."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    newest, found = -1, {}
    for text in lines:
        try:
            line = json.loads(text)
            at = int(line["nimg"])
            figures = {name: float(line[f"eval/{name}"]) for name in FIGURES if f"eval/{name}" in line}
        except (ValueError, KeyError, TypeError, RecursionError):  # cut off by a kill, or being written
            continue
        if figures and newest <= at <= nimg and all(map(math.isfinite, figures.values())):
            newest, found = at, {"figures_kimg": at / 1000, **figures}
    return found


def _grown_px(run: Run, nimg: int) -> int | None:
    """The resolution whose layers have alpha 1 after `nimg` images; None at the start and in the middle of a fade."""
    ended = [phase for phase in run.phases if phase.end_nimg == nimg]
    if ended:
        return ended[0].resolution_px
    phase = run.at(nimg).phase
    return phase.resolution_px if phase.kind == "stable" and nimg else None


def _weights(
    run: Run, trained: states.State, resolution_px: int, facts: dict[str, Any], figures: dict[str, float]
) -> Weights:
    g, d = run.recipe.generator, run.recipe.discriminator
    data = {key: facts["data"][key] for key in ("name", "license")}
    start = facts.get("started_from") or {}
    # Earlier versions read files without these, of which smaller networks have none.
    more = {"prior": g.prior} if g.prior and resolution_px >= priors.PX else {}
    more |= {"offset": True} if g.has_offset(resolution_px) else {}
    heads = {"on_features": True} if d.on_features else {}
    meta = Meta(
        attribute_names=run.attribute_names,
        resolution_px=resolution_px,
        generator={"base": g.base, "cap": g.cap, "latent": g.latent, "skip": g.skip, "growth": g.growth, **more},
        discriminator={"base": d.base, "cap": d.cap, "growth": d.growth, **heads},
        data=data,
        training={"kimg": facts["nimg"] / 1000, **figures, "seed": run.seed, "config": handed_out(run.config)},
        alignment=run.alignment,
        started_from={key: start[key] for key in ("name", "sha256")} if start else None,
        loss_networks=_together(run.loss_networks(facts["nimg"]), start.get("loss_networks", ())),
        splits=_together(run.splits, start.get("splits", ())),
    )
    return Weights(jax.device_get(trained.g_ema), jax.device_get(trained.d_params), meta)


def handed_out(config: dict[str, Any]) -> dict[str, Any]:
    """A config without the folders of the machine it was read on: of paths, the last part is left."""
    data = {**config["data"], "path": Path(config["data"]["path"]).name}
    return {**config, "data": data, "init_from": Path(config.get("init_from", "")).name}


def _together(own: Iterable[str], inherited: Iterable[str]) -> tuple[str, ...]:
    """Both, each once: what a run began with has seen and used what it names, too."""
    return tuple(dict.fromkeys((*own, *inherited)))
