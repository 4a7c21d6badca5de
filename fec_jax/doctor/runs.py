"""A workdir of a training, and a file of weights."""

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fec_jax.doctor.findings import Finding
from fec_jax.io.lock import locked
from fec_jax.io.names import shown
from fec_jax.types import UserError
from fec_jax.weights.format import Weights
from fec_jax.weights.load import weights_from


def examine_workdir(workdir: Path) -> list[Finding]:
    """Its config, its checkpoints (the newest one is read), its log, and its data."""
    found = []
    try:
        config = json.loads((workdir / "config.json").read_text())
        found.append(Finding(f"a training up to {config['resolution_px']} px"))
        found += _data(config)
    except (OSError, ValueError, KeyError, TypeError) as error:
        advice = "put the file back from a copy; a run resumes only with its own config"
        found.append(Finding(f"{shown(workdir / 'config.json')} cannot be read ({error})", advice))
    if _is_running(workdir):
        found.append(Finding("a training is running in it"))
    names = [p.name for p in (workdir / "checkpoints").glob("*")] if (workdir / "checkpoints").is_dir() else []
    saved = sorted(int(name) for name in names if name.isdecimal())
    if not saved:
        return [*found, Finding("it has no checkpoints", "start its training again: `fec train` with this --workdir")]
    found.append(Finding(f"{len(saved)} checkpoints, the newest at {saved[-1] / 1000:g} kimg"))
    aside = [p.name for p in (workdir / "unreadable").glob("*")] if (workdir / "unreadable").is_dir() else []
    if aside:
        found.append(Finding(f"{len(aside)} checkpoints could once not be read, and lie in unreadable/"))
    return found + list(_log(workdir / "metrics.jsonl")) + examine_weights(workdir)


def _data(config: dict[str, Any]) -> Iterator[Finding]:
    path = (config.get("data") or {}).get("path")
    if path and not Path(path).is_dir():
        advice = "copy the data there, run from the folder it is relative to, or give --config.data.path"
        yield Finding(f"its data, {path}, is not there", advice)


def _is_running(workdir: Path) -> bool:
    if not (workdir / ".lock").exists():
        return False
    try:
        with locked(workdir, "training", "--workdir"):
            return False
    except UserError:
        return True
    except OSError:  # one may not write here, so that nothing can be said
        return False


def _log(path: Path) -> Iterator[Finding]:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        yield Finding(f"it has no {path.name}", "nothing to do if the training has just begun")
        return
    broken, bad, rolled = 0, 0, 0
    for line in lines:
        try:
            values = json.loads(line)
            broken += any(isinstance(v, float) and not math.isfinite(v) for v in values.values())
            bad, rolled = max(bad, int(values.get("bad_steps", 0))), max(rolled, int(values.get("rollbacks", 0)))
        except (ValueError, AttributeError, TypeError):
            broken += line is not lines[-1]  # the last one may be cut off by a kill
    if broken:
        advice = "look at the grids; start again from weights before that, with a smaller rate, if they are bad"
        yield Finding(
            f"{broken} of {len(lines)} lines of {path.name} are damaged or hold values that are not finite", advice
        )
    elif lines:
        yield Finding(f"{len(lines)} lines of figures, all finite")
    if bad or rolled:
        advice = "a few are harmless; if there are ever more, go on in a new --workdir with a lower rate, from this one"
        yield Finding(f"{bad} steps were left out since they were not finite, and {rolled} rollbacks", advice)


def examine_weights(path: Path) -> list[Finding]:
    """Weights of a file, or of a workdir's newest checkpoint."""
    try:
        weights = weights_from(path)
    except UserError as error:
        return [Finding("no weights can be read from it", str(error))]
    return list(_weights(weights, path))


def _weights(weights: Weights, path: Path) -> Iterator[Finding]:
    meta = weights.meta
    yield Finding(f"weights of {meta.resolution_px} px; attributes: {', '.join(meta.attribute_names) or 'none'}")
    if path.is_file():
        yield Finding(f"SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}")
    if weights.d_params is None:
        yield Finding("no discriminator: attributes cannot be read from photos, set them all")
    licence = meta.data.get("license")
    if licence in (None, "", "not stated"):
        yield Finding("the training photos' licence is not stated: `fec export weights --license` adds it")
    else:
        yield Finding(f"trained on {meta.data.get('name')}, splits {', '.join(meta.splits)}; licence: {licence}")
