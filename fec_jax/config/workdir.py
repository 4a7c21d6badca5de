"""A workdir belongs to one run: it holds the config, and a run with another config is refused."""

import json
import re
from pathlib import Path
from typing import Any

from fec_jax import schedule
from fec_jax.config import older
from fec_jax.io.atomic import write_whole
from fec_jax.io.lock import locked
from fec_jax.train import extending
from fec_jax.train.run import Run
from fec_jax.types import UserError

FREE = (
    "every",
    "keep_checkpoints",
    "max_skipped",
    "max_rollbacks",
    "parallel",
    "remat_min_px",
    "grid_images",
    "eval_images",
    "eval_masks",
    "data.threads",
    "data.path",
    "data.validation_split",
    "data.alignment",
)
"""Keys that may change when a run resumes: they do not change what is learned."""
GROWING = ("resolution_px", "schedule", "batch")
"""Keys that may change for phases that have not begun, see `extending.change_behind`."""


def local(text: str) -> Path:
    """The folder that `--workdir` names. Raises UserError for an address (gs://...)."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", text):
        raise UserError(
            f"--workdir={text} is an address, not a folder: mount the bucket and name a folder of it, or copy a local "
            "workdir there afterwards"
        )
    return Path(text)


def newest(workdir: Path) -> int | None:
    """Images seen at the newest checkpoint of a workdir; None if there is none. None of them is read."""
    folder = workdir / "checkpoints"
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return max((int(name) for name in names if name.isdecimal()), default=None)


def bind(run: Run, workdir: Path) -> None:
    """Writes `config.json` into a new workdir; in a used one, checks that it is this run's.

    What may differ: `FREE`; the schedule ahead of the newest checkpoint; keys that the workdir's config lacks, if they
    have their defaults, and keys that are gone, if they did nothing. Raises UserError naming the first key that
    prevents resuming, and while another training runs there.
    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        with locked(workdir, "training", "--workdir"):  # a running one must find its own config again
            path = workdir / "config.json"
            if path.exists():
                _check_readable(run, path)
            write_whole(path, (json.dumps(run.config, indent=1) + "\n").encode())
    except OSError as error:
        raise UserError(f"cannot write to {workdir} ({error.strerror}): use another --workdir") from error


def _check_readable(run: Run, path: Path) -> None:
    try:
        before = older.flat(json.loads(path.read_text()))
        _check(run, before, path.parent)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}): use another --workdir") from error


def _check(run: Run, before: dict[str, Any], workdir: Path) -> None:
    now, nimg = older.flat(run.config), newest(workdir) or 0
    old = older.renamed(before)
    for name in sorted(old.keys() | now.keys()):
        if _is_below(name, FREE) or (_is_below(name, GROWING) and name != "resolution_px"):
            continue
        if name in old and name in older.GONE:
            raise UserError(
                f"{workdir} holds a run with config.{name} = {old[name]!r}, which is gone: resume with the "
                "version of fec_jax that began it, or use another --workdir"
            )
        was, new = old[name] if name in old else _default(name), now.get(name, "absent")
        if was != new and not (name == "resolution_px" and new > was):
            raise UserError(
                f"{workdir} holds a run with config.{name} = {was!r}, not {new!r}: use its config, or another --workdir"
            )
    then = schedule.phases(extending.rows(older.to_read(before)))
    name = extending.change_behind(nimg, then, run.phases)
    if name:
        was, new = old.get(name, "absent"), now.get(name, "absent")
        raise UserError(
            f"{workdir} holds a run with config.{name} = {was!r}, not {new!r}, and is at {nimg / 1000:g} kimg: what "
            "lies behind cannot change; use its config, or another --workdir"
        )


def _default(name: str) -> Any:
    try:
        return older.default(name)
    except KeyError:
        return "absent"


def _is_below(name: str, parents: tuple[str, ...]) -> bool:
    return any(name == parent or name.startswith(parent + ".") for parent in parents)
