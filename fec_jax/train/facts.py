"""What a checkpoint says beside its arrays, as JSON: where the run stands, its config, its data, and where it began."""

from typing import Any

from fec_jax.data.source import Source
from fec_jax.train.progress import Counts, Window
from fec_jax.train.run import Run
from fec_jax.types import UserError

COMPARED = ("name", "size", "fingerprint")
"""What must be the same of the data when a run resumes."""


def facts(
    nimg: int, run: Run, source: Source, counts: Counts, window: Window, started_from: dict[str, Any] | None
) -> dict[str, Any]:
    """All of them. started_from: see `starting.Start.facts`."""
    return {
        "nimg": nimg,
        **counts.facts(),
        "window": window.facts(),
        "config": run.config,
        "started_from": started_from,
        **_of_data(run, source),
    }


def _of_data(run: Run, source: Source) -> dict[str, Any]:
    data = {
        "name": source.name,
        "license": source.license,
        "size": len(source),
        "fingerprint": source.fingerprint,
    }
    return {"attribute_names": list(run.attribute_names), "data": data}


def check_data(saved: dict[str, Any], run: Run, source: Source) -> None:
    """Raises UserError if the data is not what the run was started on: labels or order would mean other things.

    Another licence is no other data. What checkpoints of earlier versions do not say is not compared.
    """
    now = _of_data(run, source)
    pairs = [("attribute_names", saved["attribute_names"], now["attribute_names"])]
    pairs += [(name, saved["data"][name], now["data"][name]) for name in COMPARED if name in saved["data"]]
    for name, was, value in pairs:
        if was != value:
            raise UserError(
                f"the data of this run has changed: {name} was {was}, is {value}; "
                "bring the old data back (config.data.path), or use another --workdir"
            )
