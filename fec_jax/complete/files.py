"""Putting a finished file in place: whole or not at all."""

import os
from pathlib import Path

from fec_jax.types import UserError


def write_aside(path: Path, data: bytes) -> None:
    """Writes `data` to a new file beside `path`, syncs and renames it: `path` is either the old or the whole new file.

    Raises UserError if the file system refuses (full, read only ...); nothing is left behind then.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with open(aside, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as e:
        raise UserError(f"cannot write {path}: {e.strerror or e}; choose another place with --out") from e


def check_free(path: Path, force: bool) -> None:
    """Refuses, before any work is done, an output path that is a folder, has no folder, or exists (unless `force`).

    Raises UserError.
    """
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; give a file name")
    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: the folder {path.parent} does not exist; make it first")
    if path.exists() and not force:
        raise UserError(f"{path} exists: choose another name, or overwrite it with --force")
