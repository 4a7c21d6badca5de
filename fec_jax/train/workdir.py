"""A workdir belongs to one run: its config lies in it, and another one does not go on there."""

import json
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict

from fec_jax.io.atomic import write_whole
from fec_jax.train.run import Run
from fec_jax.types import UserError

FREE = (
    "every",
    "keep_checkpoints",
    "max_rollbacks",
    "parallel",
    "remat_min_px",
    "grid_images",
    "eval_images",
    "eval_masks",
    "data.threads",
    "data.path",
)
"""Keys that may change when a run resumes: they change nothing that is learned."""


def bind(run: Run, workdir: Path) -> None:
    """Writes `config.json` into a new workdir; in a used one, checks that it is this run's.

    Raises UserError naming the first key that differs, unless it is one of `FREE`.
    """
    path = workdir / "config.json"
    if path.exists():
        try:
            before = _flat(json.loads(path.read_text()))
        except ValueError as error:
            raise UserError(f"{path} cannot be read ({error}): use another --workdir") from error
        now = _flat(run.config)
        for name in sorted(before.keys() | now.keys()):
            old, new = before.get(name, "absent"), now.get(name, "absent")
            if old != new and not any(name == free or name.startswith(free + ".") for free in FREE):
                raise UserError(
                    f"{workdir} holds a run with config.{name} = {old!r}, not {new!r}: "
                    "use its config, or another --workdir"
                )
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        write_whole(path, (json.dumps(run.config, indent=1) + "\n").encode())
    except OSError as error:
        raise UserError(f"cannot write to {workdir} ({error.strerror}): use another --workdir") from error


def _flat(config: Any) -> dict[str, Any]:
    if not isinstance(config, dict):
        raise ValueError("not a config")
    return flatten_dict(config, sep=".")
